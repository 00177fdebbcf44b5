//! Members that have a channel by a pattern.

use super::{Channels, Exchange, Role};
use crate::broker::channel::replica::{ReplicaState, oldest};
use crate::broker::context::Context;
use crate::types::{ChannelIndex, ChannelName, Epoch, JoinToken, Seq, ShardId};

impl Channels {
    /// Whether something may be published now to a channel that lacks subscribers by pattern of
    /// this generation.
    pub(in crate::broker) fn is_unmatched(&self, index: ChannelIndex, generation: u32) -> bool {
        self.table[index].matched != generation
    }

    /// The subscribers by patterns of this generation are members now.
    pub(in crate::broker) fn set_matched(&mut self, index: ChannelIndex, generation: u32) {
        self.table[index].matched = generation;
    }

    /// Whether clients may have it by a pattern.
    pub(in crate::broker) fn is_matchable(&self, index: ChannelIndex) -> bool {
        let channel = &self.table[index];
        !channel.is_periodic && !channel.name.is_probe()
    }

    /// A member has it by a pattern alone.
    pub(in crate::broker) fn add_by_pattern(&mut self, index: ChannelIndex) {
        self.table[index].by_pattern += 1;
    }

    /// A member has it by name now, or has left.
    pub(in crate::broker) fn remove_by_pattern(&mut self, index: ChannelIndex) {
        self.table[index].by_pattern -= 1;
    }

    /// Whether it was not used for so long that the subscribers by pattern alone are to leave: they
    /// are members again with the next publication.
    pub(in crate::broker) fn is_fading(&self, cx: &Context, slot: u32) -> Option<ChannelIndex> {
        let (index, channel) = self.table.at(slot)?;
        let last = channel.log.last_at().map_or(channel.used_at, |at| at.max(channel.used_at));
        let unused = cx.time().since(last) >= cx.limits.channel_idle;
        (unused && channel.is_by_pattern() && channel.is_level()).then_some(index)
    }

    /// Invites another shard, unless it is served already, to a channel homed here: by a pattern
    /// its clients are to have the publications from `since` on.
    pub(in crate::broker) fn invite(&mut self, index: ChannelIndex, shard: ShardId, since: Seq) {
        let channel = &mut self.table[index];
        let next = channel.log.head().next();
        let Role::Home(home) = &mut channel.role else { return };
        if !home.has(shard) {
            home.invite(shard, since, next);
            self.exchange.mark_unsent(channel, index);
        }
    }

    /// A shard that was told of a channel does not join it.
    pub(in crate::broker) fn handle_declined(
        &mut self,
        cx: &mut Context,
        from: ShardId,
        name: &ChannelName,
    ) {
        if let Some(index) = self.table.find(name) {
            self.decline(cx, index, from);
        }
    }

    /// A shard that was told of a channel is not served: the next publication tells it again.
    pub(super) fn decline(&mut self, cx: &mut Context, index: ChannelIndex, from: ShardId) {
        let channel = &mut self.table[index];
        let Role::Home(home) = &channel.role else { return };
        if home.invited(from).is_some() {
            Exchange::drop_shard(cx, channel, from, None);
            // Perhaps it has room for the next publication.
            channel.matched = 0;
        }
    }

    /// Whether a frame or gap of the home belongs to the current join, and to a channel that lacks
    /// subscribers by pattern of this generation.
    pub(in crate::broker) fn is_unmatched_in(
        &self,
        index: ChannelIndex,
        token: JoinToken,
        generation: u32,
    ) -> bool {
        self.table.get(index).is_some_and(|channel| channel.matched != generation)
            && self.is_replica(index, |replica| replica.is_served(token))
    }

    /// The position behind which subscribers by pattern begin in a channel once its home has
    /// answered the current join, if they do so with it.
    pub(in crate::broker) fn reach_from(
        &mut self,
        cx: &mut Context,
        index: ChannelIndex,
        token: JoinToken,
        (epoch, reach): (Epoch, Option<Seq>),
    ) -> Option<Seq> {
        if !self.is_replica(index, |replica| replica.awaits(token)) {
            return None;
        }
        let channel = &self.table[index];
        let head = channel.log.head();
        let resumes = self.is_replica(index, |replica| replica.resumes());
        let since = oldest(reach, resumes.then_some(head))?;
        let is_behind = head < since || channel.log.epoch() != epoch;
        if channel.live.is_empty() && is_behind {
            let at = (epoch, since);
            Exchange::begin_at(cx, &mut self.table, &mut self.retention, index, at);
        }
        Some(since)
    }

    /// Whether a leave must be taken back: the channel has members again.
    pub(in crate::broker) fn must_stay(&self, index: ChannelIndex) -> bool {
        let is_leaving = |replica: &super::Replica| replica.state() == ReplicaState::Leaving;
        !self.table[index].live.is_empty() && self.is_replica(index, is_leaving)
    }

    /// The channel's members, all of which have everything.
    pub(in crate::broker) fn level_members(&self, index: ChannelIndex) -> Vec<u32> {
        let live = &self.table[index].live;
        live.pending_encodings().flat_map(|encoding| live.pending(encoding)).copied().collect()
    }
}
