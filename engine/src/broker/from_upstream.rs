//! What the external order tells a shard, where channels get their messages' positions from one.

use super::channel::{Served, Start, UpstreamAnswer};
use super::core::Core;
use super::lifecycle::Parts;
use super::session::tell_epoch;
use super::shard_messages::Accepted;
#[cfg(test)]
use super::upstream_faults::UpstreamFault;
use super::upstream_messages::{UpstreamNotice, UpstreamRequest};
use crate::config::{Followed, Unavailable};
use crate::telemetry::Count;
use crate::types::{ChannelIndex, ChannelName, ChannelRefusal, Epoch, JoinToken, Seq, Sequenced};

impl Core {
    /// Whether subscribers of a channel, or all of the shard's together, have kept up.
    pub(super) fn has_room_for(&self, channel: &ChannelName) -> bool {
        let index = self.channels.followed(channel);
        index.is_none_or(|index| self.channels.takes_events(&self.cx, index))
    }

    /// Takes the next message of a channel homed here, or gives it back: its subscribers, or all of
    /// the shard's together, are too far behind for another one.
    fn deliver(&mut self, message: Box<Sequenced>) -> Option<Box<Sequenced>> {
        let index = self.taken_outside(&message.publication.channel, message.prev)?;
        if !self.has_room_for(&message.publication.channel) {
            return Some(message);
        }
        self.match_patterns(index);
        if !self.channels.take_sequenced(&mut self.cx, index, &message) {
            self.cx.recorder.count(Count::UpstreamRepeated, 1);
        }
        None
    }

    /// Takes what updates of a session protocol are made of: whatever its subscribers are owed.
    fn take_published(&mut self, message: &Sequenced) {
        let name = &message.publication.channel;
        if !self.channels.take_published(&mut self.cx, name, message) {
            self.decline(name);
        }
    }

    /// No subscriber wants what has come of a channel.
    fn decline(&mut self, name: &ChannelName) {
        self.cx.recorder.count(Count::UpstreamUnwanted, 1);
        self.channels.decline_outside(name);
    }

    /// The channel that something is of which comes behind this position, if it is followed or a
    /// pattern wants it.
    fn taken_outside(&mut self, name: &ChannelName, after: Seq) -> Option<ChannelIndex> {
        let followed = self.channels.followed(name);
        if followed.is_some() {
            return followed;
        }
        let is_taken = self.cx.is_ordered_outside(name)
            && (self.channels.is_asked_outside(name) || self.patterns.is_wanted_by_any(name));
        #[cfg(test)]
        let is_taken = is_taken && !UpstreamFault::Unseen.is_present();
        if is_taken {
            match self.channels.appear_outside(&mut self.cx, name, after) {
                Ok(index) => return Some(index),
                Err(_) => self.leave_all_out(name),
            }
        }
        self.decline(name);
        None
    }

    /// A member leaves a channel before its log begins anew, and comes back.
    fn leave_epoch(&mut self, connection: u32, index: ChannelIndex) {
        if self.delivery.owes(connection, index) {
            // What it is owed of other channels it reads for itself.
            let key = self.connections.key(connection);
            let next = self.channels.log(index).head().next();
            self.recover(key, index, (next, Seq(0)));
        }
        if self.channels.unsubscribe(&self.cx, connection, index) {
            self.delivery.leave(connection, index);
        }
    }

    /// The next thing to ask the external order.
    pub(super) fn poll_upstream(&mut self) -> Option<UpstreamRequest> {
        let Core { cx, channels, patterns, .. } = self;
        let asked = cx.poll_upstream().or_else(|| channels.next_upstream_request(cx));
        asked.or_else(|| patterns.next_watch(cx.is_external))
    }
}

impl Parts {
    /// Takes what the external order tells, or gives a message back that there is no room for yet.
    pub(super) fn handle_upstream(&mut self, notice: UpstreamNotice) -> Option<UpstreamNotice> {
        match notice {
            UpstreamNotice::Message(message)
                if self.core.cx.is_periodic(&message.publication.channel) =>
            {
                self.core.take_published(&message);
            }
            // Updates go on with what was published before.
            UpstreamNotice::Gap { ref channel, .. } if self.core.cx.is_periodic(channel) => {}
            UpstreamNotice::Message(message) => {
                return self.core.deliver(message).map(UpstreamNotice::Message);
            }
            UpstreamNotice::Gap { ref channel, .. } if !self.core.has_room_for(channel) => {
                return Some(notice);
            }
            UpstreamNotice::Gap { channel, after, to } => {
                if let Some(index) = self.core.taken_outside(&channel, after) {
                    self.core.match_patterns(index);
                    self.core.channels.take_gap(&mut self.core.cx, index, to);
                }
            }
            UpstreamNotice::Watched { version, is_watched } => {
                self.core.patterns.handle_watched(version, is_watched);
            }
            UpstreamNotice::Published { id, seq } => {
                let result = seq.map(|seq| Accepted { seq, is_repeat: false });
                self.sessions.handle_published(&mut self.core, id, result);
            }
            UpstreamNotice::Followed { channel, token, followed: Ok(followed) } => {
                self.followed(channel, token, followed);
            }
            UpstreamNotice::Followed { channel, token, followed: Err(Unavailable) } => {
                self.not_followed(channel, Some(token));
            }
            UpstreamNotice::Read { id, page } => {
                self.sessions.handle_read(&mut self.core, id, page);
            }
            UpstreamNotice::PresenceKnown { from } => {
                self.core.presence.answered_outside();
                self.core.confirm_presence(from);
            }
            UpstreamNotice::PresenceList { askers, list } => {
                self.core.presence.answered_outside();
                self.answer_presence(askers, list);
            }
            UpstreamNotice::Epoch(epoch) => self.begin_epoch(epoch),
            UpstreamNotice::Degraded(why) => self.degrade(why),
        }
        self.settle();
        None
    }

    /// A channel is followed: the operations and joins that waited for it go on.
    fn followed(&mut self, index: ChannelIndex, token: JoinToken, followed: Followed) {
        let Core { cx, channels, .. } = &mut self.core;
        if followed.epoch != cx.epoch {
            // The answer to a question of an epoch that is over, or not begun here.
            return self.not_followed(index, Some(token));
        }
        if channels.take_source(cx, index, token, &followed) {
            return;
        }
        // Subscribers by pattern are to get what its members get with this.
        if channels.goes_on_with(index, token) {
            self.core.match_patterns(index);
        }
        let Core { cx, channels, .. } = &mut self.core;
        if let Some(answer) = channels.take_followed(cx, index, token, followed) {
            self.go_on_following(index, answer);
        }
    }

    /// The external order has not answered for a channel in time, or cannot.
    pub(super) fn not_followed(&mut self, index: ChannelIndex, token: Option<JoinToken>) {
        if let Some(answer) = self.core.channels.give_up_following(index, token) {
            self.core.cx.recorder.count(Count::UpstreamUnanswered, 1);
            self.go_on_following(index, answer);
        }
    }

    /// Positions that the external order gave before are over. Subscribers go on at the beginning
    /// of the new epoch, and are told.
    fn begin_epoch(&mut self, epoch: Epoch) {
        let core = &mut self.core;
        if core.cx.epoch == epoch {
            return;
        }
        core.cx.epoch = epoch;
        for slot in 0..core.channels.slots() {
            core.channels.renew_source(slot);
            let Some(index) = core.channels.ordered_outside(slot) else { continue };
            let members = core.channels.members(index);
            members.iter().for_each(|member| core.leave_epoch(*member, index));
            if core.channels.begin_epoch(&mut core.cx, index) {
                core.links.join(&mut core.channels, index);
            }
            let name = core.channels.name(index).clone();
            for member in &members {
                let key = core.connections.key(*member);
                core.enter(key, index);
                tell_epoch(core, key, &name);
            }
            if !members.is_empty() {
                core.links.prepare(&mut core.channels, index, Start::Live);
            }
        }
    }

    /// Whether publications can be ordered has changed.
    fn degrade(&mut self, why: Option<&'static str>) {
        if self.core.cx.degraded != why {
            self.core.cx.degraded = why;
            self.degradation.begin();
            if self.core.cx.frozen {
                self.tell_availability();
            }
        }
    }

    /// Notifies the remaining clients whether publications can be ordered.
    pub(super) fn tell_availability(&mut self) {
        self.degradation.finish(&mut self.core, &self.sessions);
    }

    fn go_on_following(&mut self, index: ChannelIndex, answer: UpstreamAnswer) {
        let UpstreamAnswer { waiting, is_followed, is_whole } = answer;
        let Core { cx, channels, links, .. } = &mut self.core;
        for join in waiting.joins {
            let (to, answer) = match is_followed {
                true => channels.join_after_waiting(cx, index, (join, is_whole)),
                false => (join.from, channels.refuse_join(cx, index, join)),
            };
            links.answer(to, answer);
        }
        let served = match (is_followed, is_whole) {
            (false, _) => Served::Refused(ChannelRefusal::Unavailable),
            (true, false) => Served::FromNowOn,
            (true, true) => Served::Whole,
        };
        self.sessions.resume(&mut self.core, index, waiting.operations, served);
    }
}
