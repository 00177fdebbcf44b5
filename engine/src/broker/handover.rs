//! Handing all that a hub holds over to a hub of another process: docs/HANDOVER.md.
//!
//! A subscription goes over as a position: what its socket was handed. The hub that takes it over
//! makes it live where that is the channel's head, and else a laggard that reads on from there.

use std::collections::HashMap;

use super::channel::TAKEN_OVER;
use super::core::Core;
use super::effect::Effect;
use super::lifecycle::Parts;
use super::pattern_set::{PatternKey, PatternSet};
use super::timers::Timer;
use crate::handover::{
    self, Deadline, DeadlineKind, HandoverError, Part, Sent, ShardState, Socket,
};
use crate::telemetry::Skipped;
use crate::types::{ChannelIndex, ConnectionKey, ShardId};

impl Parts {
    /// Whether nothing is under way that another shard or the next iteration has to end. Laggards
    /// may be: they go over as they are.
    pub(super) fn may_be_exported(&self) -> bool {
        let Core { cx, channels, links, delivery, patterns, presence, .. } = &self.core;
        cx.is_idle()
            && channels.is_swept()
            && delivery.is_flushed()
            && links.is_quiet()
            && links.all_know(cx.shard, patterns.version())
            && presence.is_settled()
            && self.sessions.is_settled()
    }

    /// What goes over, with the connections for which `place` has a socket.
    pub(super) fn export(
        &self,
        sent: &Sent,
        mut place: impl FnMut(ConnectionKey) -> Option<Socket>,
    ) -> ShardState {
        let core = &self.core;
        let mut state = ShardState::new(core.cx.shard);
        core.channels.export(&mut state, sent);
        state.rosters = core.presence.export();
        let mut deadlines: HashMap<ConnectionKey, Vec<Deadline>> = HashMap::new();
        for (at, key, timer) in core.cx.timers.all() {
            if let Some(kind) = kind_of(timer).filter(|_| self.needs(key, timer)) {
                deadlines.entry(key).or_default().push(Deadline { at, kind });
            }
        }
        for index in 0..core.connections.slots() as u32 {
            let key = core.connections.key(index);
            if core.connections.may_travel(key)
                && let Some(socket) = place(key)
            {
                let mut connection = core.export_connection(key, socket);
                connection.session = self.sessions.export(core, key);
                connection.deadlines = deadlines.remove(&key).unwrap_or_default();
                state.connections.push(connection);
            }
        }
        state
    }

    /// Takes over a part of what another process has handed over. The hub is new.
    ///
    /// # Errors
    /// [`HandoverError`] where the part says what cannot be, or there is no room for it.
    pub(super) fn import(&mut self, mut part: Part) -> Result<(), HandoverError> {
        let core = &mut self.core;
        // Connections first, so that channels can be theirs: a new table gives each the first
        // generation of its slot.
        let maker = |slot| Some(ConnectionKey { index: slot, generation: 0 });
        core.channels.import(&mut core.cx, &mut part, maker)?;
        for connection in std::mem::take(&mut part.connections) {
            let session = core.import_connection(connection)?;
            let (key, session) = session;
            self.sessions.import(core, key, session)?;
        }
        for roster in part.rosters {
            core.presence.import(roster);
        }
        core.presence.leave_behind(part.absent.into_iter(), core.cx.time());
        for (shard, patterns) in part.patterns.into_iter().enumerate() {
            let keys = patterns
                .into_iter()
                .map(|(service, prefix)| PatternKey { service, prefix: prefix.into() });
            if shard != core.cx.shard.index() {
                core.patterns.take_set(ShardId(shard as u8), PatternSet::new(keys).into());
            }
        }
        core.links.take_over(core.patterns.version(), TAKEN_OVER);
        core.channels.follow_on();
        self.settle();
        Ok(())
    }

    /// A connection was handed over: forgets it without a word to its peer.
    pub(super) fn abandon(&mut self, key: ConnectionKey) {
        if !self.core.connections.is_open(key) {
            return;
        }
        self.sessions.forget(&mut self.core, key);
        self.core.unsubscribe_all(key);
        self.core.delivery.shut(key.index);
        self.core.connections.abandon(key);
        self.core.cx.push_effect(Effect::Release(key));
    }
}

impl Core {
    fn export_connection(&self, key: ConnectionKey, socket: Socket) -> handover::Connection {
        let mut connection = self.connections.export(self.cx.shard, key, socket);
        let reached = self.patterns.reached(key.index);
        let patterns = self.patterns.of(key.index).iter();
        connection.patterns = patterns.map(|pattern| pattern.prefix.as_ref().into()).collect();
        connection.debts = self.delivery.export(key.index);
        let Skipped { slow, conflated } = self.delivery.skipped(key.index);
        connection.skipped = (slow, conflated);
        for subscription in self.channels.subscriptions_of(key.index) {
            let index = subscription.channel;
            let Some(handed) = self.handed(key, index) else { continue };
            let channel = self.channels.name(index).clone();
            connection.subscriptions.push(handover::Subscription {
                attendance: self.presence.attendance(key, &channel),
                channel,
                handed,
                newest_to: self.delivery.newest_to(key.index, index),
                is_by_pattern: reached.contains(&index),
            });
        }
        connection
    }

    /// Takes over a connection. Returns its session, which is still to be taken over.
    fn import_connection(
        &mut self,
        mut taken: handover::Connection,
    ) -> Result<(ConnectionKey, handover::Session), HandoverError> {
        let key = self.connections.import(&mut self.cx, &taken)?;
        self.delivery.open(key.index);
        for prefix in std::mem::take(&mut taken.patterns) {
            let pattern = PatternKey { service: taken.service, prefix: prefix.into() };
            self.patterns.take_over(key.index, pattern);
        }
        let mut cursors = Vec::with_capacity(taken.subscriptions.len());
        for subscription in std::mem::take(&mut taken.subscriptions) {
            let handover::Subscription { channel, handed, newest_to, .. } = &subscription;
            let index = self.channels.find(channel);
            let index = index.ok_or(HandoverError::Malformed("a subscription"))?;
            cursors.push((index, handed.next(), *newest_to));
            self.import_subscription(key, index, subscription, taken.id);
        }
        let now = self.cx.time();
        self.delivery.import((&self.channels, now), key, &mut taken, &cursors);
        for Deadline { at, kind } in taken.deadlines {
            self.cx.timers.set(at, key, timer_of(kind));
        }
        Ok((key, taken.session))
    }

    fn import_subscription(
        &mut self,
        key: ConnectionKey,
        index: ChannelIndex,
        subscription: handover::Subscription,
        id: uuid::Uuid,
    ) {
        self.enter(key, index);
        let handover::Subscription { channel, is_by_pattern, attendance, .. } = subscription;
        if is_by_pattern && self.patterns.reach(key.index, index) {
            self.channels.add_by_pattern(index);
        }
        if let Some(attendance) = attendance {
            self.presence.import_attendance((key, channel), id, attendance);
        }
    }
}

/// What a deadline goes over as; closing connections do not.
fn kind_of(timer: Timer) -> Option<DeadlineKind> {
    match timer {
        Timer::FirstFrame => Some(DeadlineKind::FirstFrame),
        Timer::Resume => Some(DeadlineKind::Resume),
        Timer::Backlog => Some(DeadlineKind::Backlog),
        Timer::Reconnect => Some(DeadlineKind::Reconnect),
        Timer::Close | Timer::FlushDeadline => None,
    }
}

fn timer_of(kind: DeadlineKind) -> Timer {
    match kind {
        DeadlineKind::FirstFrame => Timer::FirstFrame,
        DeadlineKind::Resume => Timer::Resume,
        DeadlineKind::Backlog => Timer::Backlog,
        DeadlineKind::Reconnect => Timer::Reconnect,
    }
}
