//! What must hold of a hub after every iteration (invariants 2, 3, 11), and what tests look at.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::*;
use crate::broker::channel::Log;
use crate::broker::connection::State;
use crate::broker::context::Ending;
use crate::broker::delivery::delivery_invariants::{ChainFault, Met, SkipFault};
use crate::broker::patterns::PatternFault;
use crate::broker::turn_limits::TurnLimits;
use crate::limits::DUE_PER_CONNECTION;
use crate::types::ServiceId;

impl Hub {
    /// Cross-checks everything that is kept twice, and the bounds.
    pub(in crate::broker) fn check(&self) {
        let Core { cx, channels, connections, links, delivery, patterns, .. } = &self.parts.core;
        let keys = || (0..connections.slots() as u32).map(|index| connections.key(index));
        for key in keys() {
            let connection = &connections[key];
            let state = connection.state();
            let live = state.is_writable() && !delivery.is_laggard(key.index);
            let closed = state == State::Closing && connection.close_sent;
            assert!(delivery.is_live(key.index) == live || closed, "gate of {key:?}: {state:?}");
            assert!(state.is_writable() || !delivery.is_laggard(key.index));
            let subscriptions = channels.subscriptions_of(key.index);
            assert!(connection.is_open() || subscriptions.is_empty());
            channels.check_subscriptions(key.index);
            let owner = self.parts.sessions.operation_owner(key.index);
            assert!(!connection.is_open() || owner.is_none_or(|owner| owner == key));
        }
        delivery.check(cx, channels, keys());
        patterns.check();
        let reached = keys()
            .flat_map(|key| patterns.reached(key.index).into_iter().map(move |index| (key, index)));
        let mut by_pattern = std::collections::HashMap::new();
        for (key, index) in reached {
            assert!(channels.is_subscribed(key.index, index), "reached, and no member");
            *by_pattern.entry(index).or_default() += 1;
        }
        channels.check_by_pattern(&by_pattern);
        channels.check(cx, &self.parts.sessions.holds(), |shard, channel| {
            links.times_behind(shard, channel)
        });
        links.check();
        let expiries = self.parts.sessions.auth().expiries();
        assert!(expiries <= connections.len(), "expiries of former connections");
        assert!(!cx.has_effects(), "effects wait");
        let most = DUE_PER_CONNECTION * (connections.capacity() + 1);
        assert!(cx.timers.len() <= most, "{} timers", cx.timers.len());
    }

    /// Subscriptions of this shard's connections that count for presence, and what the homes of
    /// channels here have in their rosters: by connection id.
    pub(in crate::broker) fn attendance(&self) -> [BTreeSet<(Uuid, ChannelName)>; 2] {
        let core = &self.parts.core;
        let id = |(key, channel)| (core.connections.id(core.cx.shard, key), channel);
        [core.presence.present().into_iter().map(id).collect(), core.presence.rostered()]
    }

    /// The saboteur of the simulation: homes are not notified of every member that leaves.
    pub(in crate::broker) fn forget_leaves(&mut self) {
        self.parts.core.presence.forgetful = true;
    }

    /// Checks that the shell was asked to receive from a connection, or not to.
    pub(in crate::broker) fn check_pause(&self, key: ConnectionKey, paused: bool) {
        let ended = |state| matches!(state, State::HalfClosedRemote | State::AwaitingCompletions);
        let alive = self.parts.core.connections.get(key).filter(|c| !ended(c.state()));
        assert!(alive.is_none_or(|c| c.is_paused() == paused), "{key:?} is received from wrongly");
    }

    /// Whether nothing is under way in this hub.
    pub(in crate::broker) fn is_quiet(&self) -> bool {
        self.parts.sessions.is_quiet()
            && !self.parts.core.delivery.has_laggards()
            && !matches!(self.drain, DrainState::Finishing(_))
            && self.parts.core.links.is_quiet()
            && self.parts.core.presence.is_settled()
            && self.next_due().is_none()
            && !self.parts.core.channels.awaits_upstream()
    }

    pub(in crate::broker) fn set_limits(&mut self, limits: TurnLimits) {
        self.parts.core.cx.limits = limits;
    }

    /// Channels get their order outside.
    pub(in crate::broker) fn follow_an_order(&mut self) {
        self.parts.core.cx.is_external = true;
    }

    /// The saboteur of the simulation: two writes of one connection in a batch pass.
    pub(in crate::broker) fn leave_gate_open(&mut self) {
        self.parts.core.delivery.leave_gate_open();
    }

    /// The saboteur of the simulation: clients leave channels at once.
    pub(in crate::broker) fn leave_hastily(&mut self) {
        self.parts.sessions.leave_hastily();
    }

    /// The saboteur of the simulation: channels that wait are never swept.
    pub(in crate::broker) fn forget_waits(&mut self) {
        self.parts.core.channels.forget_waits();
    }

    /// The saboteur of the simulation: what is wrong with patterns.
    pub(in crate::broker) fn break_patterns(&mut self, fault: PatternFault) {
        match fault {
            PatternFault::Untold => self.parts.core.patterns.untold = true,
            PatternFault::Hasty => self.parts.core.links.hasty = true,
        }
    }

    /// Breaks the chains of the writes.
    pub(in crate::broker) fn break_chains(&mut self, fault: ChainFault) {
        self.parts.core.delivery.break_chains(fault);
    }

    /// Breaks the policies for subscribers that are behind.
    pub(in crate::broker) fn break_skips(&mut self, fault: SkipFault) {
        self.parts.core.delivery.break_skips(fault);
    }

    /// Chains of several marks that were met.
    pub(in crate::broker) fn met(&self) -> Met {
        self.parts.core.delivery.met()
    }

    /// The log of a channel this shard knows.
    pub(in crate::broker) fn log(&self, name: &ChannelName) -> Option<&Log> {
        Some(self.parts.core.channels.log(self.parts.core.channels.find(name)?))
    }

    pub(in crate::broker) fn timers(&self) -> usize {
        self.parts.core.cx.timers.len()
    }

    /// Verifications under way, connections with a deadline for their token.
    pub(in crate::broker) fn auth_counts(&self) -> (usize, usize) {
        let auth = self.parts.sessions.auth();
        (auth.verifying(), auth.expiries())
    }

    /// What known clients were granted: connection, service and names.
    pub(in crate::broker) fn granted(&self) -> Vec<(u32, ServiceId, Vec<String>)> {
        self.parts.sessions.auth().granted(&self.parts.core)
    }

    pub(in crate::broker) fn is_open(&self, key: ConnectionKey) -> bool {
        self.parts.core.connections.is_open(key)
    }

    /// Closes a connection, or reports its socket as dead.
    pub(in crate::broker) fn end_by(&mut self, key: ConnectionKey, ending: Ending) {
        self.parts.core.cx.end(key, ending);
        self.parts.settle();
    }
}
