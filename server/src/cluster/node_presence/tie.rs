//! What one home is being told, and what it knows.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::node_message::{Message, Report, Reports};
use super::peer_nodes::NodeId;
use crate::limits::PRESENCE_RETRY;

/// Something that a home is to be told.
#[derive(Debug)]
pub(super) enum Item {
    /// The channel's subscribers follow, whatever was told before.
    Anew(Arc<str>),
    Subscription(Arc<str>, Uuid),
    Ask(Arc<str>, u64),
}

impl Item {
    pub(super) fn channel(&self) -> &Arc<str> {
        let (Item::Anew(channel) | Item::Subscription(channel, _) | Item::Ask(channel, _)) = self;
        channel
    }
}

/// What one home is told: one message at a time, in order.
#[derive(Debug)]
pub(super) struct Tie {
    pub(super) queue: VecDeque<Item>,
    session: u64,
    /// Whether the home was none before.
    is_new: bool,
    /// Messages that the home knows.
    known: u64,
    under_way: Option<UnderWay>,
    /// It knew everything while there were the nodes of this view.
    pub(super) told: Option<u64>,
}

#[derive(Debug)]
struct UnderWay {
    message: Message,
    whole: Option<u64>,
    /// When it was sent last; `None`: not yet.
    sent: Option<Duration>,
}

impl Tie {
    pub(super) fn new(session: u64, is_new: bool) -> Tie {
        Tie { queue: VecDeque::new(), session, is_new, known: 0, under_way: None, told: None }
    }

    /// Whether nothing waits to be told.
    pub(super) fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.under_way.is_none()
    }

    /// Whether a message is under way.
    pub(super) fn is_telling(&self) -> bool {
        self.under_way.is_some()
    }

    /// Whether a message may be made: there is something to tell, or that this is all.
    pub(super) fn may_send(&self, whole: Option<u64>) -> bool {
        let says_more = whole.is_some_and(|view| self.told != Some(view));
        self.under_way.is_none() && (says_more || !self.queue.is_empty())
    }

    /// The next message is under way until the home knows it.
    pub(super) fn send(&mut self, from: NodeId, whole: Option<u64>, reports: Vec<Report>) {
        let (session, number, is_new) = (self.session, self.known, self.is_new);
        let message = Message::Reports(Reports { from, session, number, is_new, whole, reports });
        self.under_way = Some(UnderWay { message, whole, sent: None });
    }

    /// What is to be sent now: for the first time, or again.
    pub(super) fn take_due(&mut self, now: Duration) -> Option<Message> {
        let under_way = self.under_way.as_mut()?;
        if under_way.sent.is_some_and(|sent| now < sent + PRESENCE_RETRY) {
            return None;
        }
        under_way.sent = Some(now);
        Some(under_way.message.clone())
    }

    /// The home knows a message.
    pub(super) fn handle_known(&mut self, session: u64, number: u64) {
        if (session, number) != (self.session, self.known) {
            return;
        }
        if let Some(UnderWay { whole, .. }) = self.under_way.take() {
            self.known += 1;
            self.told = whole.or(self.told);
        }
    }

    /// Whether it is this session of which the home knows nothing.
    pub(super) fn is_unknown(&self, session: u64) -> bool {
        session == self.session
    }
}
