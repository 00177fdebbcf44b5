//! The model of a stream: what was stored, what is still there, and how far each replica is.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::cluster::chain::Message;
use crate::cluster::stream_view::StreamInfo;

/// How long the stream keeps messages.
pub(super) const MAX_AGE: Duration = Duration::from_secs(120);

/// A message that was stored.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) channel: Arc<str>,
    pub(super) message: Message,
    pub(super) at: Duration,
    /// When it was dropped, and why.
    pub(super) dropped: Option<(Duration, Cause)>,
}

/// Why a message was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    Age,
    /// The message at this position was one too many.
    Count(u64),
    Operator,
}

impl Cause {
    /// Whether the message that was one too many is behind this position.
    fn is_beyond(self, seq: u64) -> bool {
        matches!(self, Cause::Count(by) if by > seq)
    }
}

/// All that was ever stored, between two roll-backs: what replaces something is of another branch.
pub(super) type Branch = BTreeMap<u64, Stored>;

#[derive(Debug)]
pub(super) struct Stream {
    pub(super) epoch: u64,
    created: u64,
    pub(super) branches: Vec<Branch>,
    pub(super) last_seq: u64,
    /// How far each replica is; the first is the leader's.
    pub(super) replicas: [u64; 3],
    /// Messages of one channel that are kept; 0 for all.
    pub(super) per_channel: usize,
    contents: u64,
}

impl Stream {
    pub(super) fn new(per_channel: usize) -> Stream {
        Stream {
            epoch: 1,
            created: 0,
            branches: vec![Branch::new()],
            last_seq: 0,
            replicas: [0; 3],
            per_channel,
            contents: 0,
        }
    }

    pub(super) fn branch(&self) -> &Branch {
        self.branches.last().expect("there is one")
    }

    fn branch_mut(&mut self) -> &mut Branch {
        self.branches.last_mut().expect("there is one")
    }

    fn kept<'a>(&'a self, channel: &'a str) -> impl DoubleEndedIterator<Item = &'a Stored> {
        let all = self.branch().values();
        all.filter(move |stored| &*stored.channel == channel && stored.dropped.is_none())
    }

    /// Stores a message; as it is passed on to the nodes.
    pub(super) fn publish(&mut self, channel: &Arc<str>, now: Duration) -> Message {
        let prev = self.kept(channel).next_back().map_or(0, |stored| stored.message.seq);
        self.last_seq += 1;
        self.contents += 1;
        let data = Bytes::copy_from_slice(&self.contents.to_le_bytes());
        let message = Message { seq: self.last_seq, prev, time: now.as_nanos() as u64, data };
        let stored = Stored {
            channel: Arc::clone(channel),
            message: message.clone(),
            at: now,
            dropped: None,
        };
        self.branch_mut().insert(message.seq, stored);
        self.replicas[0] = self.last_seq;
        let of_channel = self.kept(channel).count();
        if self.per_channel > 0 && of_channel > self.per_channel {
            let oldest = self.kept(channel).next().map(|stored| stored.message.seq);
            let cause = Cause::Count(message.seq);
            self.drop_message(oldest.expect("it has some"), now, cause);
        }
        message
    }

    fn drop_message(&mut self, seq: u64, now: Duration, cause: Cause) {
        if let Some(stored) = self.branch_mut().get_mut(&seq) {
            stored.dropped = Some((now, cause));
        }
    }

    /// Drops what is too old, in whichever branch a node may still be.
    pub(super) fn age(&mut self, now: Duration) {
        let is_old = |stored: &&mut Stored| now - stored.at >= MAX_AGE && stored.dropped.is_none();
        let all = self.branches.iter_mut().flat_map(BTreeMap::values_mut);
        let old = all.filter(is_old);
        old.for_each(|stored| stored.dropped = Some((stored.at + MAX_AGE, Cause::Age)));
    }

    /// An operator drops all of a channel.
    pub(super) fn purge(&mut self, channel: &str, now: Duration) {
        let all: Vec<_> = self.kept(channel).map(|stored| stored.message.seq).collect();
        all.into_iter().for_each(|seq| self.drop_message(seq, now, Cause::Operator));
    }

    /// The replicas come nearer, one of them by so many messages.
    pub(super) fn replicate(&mut self, replica: usize, messages: u64) {
        self.replicas[replica] = (self.replicas[replica] + messages).min(self.last_seq);
    }

    /// Another stream of the same name takes its place.
    pub(super) fn recreate(&mut self, now: Duration) {
        self.epoch += 1;
        self.created = now.as_nanos() as u64;
        self.branches.push(Branch::new());
        self.last_seq = 0;
        self.replicas = [0; 3];
    }

    /// The disks are put back to an earlier state.
    pub(super) fn roll_back(&mut self, messages: u64) {
        self.last_seq = self.last_seq.saturating_sub(messages);
        let last_seq = self.last_seq;
        let before = self.branch().range(..=last_seq).map(|(seq, one)| (*seq, one.clone()));
        let mut branch: Branch = before.collect();
        // What made them too many is not there any more.
        for stored in branch.values_mut() {
            stored.dropped = stored.dropped.filter(|(_, why)| !why.is_beyond(last_seq));
        }
        self.branches.push(branch);
        self.replicas = [last_seq; 3];
    }

    pub(super) fn info(&self) -> StreamInfo {
        // The sentinel is the first and is never dropped: it hides how far dropping has come.
        let (epoch, created, last_seq) = (self.epoch, self.created, self.last_seq);
        StreamInfo { epoch, created, first_seq: 1, last_seq }
    }

    pub(super) fn time_at(&self, seq: u64) -> Option<u64> {
        let stored = self.branch().get(&seq).filter(|stored| stored.dropped.is_none());
        stored.map(|stored| stored.message.time)
    }

    /// What a replica has of a channel: it drops the oldest when it gets the one too many.
    fn at<'a>(
        &'a self,
        replica: usize,
        channel: &'a str,
    ) -> impl DoubleEndedIterator<Item = &'a Stored> {
        let up_to = self.replicas[replica];
        let all = self.branch().range(..=up_to).map(|(_, stored)| stored);
        all.filter(move |stored| {
            let is_there = match stored.dropped {
                Some((_, why)) => why.is_beyond(up_to),
                None => true,
            };
            is_there && &*stored.channel == channel
        })
    }

    /// A read of a channel at a replica; as reads have it, without the position before.
    pub(super) fn read(
        &self,
        replica: usize,
        channel: &str,
        from: u64,
        most: usize,
    ) -> Vec<Message> {
        let found = self.at(replica, channel).filter(|stored| stored.message.seq >= from);
        found.take(most).map(|stored| Message { prev: 0, ..stored.message.clone() }).collect()
    }

    /// A read of all channels at a replica.
    pub(super) fn stored(&self, replica: usize, from: u64, most: usize) -> Vec<(Arc<str>, u64)> {
        let all = self.branch().range(from..).map(|(_, stored)| stored);
        let place = |stored: &Stored| (Arc::clone(&stored.channel), stored.message.seq);
        let is_there =
            |(channel, seq): &(Arc<str>, u64)| self.newest_to(replica, channel, *seq) == Some(*seq);
        all.map(place).filter(is_there).take(most).collect()
    }

    /// The newest position of a channel at a replica, of those up to one.
    pub(super) fn newest_to(&self, replica: usize, channel: &str, up_to: u64) -> Option<u64> {
        let all = self.at(replica, channel).map(|stored| stored.message.seq);
        all.take_while(|seq| *seq <= up_to).last()
    }

    /// The newest position of a channel at a replica.
    pub(super) fn newest(&self, replica: usize, channel: &str) -> Option<u64> {
        self.at(replica, channel).next_back().map(|stored| stored.message.seq)
    }
}
