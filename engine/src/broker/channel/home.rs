//! The role of a channel's home shard: it serves the other shards in order.

use super::log::Log;
use crate::broker::shard_messages::{Lanes, Notice};
use crate::types::{ChannelIndex, JoinToken};
use crate::types::{Seq, ShardId};

/// The other shards with subscribers.
#[derive(Debug, Default)]
pub(super) struct Home {
    interests: Vec<Interest>,
}

/// Another shard with subscribers: a reader with a cursor.
#[derive(Debug)]
pub(super) struct Interest {
    pub(super) shard: ShardId,
    /// That shard's own key of the channel.
    pub(super) channel: ChannelIndex,
    /// That shard's join, echoed in every notice.
    pub(super) token: JoinToken,
    /// Next position to be sent.
    pub(super) next: Seq,
    /// Its subscribers that follow the channel's context, as it has told.
    pub(super) followers: u32,
    /// The log dropped everything up to here before it could be sent.
    pub(super) gap: Option<Seq>,
    /// Whether it stands in the list of readers that found their lane full.
    pub(super) behind: bool,
}

impl Home {
    pub(super) fn interests(&self) -> &[Interest] {
        &self.interests
    }

    /// The oldest position that a shard was not sent yet.
    pub(super) fn needed_from(&self) -> Option<Seq> {
        self.interests.iter().map(|interest| interest.next).min()
    }

    /// Subscribers elsewhere that follow the channel's context.
    pub(super) fn followers(&self) -> usize {
        self.interests.iter().map(|interest| interest.followers as usize).sum()
    }

    /// Serves a shard from `next` on.
    pub(super) fn add(
        &mut self,
        shard: ShardId,
        channel: ChannelIndex,
        token: JoinToken,
        next: Seq,
        followers: u32,
    ) {
        let interest =
            Interest { shard, channel, token, next, followers, gap: None, behind: false };
        self.interests.push(interest);
    }

    /// Stops serving a shard, if `token` is its join or no join is named. Returns the position from
    /// which on it was not sent the log.
    pub(super) fn remove(&mut self, shard: ShardId, token: Option<JoinToken>) -> Option<Seq> {
        let gone = |i: &Interest| i.shard == shard && token.is_none_or(|token| i.token == token);
        let place = self.interests.iter().position(gone)?;
        Some(self.interests.swap_remove(place).next)
    }

    /// The log has dropped the frame at `seq`: shards that were not sent it get a gap. Returns how
    /// many they are.
    pub(super) fn skip(&mut self, seq: Seq) -> usize {
        let late = self.interests.iter_mut().filter(|interest| interest.next <= seq);
        late.map(|interest| (interest.next, interest.gap) = (seq.next(), Some(seq))).count()
    }

    /// Sends a shard whose lane was full the rest.
    pub(super) fn resume(&mut self, shard: ShardId, log: &Log, lanes: &mut impl Lanes) -> bool {
        let of = |i: &&mut Interest| i.shard == shard && i.behind;
        self.interests.iter_mut().find(of).is_none_or(|interest| interest.send(log, lanes))
    }

    /// Sends the shards what they were not sent. Returns those whose lane became full.
    pub(super) fn send(&mut self, log: &Log, lanes: &mut impl Lanes) -> Vec<ShardId> {
        let due = self.interests.iter_mut().filter(|interest| !interest.behind);
        due.filter_map(|i| (!i.send(log, lanes)).then_some(i.shard)).collect()
    }
}

impl Interest {
    /// Sends what was not sent, as far as the lane has room (invariant 6: a full lane blocks no
    /// shard). Returns whether that is all.
    fn send(&mut self, log: &Log, lanes: &mut impl Lanes) -> bool {
        self.behind = !self.try_send(log, lanes);
        !self.behind
    }

    fn try_send(&mut self, log: &Log, lanes: &mut impl Lanes) -> bool {
        let (channel, token) = (self.channel, self.token);
        if let Some(to) = self.gap {
            if lanes.try_notice(self.shard, Notice::Gap { channel, token, to }).is_err() {
                return false;
            }
            self.gap = None;
        }
        for frame in log.from(self.next) {
            let notice = Notice::Frame { channel, token, frame: frame.for_another() };
            if lanes.try_notice(self.shard, notice).is_err() {
                return false;
            }
            self.next = frame.seq.next();
        }
        true
    }
}
