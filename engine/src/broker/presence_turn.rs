//! Presence in an iteration: reports this shard's subscribers to homes, and members that have come
//! and gone to the subscribers of channels homed here.

use std::sync::Arc;

use super::core::Core;
use super::lifecycle::Parts;
use super::presence::{Ask, Untold};
use super::session;
use super::shard_messages::{Notice, Request};
use super::upstream_messages::{Askers, UpstreamRequest};
use crate::config::{PresenceReport, Unavailable};
use crate::limits::PRESENCE_EVENTS;
use crate::roster::RosterChange;
use crate::types::{
    ChannelIndex, ChannelName, ConnectionKey, PresenceEnd, PresenceList, Publication, RequestId,
    ShardId,
};

impl Core {
    /// A connection has subscribed to a channel by name, as this user.
    pub(super) fn enter_presence(
        &mut self,
        key: ConnectionKey,
        index: ChannelIndex,
        user: Option<&str>,
    ) {
        let is_kept = self.channels.class(index).presence && !self.connections[key].is_probe();
        // What a session protocol sends are updates alone.
        if !is_kept || self.cx.is_periodic(self.channels.name(index)) {
            return;
        }
        let channel = self.channels.name(index).clone();
        let (home, id) = (self.cx.homes.of(&channel), self.connections.id(self.cx.shard, key));
        self.presence.enter(home, (key, channel), id, user.map(Into::into));
    }

    /// A connection counts no more in a channel.
    pub(super) fn leave_presence(
        &mut self,
        key: ConnectionKey,
        index: ChannelIndex,
        why: PresenceEnd,
    ) {
        if !self.presence.has_none() {
            let channel = self.channels.name(index).clone();
            self.presence.leave(self.cx.homes.of(&channel), (key, channel), why);
        }
    }

    /// A client asks for a channel's members.
    pub(super) fn ask_presence(
        &mut self,
        key: ConnectionKey,
        channel: ChannelName,
        request: Option<Option<Box<str>>>,
    ) {
        let home = self.cx.homes.of(&channel);
        self.presence.ask(home, Ask { key, channel, request });
    }

    /// A shard tells of its subscribers of channels homed here.
    pub(super) fn take_presence(&mut self, from: ShardId, reports: Vec<PresenceReport>) {
        if self.cx.is_external {
            self.presence.wait_outside();
            return self.cx.push_upstream(UpstreamRequest::Presence { from, reports });
        }
        self.presence.handle(reports, self.cx.time());
        self.tell_presence();
        self.confirm_presence(from);
    }

    /// What a shard has told is known.
    pub(super) fn confirm_presence(&mut self, from: ShardId) {
        if from == self.cx.shard {
            self.presence.set_reporting(from, false);
        } else {
            self.links.answer(from, Notice::PresenceKnown);
        }
    }

    /// The members of a channel homed here.
    pub(super) fn presence_of(&self, channel: &ChannelName) -> PresenceList {
        self.presence.list(channel, self.cx.epoch, self.channels.position(channel))
    }

    /// Reports members that have come and gone to the subscribers of channels homed here, as far as
    /// their logs take it.
    fn tell_presence(&mut self) {
        let mut left = PRESENCE_EVENTS;
        let mut full = Vec::new();
        while left > 0
            && let Some(channel) = self.presence.next_changed()
        {
            if !self.tell_changes(&channel, &mut left) {
                full.push(channel);
            }
        }
        self.presence.set_more(left == 0);
        full.into_iter().for_each(|channel| self.presence.put_back(channel));
    }

    /// Returns whether there is nothing more to tell.
    fn tell_changes(&mut self, channel: &ChannelName, left: &mut usize) -> bool {
        let index = self.channels.find(channel).filter(|&index| {
            // No event is sent where no subscriber is left, or the class has been changed.
            let is_kept = self.channels.class(index).presence && !self.cx.draining;
            is_kept && self.channels.is_heard(index)
        });
        loop {
            let takes = |index| self.channels.takes_events(&self.cx, index);
            if *left == 0 || index.is_some_and(|index| !takes(index)) {
                return false;
            }
            let Some(change) = self.presence.next_change(channel, self.cx.time()) else {
                return true;
            };
            if let Some(index) = index {
                *left -= 1;
                let event = self.event_of(channel, &change);
                self.match_patterns(index);
                self.channels.publish_event(&mut self.cx, index, &event);
            }
        }
    }

    fn event_of(&self, channel: &ChannelName, change: &RosterChange) -> Publication {
        change.event(channel, || {
            let mut list = self.presence_of(channel);
            // Its own position.
            list.seq = list.seq.next();
            list
        })
    }
}

impl Parts {
    /// Reports to homes what they do not know of this shard's subscribers, and to subscribers of
    /// channels homed here the members that have come and gone.
    pub(super) fn handle_own_presence(&mut self) {
        let core = &mut self.core;
        if core.presence.is_unused() {
            return;
        }
        core.presence.expire(core.cx.time());
        core.tell_presence();
        let mut is_behind = false;
        for shard in (0..core.cx.homes.shards()).map(|shard| ShardId(shard as u8)) {
            is_behind |= self.tell_home(shard);
        }
        let presence = &mut self.core.presence;
        presence.set_more(presence.has_more() || is_behind);
    }

    /// Returns whether a home is to be told more than one iteration could.
    fn tell_home(&mut self, home: ShardId) -> bool {
        let Core { cx, links, presence, .. } = &mut self.core;
        let credits = links.credits(home);
        if credits == 0 || !presence.may_report(home) {
            return false;
        }
        let is_own = home == cx.shard;
        let Untold { reports, questions } =
            presence.take(home, presence.room(home).min(credits - 1));
        if !reports.is_empty() {
            presence.set_reporting(home, true);
            match is_own {
                true => self.core.take_presence(home, reports),
                false => links.request(home, Request::Presence { reports }),
            }
        }
        for (channel, ids) in questions {
            match is_own {
                true => self.take_presence_question(channel, Askers { shard: home, ids }),
                false => self.core.links.request(home, Request::AskPresence { channel, ids }),
            }
        }
        let Core { links, presence, .. } = &self.core;
        presence.may_report(home) && presence.room(home) > 0 && links.credits(home) > 1
    }

    /// Clients of a shard ask for the members of a channel homed here.
    pub(super) fn take_presence_question(&mut self, channel: ChannelName, askers: Askers) {
        if self.core.cx.is_external {
            self.core.presence.wait_outside();
            let request = UpstreamRequest::AskPresence { channel, askers };
            return self.core.cx.push_upstream(request);
        }
        let list = self.core.presence_of(&channel);
        self.answer_presence(askers, Ok(Arc::new(list)));
    }

    /// The members of a channel homed here are known, or not available.
    pub(super) fn answer_presence(
        &mut self,
        Askers { shard, ids }: Askers,
        list: Result<Arc<PresenceList>, Unavailable>,
    ) {
        if shard == self.core.cx.shard {
            self.handle_presence_list(shard, ids, list);
        } else {
            self.core.links.answer(shard, Notice::PresenceList { ids, list });
        }
    }

    /// A home sends the members, or cannot.
    pub(super) fn handle_presence_list(
        &mut self,
        home: ShardId,
        ids: Vec<RequestId>,
        list: Result<Arc<PresenceList>, Unavailable>,
    ) {
        let Core { cx, presence, .. } = &mut self.core;
        presence.end_question(home);
        if list.as_ref().is_ok_and(|list| list.epoch != cx.epoch) {
            // One of the two shards has begun an epoch, and the other one has not yet.
            return ids.into_iter().for_each(|id| presence.ask_again(home, id));
        }
        for id in ids {
            let ask = self.core.presence.answered(id);
            if !self.core.connections.is_open(ask.key) {
                continue;
            }
            match &list {
                Ok(list) => session::tell_presence(&mut self.core, &ask, list),
                Err(why) => session::tell_presence_unavailable(&mut self.core, &ask, *why),
            }
            self.sessions.go_on_after_answer(ask.key);
        }
    }
}
