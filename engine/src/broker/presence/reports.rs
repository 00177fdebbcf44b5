//! What the homes of channels are told of this shard's subscribers.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use uuid::Uuid;

use crate::broker::shard_messages::PresenceReport;
use crate::types::{ChannelName, ConnectionKey, RequestId, ShardId};

/// The subscriptions of this shard's connections that count, and what their homes do not know.
#[derive(Debug)]
pub(super) struct Reports {
    subscriptions: HashMap<(ConnectionKey, ChannelName), Subscribed>,
    /// By home, in the order in which it is told.
    queues: Vec<VecDeque<Item>>,
}

#[derive(Debug)]
struct Subscribed {
    connection: Uuid,
    user: Option<Arc<str>>,
    is_there: bool,
    /// What the home knows.
    is_known: bool,
    /// Whether it stands in a queue: once, however often it has changed (invariant 3).
    is_queued: bool,
}

#[derive(Debug)]
enum Item {
    Subscription(ConnectionKey, ChannelName),
    Ask(RequestId, ChannelName),
}

impl Reports {
    pub(super) fn new(shards: usize) -> Reports {
        let queues = (0..shards).map(|_| VecDeque::new()).collect();
        Reports { subscriptions: HashMap::new(), queues }
    }

    /// A connection has subscribed to a channel that counts its subscribers.
    pub(super) fn enter(
        &mut self,
        home: ShardId,
        (key, channel): (ConnectionKey, ChannelName),
        connection: Uuid,
        user: Option<Arc<str>>,
    ) {
        let entry = self.subscriptions.entry((key, channel.clone()));
        let (is_known, is_queued) = (false, false);
        let new = Subscribed { connection, user, is_there: true, is_known, is_queued };
        entry.or_insert(new).is_there = true;
        self.queue(home, key, channel);
    }

    /// A connection has subscribed no more. Returns whether it counted.
    pub(super) fn leave(
        &mut self,
        home: ShardId,
        key: ConnectionKey,
        channel: ChannelName,
    ) -> bool {
        let Some(subscribed) = self.subscriptions.get_mut(&(key, channel.clone())) else {
            return false;
        };
        let was_there = std::mem::replace(&mut subscribed.is_there, false);
        self.queue(home, key, channel);
        was_there
    }

    fn queue(&mut self, home: ShardId, key: ConnectionKey, channel: ChannelName) {
        let pair = (key, channel);
        let Some(subscribed) = self.subscriptions.get_mut(&pair) else { return };
        if !std::mem::replace(&mut subscribed.is_queued, true) {
            self.queues[home.index()].push_back(Item::Subscription(pair.0, pair.1));
        }
    }

    /// A connection asks who is there, after what was told before.
    pub(super) fn ask(&mut self, home: ShardId, id: RequestId, channel: ChannelName) {
        self.queues[home.index()].push_back(Item::Ask(id, channel));
    }

    /// Whether a home is to be told something.
    pub(super) fn has(&self, home: ShardId) -> bool {
        !self.queues[home.index()].is_empty()
    }

    /// The next reports to a home, at most so many.
    pub(super) fn take(&mut self, home: ShardId, most: usize) -> Vec<PresenceReport> {
        let mut reports = Vec::new();
        while reports.len() < most
            && let Some(item) = self.queues[home.index()].pop_front()
        {
            reports.extend(match item {
                Item::Subscription(key, channel) => self.report(key, channel),
                Item::Ask(id, channel) => Some(PresenceReport::Asked { id, channel }),
            });
        }
        reports
    }

    /// What a home is to be told of a subscription, if it does not know that.
    fn report(&mut self, key: ConnectionKey, channel: ChannelName) -> Option<PresenceReport> {
        let pair = (key, channel);
        let subscribed = self.subscriptions.get_mut(&pair)?;
        subscribed.is_queued = false;
        let was_known = std::mem::replace(&mut subscribed.is_known, subscribed.is_there);
        let (is_there, connection) = (subscribed.is_there, subscribed.connection);
        let user = subscribed.user.clone();
        if !is_there {
            self.subscriptions.remove(&pair);
        }
        let channel = pair.1;
        match (was_known, is_there) {
            (false, true) => Some(PresenceReport::Entered { channel, connection, user }),
            (true, false) => Some(PresenceReport::Left { channel, connection }),
            _ => None,
        }
    }

    /// Whether no subscription counts.
    pub(super) fn is_empty(&self) -> bool {
        self.subscriptions.is_empty()
    }
}

#[cfg(test)]
impl Reports {
    /// The subscriptions that count.
    pub(super) fn present(&self) -> impl Iterator<Item = (ConnectionKey, &ChannelName)> {
        let there = self.subscriptions.iter().filter(|(_, subscribed)| subscribed.is_there);
        there.map(|((key, channel), _)| (*key, channel))
    }

    pub(super) fn is_quiet(&self) -> bool {
        self.queues.iter().all(VecDeque::is_empty)
    }
}
