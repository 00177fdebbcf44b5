//! Subscribe and unsubscribe. What needs another shard's answer waits for it; further requests of
//! the same connection wait behind it, so that a client's requests take effect in its order.

use std::collections::VecDeque;

use super::close::Phase;
use super::connection::{NO_OPERATION, Subscription};
use super::hub::Hub;
use super::live_set::Moved;
use crate::limits::MAX_WAITING_OPERATIONS;
use crate::types::{ChannelName, ConnectionKey, Epoch, Now, Seq, Time};
use crate::wire::reply::{ErrorCode, NotRecovered};
use crate::wire::request::Channels;

/// A request for channels, as the session understood it.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) correlation: Option<Box<str>>,
    /// Whether the reply is for a list.
    pub(super) list: bool,
    pub(super) names: Vec<ChannelName>,
    /// Names that were refused at once, with the error code.
    pub(super) failed: Vec<(String, ErrorCode)>,
    pub(super) action: Action,
}

impl Order {
    /// What a request asks for, each channel once; impossible names have failed already.
    pub(super) fn new(correlation: Option<&str>, channels: Channels, action: Action) -> Order {
        let (list, names, failed) = match channels {
            Channels::One(name) => (false, vec![name], Vec::new()),
            Channels::Many(entries) => {
                let (mut names, mut failed) = (Vec::new(), Vec::new());
                for entry in entries {
                    match entry {
                        Ok(name) if !names.contains(&name) => names.push(name),
                        Ok(_) => {}
                        Err(bad) => failed.push((bad.text, ErrorCode::InvalidChannel)),
                    }
                }
                (true, names, failed)
            }
        };
        Order { correlation: correlation.map(Into::into), list, names, failed, action }
    }
}

/// What is to be done with the channels.
#[derive(Clone, Copy, Debug)]
pub(super) enum Action {
    Subscribe { since: Option<(Epoch, Seq)> },
    Unsubscribe,
}

/// An order under way.
#[derive(Debug)]
pub(super) struct Operation {
    pub(super) key: ConnectionKey,
    order: Order,
    /// Each held until the operation is over.
    pub(super) channels: Vec<u32>,
    /// Channels whose home has not answered yet.
    waiting: usize,
    later: VecDeque<Order>,
}

/// How a subscriber stands in a channel it just joined.
#[derive(Clone, Copy, Debug)]
pub(super) struct Joined {
    pub(super) epoch: Epoch,
    /// The confirmed position: the channel's, or what the subscriber has already if that is more.
    pub(super) seq: Seq,
    /// What the live set was handed where the subscriber stands in it.
    pub(super) handed: Seq,
    /// Whether what it asked for since then follows, or why not.
    pub(super) recovery: Option<Result<(), NotRecovered>>,
}

impl Hub {
    /// Takes an order of an open connection. Returns whether there was room for it.
    pub(super) fn take_order(&mut self, now: Now, key: ConnectionKey, order: Order) -> bool {
        let under_way = self.connections[key.index].operation;
        if under_way != NO_OPERATION {
            let later = &mut self.operations[under_way as usize].later;
            let room = later.len() < MAX_WAITING_OPERATIONS;
            if room {
                later.push_back(order);
            }
            return room;
        }
        self.start_order(now, key, order, VecDeque::new());
        true
    }

    fn start_order(
        &mut self,
        now: Now,
        key: ConnectionKey,
        mut order: Order,
        later: VecDeque<Order>,
    ) {
        let Action::Subscribe { since } = order.action else {
            for name in &order.names {
                if let Some(index) = self.channels.find(name) {
                    self.leave(now.mono, key, index);
                }
            }
            self.confirm_unsubscribed(now, key, &order);
            return self.continue_with(now, key, later);
        };
        let mut channels = Vec::with_capacity(order.names.len());
        let mut have = self.connections[key.index].subscriptions.as_slice().len();
        for name in std::mem::take(&mut order.names) {
            if !self.may_subscribe(key, name.as_str()) {
                order.failed.push((name.as_str().to_owned(), ErrorCode::Forbidden));
                continue;
            }
            match self.room_for(now, key, &name, have) {
                Some((index, new)) => {
                    have += usize::from(new);
                    self.channels[index].holds += 1;
                    channels.push(index);
                    order.names.push(name);
                }
                None => order.failed.push((name.as_str().to_owned(), ErrorCode::LimitExceeded)),
            }
        }
        let entry = self.operations.vacant_entry();
        let number = entry.key() as u32;
        entry.insert(Operation { key, order, channels: Vec::new(), waiting: 0, later });
        self.connections[key.index].operation = number;
        let mut waiting = 0;
        for &index in &channels {
            if !self.ensure_joined(index, since) {
                self.wait_for(index, number);
                waiting += 1;
            }
        }
        let operation = &mut self.operations[number as usize];
        operation.channels = channels;
        operation.waiting = waiting;
        if waiting == 0 {
            self.complete(now, number);
        }
    }

    /// The channel, and whether the connection does not have it yet; `None` without room for it.
    fn room_for(
        &mut self,
        now: Now,
        key: ConnectionKey,
        name: &ChannelName,
        have: usize,
    ) -> Option<(u32, bool)> {
        let subscriptions = &self.connections[key.index].subscriptions;
        let old = |index: &u32| subscriptions.get(*index).is_some();
        if let Some(index) = self.channels.find(name).filter(old) {
            return Some((index, false));
        }
        let room = have < self.access(key).max_subscriptions;
        room.then(|| self.channel(now, name)).flatten().map(|index| (index, true))
    }

    fn wait_for(&mut self, index: u32, operation: u32) {
        if let super::channel::Link::Remote(remote) = &mut self.channels[index].link {
            remote.waiting.push(operation);
        }
    }

    /// A channel's home has answered: goes on with those who waited for it.
    pub(super) fn resume_operations(&mut self, now: Now, index: u32, joined: bool) {
        let super::channel::Link::Remote(remote) = &mut self.channels[index].link else { return };
        for number in std::mem::take(&mut remote.waiting) {
            let operation = &mut self.operations[number as usize];
            operation.waiting -= 1;
            if !joined && let Some(place) = operation.channels.iter().position(|&c| c == index) {
                operation.channels.swap_remove(place);
                let name = operation.order.names.swap_remove(place).as_str().to_owned();
                operation.order.failed.push((name, ErrorCode::LimitExceeded));
                self.channels[index].holds -= 1;
            }
            if self.operations[number as usize].waiting == 0 {
                self.complete(now, number);
            }
        }
    }

    /// Every home has answered: the subscriptions take effect and are confirmed together.
    fn complete(&mut self, now: Now, number: u32) {
        let operation = self.operations.remove(number as usize);
        let Operation { key, order, channels, later, .. } = operation;
        for &index in &channels {
            self.channels[index].holds -= 1;
        }
        let alive = self.connections.get_mut(key).filter(|c| c.phase == Phase::Open);
        let Some(connection) = alive else { return };
        connection.operation = NO_OPERATION;
        let Action::Subscribe { since } = order.action else { return };
        let joined: Vec<Joined> =
            channels.iter().map(|&index| self.attach(now.mono, key, index, since)).collect();
        self.confirm_subscribed(now, key, &order, &joined);
        self.charge(now.mono, key);
        for (&index, joined) in channels.iter().zip(&joined) {
            if let (Some(Ok(())), Some((_, since))) = (joined.recovery, since)
                && since != joined.handed
            {
                self.recover_from(now.mono, key, index, since.next());
            }
        }
        self.continue_with(now, key, later);
    }

    fn continue_with(&mut self, now: Now, key: ConnectionKey, mut later: VecDeque<Order>) {
        if self.connections.get(key).is_some_and(|c| c.phase == Phase::Open)
            && let Some(order) = later.pop_front()
        {
            self.start_order(now, key, order, later);
        }
    }

    /// Puts a connection into a channel's live set, unless it is there, and tells its position.
    fn attach(
        &mut self,
        now: Time,
        key: ConnectionKey,
        index: u32,
        since: Option<(Epoch, Seq)>,
    ) -> Joined {
        let connection = &self.connections[key.index];
        let channel = &mut self.channels[index];
        let epoch = channel.log.epoch();
        channel.used_at = now;
        if let Some(old) = connection.subscriptions.get(index) {
            let handed = channel.live.handed(old.position);
            // A laggard has less, or more: its confirmation precedes what its cursor reads next.
            let next = connection.laggard.as_ref().and_then(|laggard| laggard.cursor(index));
            let seq = next.map_or(handed, |next| Seq(next.0 - 1));
            return Joined { epoch, seq, handed: seq, recovery: None };
        }
        let (position, moved) = channel.live.insert(key.index);
        let handed = channel.live.handed(position);
        let (first, head) = (channel.log.first(), channel.log.head());
        self.apply_move(index, moved);
        let connection = &mut self.connections[key.index];
        connection.subscriptions.insert(Subscription { channel: index, position });
        if let Some(laggard) = &mut connection.laggard {
            laggard.set_cursor(index, handed.next());
        }
        self.subscriptions += 1;
        let recovery = since.map(|(of, since)| {
            if of != epoch {
                Err(NotRecovered::Restart)
            } else if since > head {
                Err(NotRecovered::Ahead)
            } else if since.next() < first {
                Err(NotRecovered::Retention)
            } else {
                Ok(())
            }
        });
        let seq = match (since, recovery) {
            (Some((_, since)), Some(Ok(()))) => handed.max(since),
            _ => handed,
        };
        Joined { epoch, seq, handed, recovery }
    }

    fn apply_move(&mut self, channel: u32, moved: Option<Moved>) {
        if let Some(Moved { connection, position }) = moved {
            self.connections[connection].subscriptions.moved(channel, position);
        }
    }

    /// Takes a connection out of a channel's live set.
    fn leave(&mut self, now: Time, key: ConnectionKey, index: u32) {
        let connection = &mut self.connections[key.index];
        let Some(gone) = connection.subscriptions.remove(index) else { return };
        if let Some(laggard) = &mut connection.laggard {
            laggard.remove_cursor(index);
        }
        self.detach(now, gone);
    }

    fn detach(&mut self, now: Time, gone: Subscription) {
        self.subscriptions -= 1;
        let channel = &mut self.channels[gone.channel];
        channel.used_at = now;
        for moved in channel.live.remove(gone.position) {
            self.apply_move(gone.channel, moved);
        }
    }

    /// Ends all subscriptions of a connection, for good. An operation under way stays until its
    /// homes have answered, and then finds nobody.
    pub(super) fn leave_all(&mut self, now: Time, key: ConnectionKey) {
        let connection = &mut self.connections[key.index];
        connection.operation = NO_OPERATION;
        self.forget_skill(key);
        let connection = &mut self.connections[key.index];
        let all = std::mem::take(&mut connection.subscriptions);
        if let Some(laggard) = &mut connection.laggard {
            laggard.cursors = Vec::new();
            self.weigh(key);
        }
        for &gone in all.as_slice() {
            self.detach(now, gone);
        }
    }
}
