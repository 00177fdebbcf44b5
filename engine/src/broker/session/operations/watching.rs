//! Orders for patterns. One is confirmed once every shard tells of the channels that appear there.

use std::collections::VecDeque;

use super::{Departure, NO_OPERATION, Operations};
use crate::broker::core::Core;
use crate::broker::pattern_set::PatternKey;
use crate::broker::session::answers::{self, refuse};
use crate::broker::session::auth::Authentication;
use crate::broker::session::order::{Action, Order};
use crate::types::{ConnectionKey, ErrorCode};

impl Operations {
    /// Ends patterns of a connection, as if it had asked for that.
    pub(in crate::broker::session) fn end_patterns(
        &mut self,
        core: &mut Core,
        auth: &Authentication,
        key: ConnectionKey,
        is_over: impl Fn(&PatternKey) -> bool,
    ) {
        let patterns: Vec<_> = core.patterns.of(key.index).to_vec();
        for pattern in patterns.into_iter().filter(is_over) {
            let order = Order::of_pattern(None, pattern.clone(), Action::Unwatch);
            if !self.take(core, auth, key, order) {
                // No further channel is reached at least.
                core.patterns.remove(key.index, &pattern);
            }
        }
    }

    /// Ends the patterns that clients may not have any more.
    pub(in crate::broker::session) fn end_forbidden_patterns(
        &mut self,
        core: &mut Core,
        auth: &Authentication,
    ) {
        for connection in core.patterns.connections() {
            let key = core.connections.key(connection);
            let patterns = core.patterns.of(connection).iter();
            let may = |prefix: &str| auth.may_subscribe_to_all(core, key, prefix);
            let over: Vec<_> = patterns.filter(|key| !may(&key.prefix)).cloned().collect();
            self.end_patterns(core, auth, key, |pattern| over.contains(pattern));
        }
    }

    /// Begins an order for a pattern. Returns the orders behind it if it did not have to wait.
    pub(super) fn watch(
        &mut self,
        core: &mut Core,
        auth: &Authentication,
        key: ConnectionKey,
        order: Order,
        later: VecDeque<Order>,
    ) -> Option<VecDeque<Order>> {
        let Some(pattern) = &order.pattern else { return Some(later) };
        let correlation = order.correlation.as_deref();
        if !auth.may_subscribe_to_all(core, key, &pattern.prefix) {
            let text = format!("Not authorized to subscribe to {}*", pattern.prefix);
            refuse(core, key, correlation, ErrorCode::Forbidden, &text);
            return Some(later);
        }
        let version = match core.patterns.add(key.index, pattern) {
            Ok(version) => version,
            Err(error) => {
                refuse(core, key, correlation, ErrorCode::LimitExceeded, &error.to_string());
                return Some(later);
            }
        };
        if core.knows_patterns(version) {
            confirm(core, key, &order);
            return Some(later);
        }
        let id = self.insert(key, order, Departure::default(), later);
        self.watching.push((id, version));
        None
    }

    /// Confirms patterns that all shards know. Calls `over` for each connection that has no order
    /// under way any more.
    pub(super) fn go_on_watching(
        &mut self,
        core: &mut Core,
        auth: &Authentication,
        over: &mut impl FnMut(ConnectionKey),
    ) {
        for (id, version) in std::mem::take(&mut self.watching) {
            let key = self.all[id.index()].key;
            let is_open = core.connections.is_open(key);
            if is_open && !core.knows_patterns(version) {
                self.watching.push((id, version));
                continue;
            }
            let operation = self.all.remove(id.index());
            if is_open {
                *self.current(key) = NO_OPERATION;
                confirm(core, key, &operation.order);
                self.start_next(core, auth, key, operation.later, over);
            }
        }
    }
}

fn confirm(core: &mut Core, key: ConnectionKey, order: &Order) {
    let Some(pattern) = &order.pattern else { return };
    core.patterns.confirm(key.index, pattern);
    let held = core.channels.subscriptions_of(key.index).iter();
    let names = held.map(|subscription| core.channels.name(subscription.channel).as_str());
    let channels = names.filter(|name| name.starts_with(&*pattern.prefix)).count();
    answers::pattern(core, key, order, Some(channels));
}
