//! Orders that go over to another process: those that wait for slow clients, and what is behind
//! them. What waits for other shards is over before.

use std::collections::VecDeque;

use super::{Departure, NO_OPERATION, Operations};
use crate::broker::connection::CloseReason;
use crate::broker::core::Core;
use crate::broker::pattern_set::PatternKey;
use crate::broker::session::order::{Action, Order};
use crate::handover::{self, CloseCause, HandoverError, Session};
use crate::types::{ConnectionKey, ErrorCode, ServiceId};

impl Operations {
    /// Whether no order waits for another shard, or for time.
    pub(in crate::broker::session) fn is_settled(&self) -> bool {
        let waits = |(_, operation): (_, &super::Operation)| {
            operation.waiting > 0 || !operation.departure.unasked.is_empty()
        };
        self.watching.is_empty() && self.postponed.is_empty() && !self.all.iter().any(waits)
    }

    /// Adds the orders of a connection.
    pub(in crate::broker::session) fn export(
        &self,
        core: &Core,
        key: ConnectionKey,
        session: &mut Session,
    ) {
        let current = self.current.get(key.index as usize).filter(|id| **id != NO_OPERATION);
        if let Some(operation) = current.and_then(|id| self.all.get(id.index())) {
            let Departure { positions, until, .. } = &operation.departure;
            let position = |&(channel, seq)| (core.channels.name(channel).clone(), seq);
            session.departure = Some(handover::Departure {
                order: operation.order.export(),
                positions: positions.iter().map(position).collect(),
                until: *until,
            });
            session.later = operation.later.iter().map(Order::export).collect();
        }
        let closing = self.closing.iter().find(|(_, of, _)| *of == key);
        session.close_by = closing.map(|(at, _, reason)| (*at, cause_of(*reason)));
    }

    /// Takes over the orders of a connection; its subscriptions are there.
    ///
    /// # Errors
    /// [`HandoverError`] where they cannot be.
    pub(in crate::broker::session) fn import(
        &mut self,
        core: &mut Core,
        key: ConnectionKey,
        session: &mut Session,
    ) -> Result<(), HandoverError> {
        let service = core.connections[key].service();
        if let Some((at, cause)) = session.close_by.take() {
            let place = self.closing.partition_point(|(other, ..)| *other <= at);
            self.closing.insert(place, (at, key, reason_of(cause)));
        }
        let Some(handover::Departure { order, positions, until }) = session.departure.take() else {
            return Ok(());
        };
        if order.action == handover::Action::Subscribe {
            return Err(HandoverError::Malformed("a client leaves by subscribing"));
        }
        let known =
            positions.into_iter().filter_map(|(name, seq)| Some((core.channels.find(&name)?, seq)));
        let positions = known.collect();
        let departure = Departure { positions, unasked: Vec::new(), until };
        let order = Order::import(order, service);
        let later = session.later.drain(..).map(|order| Order::import(order, service));
        let later: VecDeque<Order> = later.collect();
        let id = self.insert(key, order, departure, later);
        self.leaving.push(id);
        Ok(())
    }
}

impl Order {
    fn export(&self) -> handover::Order {
        let action = match self.action {
            Action::Subscribe | Action::Watch => handover::Action::Subscribe,
            Action::Unsubscribe => handover::Action::Unsubscribe,
            Action::Unwatch => handover::Action::Unwatch,
            Action::Close(reason) => handover::Action::Close(cause_of(reason)),
        };
        handover::Order {
            action,
            names: self.names.clone(),
            pattern: self.pattern.as_ref().map(|key| key.prefix.as_ref().into()),
            correlation: self.correlation.as_deref().map(Into::into),
            is_list: self.list,
            invalid: self.failed.iter().map(|(name, _)| name.clone()).collect(),
        }
    }

    fn import(taken: handover::Order, service: ServiceId) -> Order {
        let action = match taken.action {
            handover::Action::Subscribe => Action::Subscribe,
            handover::Action::Unsubscribe => Action::Unsubscribe,
            handover::Action::Unwatch => Action::Unwatch,
            handover::Action::Close(cause) => Action::Close(reason_of(cause)),
        };
        let names = taken.names.into_iter().map(|name| name.at(service)).collect();
        let mut order = Order::unasked(names, action);
        order.pattern = taken.pattern.map(|prefix| PatternKey { service, prefix: prefix.into() });
        order.correlation = taken.correlation.map(Into::into);
        order.list = taken.is_list;
        let failed = taken.invalid.into_iter().map(|name| (name, ErrorCode::InvalidChannel));
        order.failed = failed.collect();
        order
    }
}

/// Why an order closes a connection.
fn cause_of(reason: CloseReason) -> CloseCause {
    match reason {
        CloseReason::Drain => CloseCause::Drain,
        CloseReason::TokenExpired => CloseCause::TokenExpired,
        CloseReason::Expelled => CloseCause::Expelled,
        CloseReason::CertificateRevoked => CloseCause::CertificateRevoked,
        // Orders have no other reason.
        _ => CloseCause::Shutdown,
    }
}

fn reason_of(cause: CloseCause) -> CloseReason {
    match cause {
        CloseCause::Shutdown => CloseReason::Shutdown,
        CloseCause::Drain => CloseReason::Drain,
        CloseCause::TokenExpired => CloseReason::TokenExpired,
        CloseCause::Expelled => CloseReason::Expelled,
        CloseCause::CertificateRevoked => CloseReason::CertificateRevoked,
    }
}
