//! A shard's end of the external order, where there is one: what it asks, and what waits for it.

use std::sync::Arc;

use crate::broker::Hub;
use crate::broker::upstream_messages::{Older, ReadRange, UpstreamNotice, UpstreamRequest};
use crate::config::{
    ExternalOrder, FollowRequest, PresenceQuestion, PresenceRequest, PublishRequest, ReadRequest,
    Unavailable, WatchRequest,
};
use crate::sync::{Mailbox, MailboxReceiver};
use crate::types::{PublishError, Reply, ShardId};

/// A shard's requests to the external order, and the queue of what it tells.
pub(crate) struct UpstreamLink {
    shard: ShardId,
    order: Arc<dyn ExternalOrder>,
    /// For the answers.
    own: Arc<Mailbox<UpstreamNotice>>,
    notices: MailboxReceiver<UpstreamNotice>,
    /// A message that the broker had no room for: the next one.
    held: Option<UpstreamNotice>,
    /// Notices that are still to be taken before all goes over to another process, where it does.
    left: Option<usize>,
}

impl UpstreamLink {
    pub(crate) fn new(
        shard: usize,
        order: Arc<dyn ExternalOrder>,
        own: Arc<Mailbox<UpstreamNotice>>,
        notices: MailboxReceiver<UpstreamNotice>,
    ) -> UpstreamLink {
        UpstreamLink { shard: ShardId(shard as u8), order, own, notices, held: None, left: None }
    }

    /// Takes from now on only what waits now, and what comes while the broker awaits an answer: the
    /// other process has the rest delivered anew.
    pub(super) fn come_to_an_end(&mut self) {
        let waiting = self.notices.used() + usize::from(self.held.is_some());
        self.left.get_or_insert(waiting);
    }

    /// Takes everything again.
    pub(super) fn go_on(&mut self) {
        self.left = None;
    }

    fn is_at_end(&self, hub: &Hub) -> bool {
        self.left == Some(0) && !hub.awaits_upstream()
    }

    /// Passes a request on. Its answer comes by the queue.
    pub(super) fn request(&self, request: UpstreamRequest) {
        match request {
            UpstreamRequest::Publish { id, publication, known_as } => {
                let reply = self.reply(move |seq| {
                    let seq = seq.unwrap_or(Err(PublishError::Unknown));
                    UpstreamNotice::Published { id, seq }
                });
                let publication = *publication;
                self.order.publish(PublishRequest { publication, id: known_as, reply });
            }
            UpstreamRequest::Follow { channel: index, token, name, wanted, taken_over } => {
                let Older { since, last, messages, bytes } = wanted;
                let reply = self.reply(move |followed| {
                    let followed = followed.unwrap_or(Err(Unavailable));
                    UpstreamNotice::Followed { channel: index, token, followed }
                });
                let channel = name;
                self.order.follow(FollowRequest {
                    channel,
                    since,
                    last,
                    messages,
                    bytes,
                    taken_over,
                    reply,
                });
            }
            UpstreamRequest::Read { id, channel, range } => {
                let ReadRange { since, reverse, messages, bytes } = range;
                let reply = self.reply(move |page| {
                    let page = page.unwrap_or(Err(Unavailable));
                    UpstreamNotice::Read { id, page }
                });
                self.order.read(ReadRequest { channel, since, reverse, messages, bytes, reply });
            }
            UpstreamRequest::Unfollow { name } => self.order.unfollow(name),
            UpstreamRequest::Watch { version, set } => {
                let reply = self.reply(move |watched| {
                    let is_watched = matches!(watched, Some(Ok(())));
                    UpstreamNotice::Watched { version, is_watched }
                });
                let (shard, channels) = (self.shard, set.prefixes());
                self.order.watch(WatchRequest { shard, channels, reply });
            }
            UpstreamRequest::Presence { from, reports } => {
                let reply = self.reply(move |_| UpstreamNotice::PresenceKnown { from });
                self.order.report_presence(PresenceRequest { reports, reply });
            }
            UpstreamRequest::AskPresence { channel, askers } => {
                let reply = self.reply(move |list| {
                    let list = list.unwrap_or(Err(Unavailable)).map(Arc::new);
                    UpstreamNotice::PresenceList { askers, list }
                });
                self.order.ask_presence(PresenceQuestion { channel, reply });
            }
        }
    }

    /// An answer that comes back by the queue, behind what was delivered before it. The requests
    /// that are open bound how many wait.
    fn reply<T: Send + 'static>(
        &self,
        notice: impl FnOnce(Option<T>) -> UpstreamNotice + Send + 'static,
    ) -> Reply<T> {
        let own = Arc::clone(&self.own);
        Reply::new(move |answer| own.send_owed(notice(answer)))
    }

    /// Hands the broker the next notice. Returns as how many messages it counts: 0 where the broker
    /// took none.
    pub(super) fn hand_over(&mut self, hub: &mut Hub) -> usize {
        if self.is_at_end(hub) {
            return 0;
        }
        let next = self.held.take().or_else(|| self.notices.pop().map(|(notice, _)| notice));
        let Some(next) = next else { return 0 };
        let cost = next.cost();
        self.held = hub.handle_upstream(next);
        if self.held.is_some() {
            return 0;
        }
        self.left = self.left.map(|left| left.saturating_sub(1));
        cost
    }

    /// Whether nothing waits that the broker would take now.
    pub(super) fn is_idle(&self, hub: &Hub) -> bool {
        match &self.held {
            _ if self.is_at_end(hub) => true,
            Some(held) => !hub.has_room_for(held),
            None => self.notices.is_empty(),
        }
    }
}
