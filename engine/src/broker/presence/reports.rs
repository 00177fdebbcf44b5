//! What the homes of channels are told of this shard's subscribers.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use uuid::Uuid;

use crate::config::PresenceReport;
use crate::handover::Attendance;
use crate::limits::{PRESENCE_COST, PRESENCE_REPORTS};
use crate::types::{ChannelName, ConnectionKey, PresenceEnd, RequestId, ShardId};

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
    /// Why it counts no more, if it does not.
    why: PresenceEnd,
    /// Whether it has shown another token since the home was told.
    renewed: bool,
    /// What the home knows.
    is_known: bool,
    /// Whether it stands in a queue: once, however often it has changed (invariant 3).
    is_queued: bool,
}

/// What a home is to be told, and then asked.
#[derive(Debug, Default)]
pub(in crate::broker) struct Untold {
    pub(in crate::broker) reports: Vec<PresenceReport>,
    /// Channels, each once, with the ids of the questions.
    pub(in crate::broker) questions: Vec<(ChannelName, Vec<RequestId>)>,
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
        let subscribed = entry.or_insert(Subscribed {
            connection,
            user: user.clone(),
            is_there: true,
            why: PresenceEnd::Unsubscribed,
            renewed: false,
            is_known: false,
            is_queued: false,
        });
        subscribed.is_there = true;
        subscribed.renewed |= subscribed.user != user;
        subscribed.user = user;
        self.queue(home, key, channel);
    }

    /// A connection counts no more.
    pub(super) fn leave(
        &mut self,
        home: ShardId,
        (key, channel): (ConnectionKey, ChannelName),
        why: PresenceEnd,
    ) {
        let Some(subscribed) = self.subscriptions.get_mut(&(key, channel.clone())) else { return };
        (subscribed.is_there, subscribed.why) = (false, why);
        self.queue(home, key, channel);
    }

    fn queue(&mut self, home: ShardId, key: ConnectionKey, channel: ChannelName) {
        let pair = (key, channel);
        let Some(subscribed) = self.subscriptions.get_mut(&pair) else { return };
        if !std::mem::replace(&mut subscribed.is_queued, true) {
            self.queues[home.index()].push_back(Item::Subscription(pair.0, pair.1));
        }
    }

    /// A connection asks for the members, after what was reported before.
    pub(super) fn ask(&mut self, home: ShardId, id: RequestId, channel: ChannelName) {
        self.queues[home.index()].push_back(Item::Ask(id, channel));
    }

    /// Whether a home is to be told something.
    pub(super) fn has(&self, home: ShardId) -> bool {
        !self.queues[home.index()].is_empty()
    }

    /// What a home is to be told next, at most [`PRESENCE_REPORTS`], where a question counts as
    /// [`PRESENCE_COST`] of them; and asked, at most so many questions.
    pub(super) fn take(&mut self, home: ShardId, most: usize) -> Untold {
        let (mut untold, mut cost) = (Untold::default(), 0);
        let Untold { reports, questions } = &mut untold;
        while cost < PRESENCE_REPORTS
            && let Some(item) = self.queues[home.index()].pop_front()
        {
            match item {
                Item::Subscription(key, channel) => {
                    reports.extend(self.report(key, channel).into_iter().flatten());
                    cost += 1;
                }
                Item::Ask(id, channel) => {
                    cost += PRESENCE_COST;
                    match questions.iter().position(|(of, _)| *of == channel) {
                        Some(place) => questions[place].1.push(id),
                        None if questions.len() < most => questions.push((channel, vec![id])),
                        None => {
                            self.queues[home.index()].push_front(Item::Ask(id, channel));
                            break;
                        }
                    }
                }
            }
        }
        untold
    }

    /// What a home is to be told of a subscription, if it does not know that.
    fn report(&mut self, key: ConnectionKey, channel: ChannelName) -> [Option<PresenceReport>; 2] {
        let pair = (key, channel);
        let Some(subscribed) = self.subscriptions.get_mut(&pair) else { return [None, None] };
        subscribed.is_queued = false;
        let was_known = std::mem::replace(&mut subscribed.is_known, subscribed.is_there);
        let renewed = std::mem::replace(&mut subscribed.renewed, false);
        let (is_there, connection) = (subscribed.is_there, subscribed.connection);
        let user = subscribed.user.clone();
        // Under its known identity it is not coming back.
        let why = if is_there { PresenceEnd::Ended } else { subscribed.why };
        if !is_there {
            self.subscriptions.remove(&pair);
        }
        let channel = pair.1;
        let left = PresenceReport::Left { channel: channel.clone(), connection, why };
        let entered = PresenceReport::Entered { channel, connection, user };
        let (leaves, enters) = match (was_known, is_there) {
            (true, true) => (renewed, renewed),
            (was_known, is_there) => (was_known, is_there),
        };
        [leaves.then_some(left), enters.then_some(entered)]
    }

    /// As whom a subscription counts.
    pub(super) fn attendance(
        &self,
        key: ConnectionKey,
        channel: &ChannelName,
    ) -> Option<Attendance> {
        if self.subscriptions.is_empty() {
            return None;
        }
        let subscribed = self.subscriptions.get(&(key, channel.clone()))?;
        let user = subscribed.user.as_deref().map(Into::into);
        subscribed.is_there.then_some(Attendance { user })
    }

    /// A subscription counts of which the home knows.
    pub(super) fn take_over(
        &mut self,
        subscription: (ConnectionKey, ChannelName),
        connection: Uuid,
        user: Option<Arc<str>>,
    ) {
        let (is_there, is_known) = (true, true);
        let (why, renewed, is_queued) = (PresenceEnd::Unsubscribed, false, false);
        let subscribed =
            Subscribed { connection, user, is_there, why, renewed, is_known, is_queued };
        self.subscriptions.insert(subscription, subscribed);
    }

    /// Whether nothing waits to be told.
    pub(super) fn is_quiet(&self) -> bool {
        self.queues.iter().all(VecDeque::is_empty)
    }

    /// Subscriptions that count, or did until now.
    pub(super) fn len(&self) -> usize {
        self.subscriptions.len()
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
}
