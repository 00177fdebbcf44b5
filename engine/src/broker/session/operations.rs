//! Subscribe and unsubscribe. What needs another shard's answer waits for it; further requests of
//! the same connection wait behind it, so that a client's requests take effect in its order.
//!
//! A client leaves a channel at a position: what was accepted before is handed to it first.

mod handover;
mod joining;
#[cfg(test)]
mod operations_invariants;
mod watching;

use std::collections::VecDeque;

use slab::Slab;

use super::arrival;
use super::auth::Authentication;
use super::departure::{self, Departure};
use super::order::{Action, Order};
use crate::broker::channel::Served;
use crate::broker::connection::CloseReason;
use crate::broker::core::Core;
use crate::limits::{LEAVE_PATIENCE, MAX_WAITING_OPERATIONS};
use crate::types::{ChannelIndex, ConnectionKey, OperationId, Seq, Time};

/// No operation: 4 bytes for each connection, where an `Option` has 8.
const NO_OPERATION: OperationId = OperationId(u32::MAX);

/// The orders under way.
#[derive(Debug, Default)]
pub(super) struct Operations {
    all: Slab<Operation>,
    /// Orders to leave that are looked at in every iteration.
    leaving: Vec<OperationId>,
    /// Orders for patterns that other shards do not know yet, with the version that they must know.
    watching: Vec<(OperationId, u32)>,
    /// Orders that have not begun: earlier iterations had no time for them.
    postponed: VecDeque<OperationId>,
    /// Connections that are closed at a time, whatever they wait for.
    closing: VecDeque<(Time, ConnectionKey, CloseReason)>,
    /// By connection index; [`NO_OPERATION`] where there is none.
    current: Vec<OperationId>,
    /// The saboteur of the simulation: channels are left at once.
    #[cfg(test)]
    pub(super) hasty: bool,
}

/// An order under way.
#[derive(Debug)]
struct Operation {
    key: ConnectionKey,
    order: Order,
    /// Channels that it subscribes to, each held until the operation is over; one for each name of
    /// the order.
    channels: Vec<ChannelIndex>,
    /// Channels or homes that have not answered yet.
    waiting: usize,
    departure: Departure,
    later: VecDeque<Order>,
}

impl Operations {
    pub(super) fn new(connections: usize) -> Operations {
        Operations { current: Vec::with_capacity(connections), ..Operations::default() }
    }

    fn current(&mut self, key: ConnectionKey) -> &mut OperationId {
        let index = key.index as usize;
        if index >= self.current.len() {
            self.current.resize(index + 1, NO_OPERATION);
        }
        &mut self.current[index]
    }

    /// Takes an order of an open connection. Returns whether there was room for it.
    pub(super) fn take(
        &mut self,
        core: &mut Core,
        auth: &Authentication,
        key: ConnectionKey,
        order: Order,
    ) -> bool {
        let id = *self.current(key);
        if id != NO_OPERATION {
            let later = &mut self.all[id.index()].later;
            let room = later.len() < MAX_WAITING_OPERATIONS;
            if room {
                later.push_back(order);
            }
            return room;
        }
        self.start(core, auth, key, order, VecDeque::new());
        true
    }

    /// Takes a client's request for several channels. It begins in a later iteration when this one
    /// has named many already, so that others do not wait for all of them.
    pub(super) fn take_in_turn(
        &mut self,
        core: &mut Core,
        auth: &Authentication,
        key: ConnectionKey,
        order: Order,
    ) -> bool {
        let is_due = self.postponed.is_empty() && core.cx.further_work < core.cx.limits.channels;
        if is_due || order.names.len() < 2 || self.is_under_way(key) {
            core.cx.further_work += order.names.len().saturating_sub(1);
            return self.take(core, auth, key, order);
        }
        let id = self.insert(key, order, Departure::default(), VecDeque::new());
        self.postponed.push_back(id);
        true
    }

    /// Begins orders for which earlier iterations had no time. Calls `over` for each connection
    /// that has no order under way any more.
    pub(super) fn begin_postponed(
        &mut self,
        core: &mut Core,
        auth: &Authentication,
        mut over: impl FnMut(ConnectionKey),
    ) {
        while core.cx.further_work < core.cx.limits.channels
            && let Some(id) = self.postponed.pop_front()
        {
            let Operation { key, order, mut later, .. } = self.all.remove(id.index());
            if core.connections.is_open(key) {
                *self.current(key) = NO_OPERATION;
                core.cx.further_work += order.names.len() - 1;
                later.push_front(order);
                self.start_next(core, auth, key, later, &mut over);
            }
        }
    }

    /// Whether orders have not begun yet.
    pub(super) fn has_postponed(&self) -> bool {
        !self.postponed.is_empty()
    }

    /// Carries an order out, and those behind it, until one has to wait.
    fn start(
        &mut self,
        core: &mut Core,
        auth: &Authentication,
        key: ConnectionKey,
        mut order: Order,
        mut later: VecDeque<Order>,
    ) {
        loop {
            match order.action {
                Action::Subscribe => {
                    let Some(rest) = self.subscribe(core, auth, key, order, later) else { return };
                    later = rest;
                }
                Action::Watch => {
                    let Some(rest) = self.watch(core, auth, key, order, later) else { return };
                    later = rest;
                }
                Action::Unsubscribe | Action::Unwatch | Action::Close(_) => {
                    let Some(rest) = self.leave(core, key, order, later) else { return };
                    later = rest;
                }
            }
            let next = later.pop_front();
            let Some(next) = next.filter(|_| core.connections.is_open(key)) else { return };
            order = next;
        }
    }

    /// Begins an order to leave. Returns the orders behind it if it did not have to wait.
    fn leave(
        &mut self,
        core: &mut Core,
        key: ConnectionKey,
        mut order: Order,
        later: VecDeque<Order>,
    ) -> Option<VecDeque<Order>> {
        if let Action::Close(_) = order.action {
            let held = core.channels.subscriptions_of(key.index).iter();
            let names = held.map(|subscription| core.channels.name(subscription.channel).clone());
            order.names = names.collect();
        }
        departure::end_pattern(core, key, &mut order);
        let departure = Departure::new(core, key, &order);
        #[cfg(test)]
        let departure = if self.hasty { Departure::default() } else { departure };
        if departure.is_over(core, key) {
            departure::take_effect(core, key, &order);
            return Some(later);
        }
        let id = self.insert(key, order, departure, later);
        self.leaving.push(id);
        None
    }

    /// Puts an order under way that waits for no channel yet.
    fn insert(
        &mut self,
        key: ConnectionKey,
        order: Order,
        departure: Departure,
        later: VecDeque<Order>,
    ) -> OperationId {
        let (channels, waiting) = (Vec::new(), 0);
        let operation = Operation { key, order, channels, waiting, departure, later };
        let id = OperationId(self.all.insert(operation) as u32);
        *self.current(key) = id;
        id
    }

    /// The home of channels that a connection leaves has answered.
    pub(super) fn handle_heads(&mut self, id: OperationId, heads: Vec<(ChannelIndex, Seq)>) {
        let operation = &mut self.all[id.index()];
        operation.waiting -= 1;
        operation.departure.positions.extend(heads);
    }

    /// Goes on with orders to leave once their connections have been handed what they are owed.
    /// Calls `over` for each connection that has no order under way any more.
    pub(super) fn go_on(
        &mut self,
        core: &mut Core,
        auth: &Authentication,
        mut over: impl FnMut(ConnectionKey),
    ) {
        for id in std::mem::take(&mut self.leaving) {
            let operation = &mut self.all[id.index()];
            let key = operation.key;
            let open = core.connections.is_open(key);
            if open {
                operation.waiting += operation.departure.ask(core, id);
            }
            let waits = open && !operation.departure.is_over(core, key);
            // A home that was asked answers: the operation stays for that.
            if operation.waiting > 0 || waits {
                self.leaving.push(id);
                continue;
            }
            let operation = self.all.remove(id.index());
            if !open {
                continue;
            }
            *self.current(key) = NO_OPERATION;
            departure::take_effect(core, key, &operation.order);
            self.start_next(core, auth, key, operation.later, &mut over);
        }
        self.go_on_watching(core, auth, &mut over);
        while let Some(&(at, key, reason)) = self.closing.front() {
            if core.connections.is_open(key) && at > core.cx.time() {
                return;
            }
            self.closing.pop_front();
            core.cx.close(key, reason);
        }
    }

    /// Closes a connection once it was handed what was accepted for it, or after a while.
    pub(super) fn close(
        &mut self,
        core: &mut Core,
        auth: &Authentication,
        key: ConnectionKey,
        reason: CloseReason,
    ) {
        let order = Order::unasked(Vec::new(), Action::Close(reason));
        if !self.take(core, auth, key, order) {
            return core.cx.close(key, reason);
        }
        if self.is_under_way(key) {
            self.closing.push_back((core.cx.time() + LEAVE_PATIENCE, key, reason));
        }
    }

    /// Whether a connection has an order under way.
    pub(super) fn is_under_way(&self, key: ConnectionKey) -> bool {
        self.current.get(key.index as usize).is_some_and(|id| *id != NO_OPERATION)
    }

    /// Carries the orders behind one out that is over. Calls `over` if none of them has to wait.
    fn start_next(
        &mut self,
        core: &mut Core,
        auth: &Authentication,
        key: ConnectionKey,
        mut later: VecDeque<Order>,
        over: &mut impl FnMut(ConnectionKey),
    ) {
        if let Some(order) = later.pop_front().filter(|_| core.connections.is_open(key)) {
            self.start(core, auth, key, order, later);
        }
        if !self.is_under_way(key) {
            over(key);
        }
    }

    /// A channel's home has answered: goes on with the operations that waited for it. Calls `over`
    /// for each connection that has no order under way any more.
    pub(super) fn resume(
        &mut self,
        core: &mut Core,
        auth: &Authentication,
        index: ChannelIndex,
        (waiting, served): (Vec<OperationId>, Served),
        mut over: impl FnMut(ConnectionKey),
    ) {
        for id in waiting {
            let operation = &mut self.all[id.index()];
            operation.waiting -= 1;
            let place = operation.channels.iter().position(|&c| c == index);
            let start = |place: usize| operation.order.start(&operation.order.names[place]);
            if let Some(place) = place
                && let Some(why) = core.channels.refusal(index, (served, start(place)))
            {
                operation.channels.swap_remove(place);
                let name = operation.order.names.swap_remove(place);
                operation.order.refuse(&name, Some(why));
                core.channels.release(index);
            }
            if operation.waiting > 0 {
                continue;
            }
            let operation = self.all.remove(id.index());
            let key = operation.key;
            if core.connections.is_open(key) {
                *self.current(key) = NO_OPERATION;
            }
            let Some(later) = complete(core, auth, operation) else { continue };
            self.start_next(core, auth, key, later, &mut over);
        }
    }

    /// The connection is on its way out. An operation under way stays until its homes have
    /// answered, and then finds no open connection.
    pub(super) fn forget(&mut self, key: ConnectionKey) {
        *self.current(key) = NO_OPERATION;
    }
}

/// Every home has answered a subscribe order. Returns the orders behind it, unless the connection
/// is gone.
fn complete(
    core: &mut Core,
    auth: &Authentication,
    operation: Operation,
) -> Option<VecDeque<Order>> {
    let Operation { key, order, channels, later, .. } = operation;
    arrival::take_effect(core, auth, key, &order, &channels).then_some(later)
}
