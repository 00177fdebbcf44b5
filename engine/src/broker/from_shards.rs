//! What other shards send: requests for channels homed here, notices about those homed there.

use super::channel::Served;
use super::core::Core;
use super::lifecycle::Parts;
use super::shard_messages::{JoinRequest, Notice, Request};
use super::upstream_messages::Askers;
use crate::types::{ChannelName, ChannelRefusal, ShardId};

impl Core {
    /// Something has come of a channel's home, which is not taken yet: subscribers by pattern are
    /// to have it.
    fn reach_by(&mut self, notice: &Notice) {
        match notice {
            Notice::Frame { channel, token, .. } | Notice::Gap { channel, token, .. } => {
                self.reach_served(*channel, *token);
            }
            Notice::Joined { channel, token, joined }
                if !self.channels.is_out_of_epoch(&self.cx, *channel, (*token, joined.epoch)) =>
            {
                self.reach_joined(*channel, *token, joined);
            }
            _ => {}
        }
    }
}

impl Parts {
    /// A request from another shard.
    pub(super) fn handle_request(&mut self, from: ShardId, request: Request) {
        let Core { cx, channels, links, .. } = &mut self.core;
        match request {
            Request::Publish { id, publication, known_as } => {
                let result = self.core.publish_as(&publication, known_as);
                self.core.links.answer(from, Notice::Published { id, result });
            }
            Request::Join { name, channel, token, wanted, address } => {
                let join = JoinRequest { from, channel, token, wanted };
                if let Some(earlier) = channels.supersede_join(&name, from) {
                    // It holds a credit; its shard takes no answer to it.
                    links.answer(from, earlier.refused(ChannelRefusal::Unavailable));
                }
                let answer = channels.handle_join(cx, &name, join, address);
                answer.into_iter().for_each(|answer| links.answer(from, answer));
            }
            Request::Recall { id, channel } => {
                links.answer(from, Notice::Recalled { id, status: channels.status(&channel) });
            }
            Request::ReadState { id, channel } => {
                links.answer(from, Notice::State { id, state: channels.state_document(&channel) });
            }
            Request::ReadLog { id, channel, range } => {
                let page = Box::new(self.core.read_log(&channel, &range));
                self.core.links.answer(from, Notice::Log { id, page });
            }
            Request::Heads { id, channels: of } => {
                let head = |(index, name): (_, ChannelName)| (index, channels.head(&name));
                links.answer(from, Notice::Heads { id, heads: of.into_iter().map(head).collect() });
            }
            Request::Leave { name, channel, token, head } => {
                let answer = channels.handle_leave(cx, from, &name, (channel, token));
                links.answer(from, answer);
                self.core.handle_left_by(from, &name, head);
            }
            Request::Presence { reports } => self.core.take_presence(from, reports),
            Request::AskPresence { channel, ids } => {
                self.take_presence_question(channel, Askers { shard: from, ids });
            }
            Request::Patterns { version, set } => {
                links.answer(from, Notice::PatternsKnown { version });
                self.core.patterns.take_set(from, set);
            }
        }
    }

    /// A notice from another shard.
    pub(super) fn handle_notice(&mut self, from: ShardId, notice: Notice) {
        self.core.reach_by(&notice);
        let Core { cx, channels, links, .. } = &mut self.core;
        match notice {
            Notice::Frame { channel, token, frame } => {
                if !channels.handle_frame(cx, channel, token, frame) {
                    links.join(channels, channel);
                }
            }
            Notice::Gap { channel, token, to } => channels.handle_gap(cx, channel, token, to),
            Notice::Joined { channel, token, joined } => {
                links.answered(from);
                if channels.is_out_of_epoch(cx, channel, (token, joined.epoch)) {
                    return links.join(channels, channel);
                }
                let served = if joined.is_whole { Served::Whole } else { Served::FromNowOn };
                let waiting = channels.handle_joined(cx, channel, token, joined);
                self.sessions.resume(&mut self.core, channel, waiting, served);
            }
            Notice::JoinRefused { channel, token, why } => {
                links.answered(from);
                let waiting = channels.handle_join_refused(channel, token);
                self.sessions.resume(&mut self.core, channel, waiting, Served::Refused(why));
            }
            Notice::Appeared { name } => self.core.handle_appeared(from, name),
            Notice::LeftOut { name } => self.core.leave_own_out(&name),
            Notice::Declined { name } => channels.handle_declined(cx, from, &name),
            Notice::PatternsKnown { version } => {
                links.answered(from);
                links.patterns_known(from, version);
            }
            Notice::Left { channel } => {
                links.answered(from);
                channels.handle_left(channel);
            }
            Notice::PresenceKnown => {
                links.answered(from);
                self.core.presence.set_reporting(from, false);
            }
            Notice::PresenceList { ids, list } => {
                links.answered(from);
                self.handle_presence_list(from, ids, list);
            }
            Notice::Recalled { id, status } => {
                links.answered(from);
                self.sessions.handle_recalled(&mut self.core, id, status.as_ref());
            }
            Notice::State { id, state } => {
                links.answered(from);
                self.sessions.handle_state(&mut self.core, id, state);
            }
            Notice::Log { id, page } => {
                links.answered(from);
                self.sessions.handle_log(&mut self.core, id, &page);
            }
            Notice::Heads { id, heads } => {
                links.answered(from);
                self.sessions.handle_heads(id, heads);
            }
            Notice::Published { id, result } => {
                links.answered(from);
                self.sessions.handle_published(&mut self.core, id, result);
            }
        }
        self.settle();
    }
}
