//! Channels that clients have by patterns: how their subscribers become members, and leave.

use super::channel::Start;
use super::core::Core;
use super::pattern_set::PatternKey;
use super::shard_messages::{Joined, Lanes};
use crate::telemetry::Count;
use crate::types::{
    ChannelIndex, ChannelName, ConnectionKey, JoinToken, MessageType, Seq, ShardId,
};
use crate::wire::reply;

impl Core {
    /// Something is about to be published to a channel homed here: subscribers by pattern are to
    /// have it.
    pub(super) fn match_patterns(&mut self, index: ChannelIndex) {
        if self.channels.is_unmatched(index, self.patterns.generation()) {
            self.appear(index);
        }
    }

    /// Something is about to be published to a channel homed here that lacks subscribers by
    /// pattern: those of this shard become members, other shards are told.
    fn appear(&mut self, index: ChannelIndex) {
        self.reach(index, None);
        if !self.channels.is_matchable(index) {
            return;
        }
        let head = self.channels.log(index).head();
        for shard in self.patterns.wanting(self.channels.name(index)) {
            self.channels.invite(index, shard, head);
        }
    }

    /// Makes this shard's subscribers by pattern members of a channel. They are to have what comes
    /// after `since`, if they begin at a position that is not the head here.
    fn reach(&mut self, index: ChannelIndex, since: Option<Seq>) {
        self.channels.set_matched(index, self.patterns.generation());
        if !self.channels.is_matchable(index) {
            return;
        }
        let name = self.channels.name(index).clone();
        let members = self.patterns.members_of(&name);
        self.cx.reached += members.len();
        for (connection, pattern) in members {
            let key = self.connections.key(connection);
            if self.channels.is_subscribed(connection, index) {
                continue;
            }
            let have = self.channels.subscriptions_of(connection).len();
            if have >= self.settings(key).access.max_subscriptions {
                self.leave_out(key, &pattern, &name);
                continue;
            }
            let handed = self.enter(key, index);
            self.patterns.reach(connection, index);
            self.channels.add_by_pattern(index);
            self.delivery.charge(&mut self.cx, key);
            if let Some(since) = since.filter(|since| *since < handed) {
                self.recover(key, index, (since.next(), Seq(0)));
            }
        }
    }

    /// There is no room for a channel of a pattern: its subscriber is told.
    fn leave_out(&mut self, key: ConnectionKey, pattern: &PatternKey, name: &ChannelName) {
        self.cx.recorder.count(Count::PatternMisses, 1);
        let PatternKey { prefix, .. } = pattern;
        self.answer(key, MessageType::Error, |encoder, stamp, out| {
            encoder.write(stamp, None, &reply::left_out(prefix, name), out);
        });
    }

    /// There is no room for a channel from outside: notifies all its subscribers by pattern.
    pub(super) fn leave_all_out(&mut self, name: &ChannelName) {
        self.leave_own_out(name);
        for shard in self.patterns.wanting(name) {
            self.links.leave_out(shard, name.clone());
        }
    }

    /// The same for those of this shard.
    pub(super) fn leave_own_out(&mut self, name: &ChannelName) {
        for (connection, pattern) in self.patterns.members_of(name) {
            self.leave_out(self.connections.key(connection), &pattern, name);
        }
    }

    /// Whether all shards and the external order know this version of the patterns, or a later one.
    pub(super) fn knows_patterns(&self, version: u32) -> bool {
        let is_watched = !self.cx.is_external || self.patterns.is_watched(version);
        is_watched && self.links.all_know(self.cx.shard, version)
    }

    /// A channel has appeared at another shard.
    pub(super) fn handle_appeared(&mut self, from: ShardId, name: ChannelName) {
        let Core { cx, channels, links, .. } = self;
        if let Ok(index) = channels.find_or_add(cx, &name, None) {
            links.prepare(channels, index, Start::Live);
            return;
        }
        links.decline(from, name.clone());
        self.leave_own_out(&name);
    }

    /// A channel's home has answered a join, which is not carried out yet.
    pub(super) fn reach_joined(&mut self, index: ChannelIndex, token: JoinToken, joined: &Joined) {
        let at = (joined.epoch, joined.reach);
        if let Some(since) = self.channels.reach_from(&mut self.cx, index, token, at) {
            self.reach(index, Some(since));
        }
    }

    /// A message of a channel's home has come, which is not taken yet.
    pub(super) fn reach_served(&mut self, index: ChannelIndex, token: JoinToken) {
        if !self.channels.is_unmatched_in(index, token, self.patterns.generation()) {
            return;
        }
        self.reach(index, None);
        if self.channels.must_stay(index) {
            self.links.prepare(&mut self.channels, index, Start::Live);
        }
    }

    /// A shard has left a channel homed here, of which it had everything up to `head`: what its
    /// clients are to have by patterns goes on behind that.
    pub(super) fn handle_left_by(&mut self, from: ShardId, name: &ChannelName, head: Seq) {
        let Some(index) = self.channels.find(name).filter(|_| self.patterns.is_wanted(from, name))
        else {
            return;
        };
        match head < self.channels.log(index).head() {
            true => self.channels.invite(index, from, head),
            false => self.channels.set_matched(index, 0),
        }
    }

    /// The connection has a channel by name from now on.
    pub(super) fn keep_by_name(&mut self, key: ConnectionKey, index: ChannelIndex) {
        if self.patterns.unreach(key.index, index) {
            self.channels.remove_by_pattern(index);
        }
    }

    /// The connection has a channel by name no more. Returns whether it still has it by a pattern.
    pub(super) fn keep_by_pattern(&mut self, key: ConnectionKey, index: ChannelIndex) -> bool {
        let is_kept = self.channels.is_subscribed(key.index, index)
            && self.patterns.covers(key.index, self.channels.name(index));
        if !is_kept {
            self.keep_by_name(key, index);
        } else if self.patterns.reach(key.index, index) {
            self.channels.add_by_pattern(index);
        }
        is_kept
    }

    /// The connection has no patterns any more, and leaves all channels.
    pub(super) fn forget_patterns(&mut self, key: ConnectionKey) {
        for index in self.patterns.forget(key.index) {
            self.channels.remove_by_pattern(index);
        }
    }

    /// Ends the memberships by pattern of a channel that is not used.
    pub(super) fn fade(&mut self, slot: u32) {
        let Some(index) = self.channels.is_fading(&self.cx, slot) else { return };
        let head = self.channels.log(index).head();
        let members = self.channels.level_members(index);
        let is_level = |connection: &u32| {
            let key = self.connections.key(*connection);
            self.handed(key, index) == Some(head) && !self.delivery.owes(*connection, index)
        };
        if !members.iter().all(is_level) {
            return;
        }
        for connection in members {
            self.keep_by_name(self.connections.key(connection), index);
            self.channels.unsubscribe(&self.cx, connection, index);
            self.delivery.leave(connection, index);
            self.choose_context(self.connections.key(connection));
        }
        self.channels.set_matched(index, 0);
    }

    /// Sends what other shards are asked for.
    pub(super) fn send_requests(&mut self, lanes: &mut impl Lanes) {
        self.links.send_patterns(self.cx.shard, &mut self.patterns, lanes);
        self.links.send_requests(&mut self.channels, lanes);
    }
}
