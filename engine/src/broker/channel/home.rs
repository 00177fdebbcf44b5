//! The role of a channel's home shard: it serves the other shards in order.

use super::log::Log;
use crate::broker::shard_messages::{Lanes, Notice};
use crate::types::{ChannelIndex, ChannelName, JoinToken};
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
    /// What came behind this was sent by its current join, or by joins before that it did not wait
    /// for.
    from: Seq,
    /// Its clients have a pattern of the channel, and it has not joined yet.
    pub(super) invited: Option<Invitation>,
}

/// A shard is told of a channel that has appeared.
#[derive(Debug)]
pub(super) struct Invitation {
    /// Its subscribers by pattern are to have what comes after this.
    since: Seq,
    is_sent: bool,
}

impl Home {
    pub(super) fn interests(&self) -> &[Interest] {
        &self.interests
    }

    /// The oldest position that a shard was not sent yet.
    pub(super) fn needed_from(&self) -> Option<Seq> {
        self.interests.iter().map(Interest::needed_from).min()
    }

    /// Subscribers elsewhere that follow the channel's context.
    pub(super) fn followers(&self) -> usize {
        self.interests.iter().map(|interest| interest.followers as usize).sum()
    }

    /// Serves a shard from `next` on.
    pub(super) fn add(
        &mut self,
        shard: ShardId,
        (channel, token): (ChannelIndex, JoinToken),
        (next, from): (Seq, Seq),
        followers: u32,
    ) {
        let (gap, behind, invited) = (None, false, None);
        let interest =
            Interest { shard, channel, token, next, followers, gap, behind, from, invited };
        self.interests.push(interest);
    }

    /// Serves a shard that has everything up to `head` and joined with this token.
    pub(super) fn serve_on(&mut self, shard: ShardId, key: (ChannelIndex, JoinToken), head: Seq) {
        self.add(shard, key, (head.next(), head), 0);
    }

    /// Whether a shard is served, or told that it may be.
    pub(super) fn has(&self, shard: ShardId) -> bool {
        self.interests.iter().any(|interest| interest.shard == shard)
    }

    /// Tells a shard of the channel: it is served from `since` on once it joins. It takes part in
    /// what is published from `next` on.
    pub(super) fn invite(&mut self, shard: ShardId, since: Seq, next: Seq) {
        self.add(shard, (ChannelIndex::new(0, 0), JoinToken::default()), (next, since), 0);
        if let Some(interest) = self.interests.last_mut() {
            interest.invited = Some(Invitation { since, is_sent: false });
        }
    }

    /// The position behind which a shard is to begin that was told of the channel.
    pub(super) fn invited(&self, shard: ShardId) -> Option<Seq> {
        let interest = self.interests.iter().find(|interest| interest.shard == shard)?;
        Some(interest.invited.as_ref()?.since)
    }

    /// The position behind which subscribers by pattern of a shard that joins begin: it was told of
    /// the channel, or has nothing of what was sent to it before.
    pub(super) fn reach_of(&self, shard: ShardId, is_fresh: bool) -> Option<Seq> {
        let interest = self.interests.iter().find(|interest| interest.shard == shard)?;
        (is_fresh || interest.invited.is_some()).then_some(interest.from)
    }

    /// Stops serving a shard, if `token` is its join or no join is named. Returns the position from
    /// which on it was not sent the log.
    pub(super) fn remove(&mut self, shard: ShardId, token: Option<JoinToken>) -> Option<Seq> {
        let is_of = |i: &Interest, token| i.token == token && i.invited.is_none();
        let gone = |i: &Interest| i.shard == shard && token.is_none_or(|token| is_of(i, token));
        let place = self.interests.iter().position(gone)?;
        Some(self.interests.swap_remove(place).next)
    }

    /// The log has dropped the frame at `seq`: shards that were not sent it get a gap. Returns how
    /// many they are.
    pub(super) fn skip(&mut self, seq: Seq) -> usize {
        let late = self.interests.iter_mut().filter(|interest| interest.next <= seq);
        late.map(|interest| (interest.next, interest.gap) = (seq.next(), Some(seq))).count()
    }

    /// Sends a shard the rest after its lane was full.
    pub(super) fn resume(
        &mut self,
        shard: ShardId,
        (name, log): (&ChannelName, &Log),
        lanes: &mut impl Lanes,
    ) -> bool {
        let of = |i: &&mut Interest| i.shard == shard && i.behind;
        let interest = self.interests.iter_mut().find(of);
        interest.is_none_or(|interest| interest.send(name, log, lanes))
    }

    /// Sends the shards what they were not sent. Returns those with a lane that became full.
    pub(super) fn send(
        &mut self,
        (name, log): (&ChannelName, &Log),
        lanes: &mut impl Lanes,
    ) -> Vec<ShardId> {
        let due = self.interests.iter_mut().filter(|interest| !interest.behind);
        due.filter_map(|i| (!i.send(name, log, lanes)).then_some(i.shard)).collect()
    }
}

impl Interest {
    /// Sends what was not sent, as far as the lane has room (invariant 6: a full lane blocks no
    /// shard). Returns whether that is all.
    fn send(&mut self, name: &ChannelName, log: &Log, lanes: &mut impl Lanes) -> bool {
        self.behind = match &mut self.invited {
            Some(invited) if invited.is_sent => false,
            Some(invited) => {
                let notice = Notice::Appeared { name: name.clone() };
                invited.is_sent = lanes.try_notice(self.shard, notice).is_ok();
                !invited.is_sent
            }
            None => !self.try_send(log, lanes),
        };
        !self.behind
    }

    /// Whether it was told of the channel, and has not joined.
    #[cfg(test)]
    pub(super) fn is_told_of_it(&self) -> bool {
        self.invited.as_ref().is_some_and(|invited| invited.is_sent)
    }

    /// The oldest position that it still needs.
    fn needed_from(&self) -> Seq {
        let invited = self.invited.as_ref();
        invited.map_or(self.next, |invited| self.next.min(invited.since.next()))
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
            let notice = match frame.is_gap {
                // Each shard has its own.
                true => Notice::Gap { channel, token, to: frame.seq },
                false => Notice::Frame { channel, token, frame: frame.for_another() },
            };
            if lanes.try_notice(self.shard, notice).is_err() {
                return false;
            }
            self.next = frame.seq.next();
        }
        true
    }
}
