//! Orders to subscribe. One that begins with a channel's state asks the home for it first, and then
//! joins from its position on: what is published between the two is in the log.

use std::collections::VecDeque;
use std::sync::Arc;

use super::{Departure, NO_OPERATION, Operation, Operations, complete};
use crate::broker::core::Core;
use crate::broker::session::auth::Authentication;
use crate::broker::session::order::{Order, WantedState};
use crate::broker::session::{answers, arrival};
use crate::broker::shard_messages::Request;
use crate::types::{ConnectionKey, OperationId, StateDocument};

impl Operations {
    /// Begins a subscribe order. Returns the orders behind it if it did not have to wait.
    pub(super) fn subscribe(
        &mut self,
        core: &mut Core,
        auth: &Authentication,
        key: ConnectionKey,
        mut order: Order,
        later: VecDeque<Order>,
    ) -> Option<VecDeque<Order>> {
        let channels = arrival::hold_channels(core, auth, key, &mut order);
        let (waiting, departure) = (0, Departure::default());
        let operation = Operation { key, order, channels, waiting, departure, later };
        match operation.order.state {
            WantedState::Wanted => self.ask_state(core, auth, operation),
            _ => self.join(core, auth, operation),
        }
    }

    /// Has the homes of an order's channels serve this shard, from its positions on. Returns the
    /// orders behind it if it does not have to wait.
    fn join(
        &mut self,
        core: &mut Core,
        auth: &Authentication,
        mut operation: Operation,
    ) -> Option<VecDeque<Order>> {
        let Operation { key, order, channels, waiting, .. } = &mut operation;
        let (key, entry) = (*key, self.all.vacant_entry());
        let id = OperationId(entry.key() as u32);
        for (&index, name) in channels.iter().zip(&order.names) {
            if !core.links.prepare(&mut core.channels, index, order.start(name)) {
                core.channels.wait(index, id);
                *waiting += 1;
            }
        }
        if *waiting == 0 {
            return complete(core, auth, operation);
        }
        entry.insert(operation);
        *self.current(key) = id;
        None
    }

    /// Asks the home of an order's channel for its state.
    fn ask_state(
        &mut self,
        core: &mut Core,
        auth: &Authentication,
        mut operation: Operation,
    ) -> Option<VecDeque<Order>> {
        let Some(name) = operation.order.names.first().cloned() else {
            return self.join(core, auth, operation);
        };
        let (key, home) = (operation.key, core.cx.homes.of(&name));
        if home == core.cx.shard {
            operation.order.take_state(core.channels.state_document(&name));
            return self.join(core, auth, operation);
        }
        if !core.links.has_credit(home) {
            operation.channels.iter().for_each(|index| core.channels.release(*index));
            answers::busy(core, key, operation.order.correlation.as_deref());
            return Some(operation.later);
        }
        operation.waiting = 1;
        let id = OperationId(self.all.insert(operation) as u32);
        *self.current(key) = id;
        core.links.request(home, Request::ReadState { id, channel: name });
        None
    }

    /// The home of a channel has answered with its state. Calls `over` if the connection has no
    /// order under way any more.
    pub(in crate::broker::session) fn handle_state(
        &mut self,
        core: &mut Core,
        auth: &Authentication,
        (id, found): (OperationId, Option<Arc<StateDocument>>),
        mut over: impl FnMut(ConnectionKey),
    ) {
        let mut operation = self.all.remove(id.index());
        let key = operation.key;
        operation.waiting = 0;
        if !core.connections.is_open(key) {
            complete(core, auth, operation);
            return;
        }
        *self.current(key) = NO_OPERATION;
        operation.order.take_state(found);
        let Some(later) = self.join(core, auth, operation) else { return };
        self.start_next(core, auth, key, later, &mut over);
    }
}
