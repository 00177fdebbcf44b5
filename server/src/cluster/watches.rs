//! The patterns of the engine's shards, and what waits until their channels are watched.

use std::collections::HashMap;
use std::sync::Arc;

use uringcast_engine::{Reply, ShardId, Unavailable, WatchRequest};

use super::names::Names;
use super::partition::Partition;
use super::watched::Watched;

/// What the engine's shards want of channels that they have not named.
#[derive(Debug, Default)]
pub(super) struct Watches {
    /// What the tokens of channels begin with.
    wanted: HashMap<ShardId, Vec<Box<str>>>,
    waiting: Vec<Reply<Result<(), Unavailable>>>,
    /// So many shards are to say what they want first.
    awaited: usize,
}

impl Watches {
    /// The engine has taken over: each of its shards says what it wants. What patterns have missed
    /// is looked for once, for all of them.
    pub(super) fn begin_anew(&mut self, shards: usize) {
        self.awaited = shards;
    }

    fn is_complete(&self) -> bool {
        self.wanted.len() >= self.awaited
    }

    /// A shard has other patterns from now on.
    pub(super) fn change(
        &mut self,
        names: &Names,
        request: WatchRequest,
        partitions: &mut [Partition],
    ) {
        let prefixes = request.channels.iter().map(|channels| names.prefix(channels));
        self.wanted.insert(request.shard, prefixes.collect());
        self.waiting.push(request.reply);
        if self.is_complete() {
            let watched = Arc::new(Watched::new(self.wanted.values().flatten().cloned()));
            partitions.iter_mut().for_each(|one| one.view.watch(Arc::clone(&watched)));
        }
    }

    /// Answers the requests, once their channels are watched.
    pub(super) fn answer(&mut self, partitions: &[Partition]) {
        if self.is_complete() && partitions.iter().all(|one| one.view.is_watching()) {
            self.waiting.drain(..).for_each(|reply| reply.answer(Ok(())));
        }
    }
}
