//! Presence in an iteration: homes are told of this shard's subscribers, and the subscribers of
//! channels homed here of who has come and gone.

use std::collections::HashMap;
use std::sync::Arc;

use super::core::Core;
use super::lifecycle::Parts;
use super::presence::Ask;
use super::session;
use super::shard_messages::{Notice, PresenceReport, Request};
use super::upstream_messages::UpstreamRequest;
use crate::config::Unavailable;
use crate::limits::{PRESENCE_EVENTS, PRESENCE_REPORTS};
use crate::roster::RosterChange;
use crate::types::{
    ChannelIndex, ChannelName, ConnectionKey, PresenceList, Publication, RequestId, ShardId,
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
        let (home, id) = (self.told_of(&channel), self.connections.id(self.cx.shard, key));
        self.presence.enter(home, (key, channel), id, user.map(Into::into));
    }

    /// A connection has a channel by name no more, or has `ended`.
    pub(super) fn leave_presence(&mut self, key: ConnectionKey, index: ChannelIndex, ended: bool) {
        if !self.presence.has_none() {
            let channel = self.channels.name(index).clone();
            self.presence.leave(self.told_of(&channel), (key, channel), ended);
        }
    }

    /// In whose queue reports of a channel's subscribers wait: where an external order keeps
    /// rosters, all leave from here.
    pub(super) fn told_of(&self, channel: &ChannelName) -> ShardId {
        if self.cx.is_external { self.cx.shard } else { self.cx.homes.of(channel) }
    }

    /// A client asks who is there.
    pub(super) fn ask_presence(
        &mut self,
        key: ConnectionKey,
        channel: ChannelName,
        request: Option<Option<Box<str>>>,
    ) {
        let home = self.told_of(&channel);
        self.presence.ask(home, Ask { key, channel, request });
    }

    /// Another shard tells of its subscribers.
    pub(super) fn handle_presence(&mut self, from: ShardId, reports: Vec<PresenceReport>) {
        let lists = self.take_presence(reports);
        self.links.answer(from, Notice::Presence { lists });
    }

    /// Takes reports about channels homed here. Returns who is there for whoever asks.
    fn take_presence(
        &mut self,
        reports: Vec<PresenceReport>,
    ) -> Vec<(RequestId, Arc<PresenceList>)> {
        let asked = self.presence.handle(reports, self.cx.time());
        self.tell_presence();
        let mut lists: HashMap<ChannelName, Arc<PresenceList>> = HashMap::new();
        let list = |(id, channel): (RequestId, ChannelName)| {
            let list = lists.entry(channel).or_insert_with_key(|of| Arc::new(self.presence_of(of)));
            (id, Arc::clone(list))
        };
        asked.into_iter().map(list).collect()
    }

    /// Who is subscribed to a channel homed here.
    pub(super) fn presence_of(&self, channel: &ChannelName) -> PresenceList {
        self.presence.list(channel, self.cx.epoch, self.channels.position(channel))
    }

    /// Tells the subscribers of channels homed here who has come and gone, as far as their logs
    /// take it.
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
            // Nobody is told where no subscriber is left, or the class has been changed.
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

    /// Tells the external order what it does not know of this shard's subscribers.
    fn report_presence(&mut self) {
        let shard = self.cx.shard;
        if self.presence.may_report(shard) {
            let reports = self.presence.take_reports(shard, PRESENCE_REPORTS);
            if !reports.is_empty() {
                self.presence.set_reporting(shard, true);
                self.cx.push_upstream(UpstreamRequest::Presence { reports });
            }
        }
    }

    /// The external order knows what it was told: the next reports may leave.
    pub(super) fn handle_presence_known(&mut self) {
        self.presence.set_reporting(self.cx.shard, false);
    }
}

impl Parts {
    /// Tells homes what they do not know of this shard's subscribers, and subscribers of channels
    /// homed here who has come and gone.
    pub(super) fn handle_own_presence(&mut self) {
        let core = &mut self.core;
        if core.presence.is_unused() {
            return;
        }
        if core.cx.is_external {
            return core.report_presence();
        }
        core.presence.expire(core.cx.time());
        for shard in (0..core.cx.homes.shards()).map(|shard| ShardId(shard as u8)) {
            if shard != core.cx.shard
                && core.presence.may_report(shard)
                && core.links.has_credit(shard)
            {
                let reports = core.presence.take_reports(shard, PRESENCE_REPORTS);
                if !reports.is_empty() {
                    core.presence.set_reporting(shard, true);
                    core.links.request(shard, Request::Presence { reports });
                }
            }
        }
        let own = core.presence.take_reports(core.cx.shard, PRESENCE_REPORTS);
        let lists = core.take_presence(own);
        let is_behind = core.presence.has_more() || core.presence.may_report(core.cx.shard);
        core.presence.set_more(is_behind);
        self.answer_presence(lists);
    }

    /// A home knows what it was told, and answers.
    pub(super) fn handle_presence_lists(
        &mut self,
        from: ShardId,
        lists: Vec<(RequestId, Arc<PresenceList>)>,
    ) {
        self.core.links.answered(from);
        self.core.presence.set_reporting(from, false);
        self.answer_presence(lists);
    }

    /// The external order says who is there, or cannot.
    pub(super) fn handle_presence(
        &mut self,
        id: RequestId,
        list: Result<Box<PresenceList>, Unavailable>,
    ) {
        match list {
            Ok(list) => self.answer_presence(vec![(id, Arc::from(list))]),
            Err(why) => {
                let ask = self.core.presence.answered(id);
                if self.core.connections.is_open(ask.key) {
                    session::tell_presence_unavailable(&mut self.core, &ask, why);
                    self.sessions.go_on_after_answer(ask.key);
                }
            }
        }
    }

    fn answer_presence(&mut self, lists: Vec<(RequestId, Arc<PresenceList>)>) {
        for (id, list) in lists {
            let ask = self.core.presence.answered(id);
            if self.core.connections.is_open(ask.key) {
                session::tell_presence(&mut self.core, &ask, &list);
                self.sessions.go_on_after_answer(ask.key);
            }
        }
    }
}
