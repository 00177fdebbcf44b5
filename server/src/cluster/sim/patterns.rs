//! What a node owes to its patterns: everything of their channels, from when they were watched.

use std::collections::HashMap;
use std::sync::Arc;

use super::stream::{Cause, Stored, Stream};
use crate::cluster::chain::Step;

/// What a node's patterns want, and how far they have it.
#[derive(Debug)]
pub(super) struct Patterns {
    prefixes: &'static [&'static str],
    /// What was stored before is no matter of theirs.
    from: u64,
    /// By channel, the position up to which everything was passed on, or told as a gap.
    had: HashMap<Arc<str>, u64>,
}

impl Patterns {
    pub(super) fn new(prefixes: &'static [&'static str], from: u64) -> Patterns {
        Patterns { prefixes, from, had: HashMap::new() }
    }

    pub(super) fn prefixes(&self) -> &'static [&'static str] {
        self.prefixes
    }

    pub(super) fn want(&self, channel: &str) -> bool {
        self.prefixes.iter().any(|prefix| channel.starts_with(prefix))
    }

    /// The node has begun another life of the stream.
    pub(super) fn handle_epoch(&mut self, from: u64) {
        (self.from, self.had) = (from, HashMap::new());
    }

    /// A channel's chain has decided something.
    pub(super) fn handle(&mut self, channel: &Arc<str>, step: &Step, stream: Option<&Stream>) {
        let had = self.had.get(channel).copied().unwrap_or(0).max(self.from);
        let up_to = match step {
            Step::Begin { head } => {
                let missing = |stream| Patterns::missing(channel, (had, *head + 1), stream);
                let missing = stream.map_or(Vec::new(), missing);
                assert!(missing.is_empty(), "{channel} begins behind {head}, without {missing:?}");
                return;
            }
            Step::Gap { to, .. } => *to,
            Step::Deliver { message, .. } => message.seq,
        };
        self.had.insert(Arc::clone(channel), up_to.max(had));
    }

    /// What a channel has between two positions that patterns may not miss. What is dropped before
    /// anybody follows it, and has nothing left behind it, cannot be told.
    fn missing(channel: &str, (had, up_to): (u64, u64), stream: &Stream) -> Vec<u64> {
        let mut of_channel = stream.branch().values().filter(|one| &*one.channel == channel);
        let is_left = of_channel.any(|stored| stored.dropped.is_none());
        let is_missing = |stored: &&Stored| {
            let is_excused = match stored.dropped {
                Some((_, Cause::Count(_))) => !is_left,
                dropped => dropped.is_some(),
            };
            &*stored.channel == channel && !is_excused
        };
        let all = stream.branch().range((had + 1).min(up_to)..up_to).map(|(_, stored)| stored);
        all.filter(is_missing).map(|stored| stored.message.seq).collect()
    }

    /// At the end, when the stream is at rest and was audited: nothing may be missing.
    pub(super) fn finish(&self, stream: &Stream) {
        for stored in stream.branch().values().filter(|stored| self.want(&stored.channel)) {
            let had = self.had.get(&stored.channel).copied().unwrap_or(0).max(self.from);
            let missing = Patterns::missing(&stored.channel, (had, u64::MAX), stream);
            assert!(missing.is_empty(), "{}: patterns miss {missing:?}", stored.channel);
        }
    }
}
