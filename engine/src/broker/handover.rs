//! Handing all that a hub holds over to a hub of another process: docs/HANDOVER.md.
//!
//! A subscription goes over as a position: what its socket was handed. The hub that takes it over
//! makes it live where that is the channel's head, and else a laggard that reads on from there.

use std::collections::HashMap;
use std::ops::Range;

use super::channel::TAKEN_OVER;
use super::connection::State;
use super::core::Core;
use super::lifecycle::Parts;
use super::pattern_set::{PatternKey, PatternSet};
use super::timers::Timer;
#[cfg(test)]
use super::upstream_faults::UpstreamFault;
use crate::handover::{
    self, Connection, Deadline, DeadlineKind, EarlySubscription, HandoverError, Part, Sent,
    ShardState, Socket,
};
use crate::telemetry::Skipped;
use crate::types::{ChannelIndex, ConnectionKey, PresenceEnd, Seq, ShardId};

/// What connections are to do by some time.
type Deadlines = HashMap<ConnectionKey, Vec<Deadline>>;

impl Parts {
    /// Whether all that was published is delivered, or owed to subscribers that are behind.
    pub(super) fn is_swept(&self) -> bool {
        self.core.channels.is_swept() && self.core.delivery.is_flushed()
    }

    /// Whether nothing is under way that another shard or the next iteration has to end. Laggards
    /// may be: they go over as they are.
    pub(super) fn may_be_exported(&self) -> bool {
        let Core { cx, links, patterns, presence, .. } = &self.core;
        cx.is_idle()
            && self.is_swept()
            && links.is_quiet()
            && self.core.knows_patterns(patterns.version())
            && presence.is_settled()
            && self.sessions.is_settled()
    }

    /// Whether something waits for the external order that has to end before this shard, or
    /// another one, may be exported.
    pub(super) fn awaits_upstream(&self) -> bool {
        let Core { cx, channels, patterns, presence, .. } = &self.core;
        cx.is_external
            && !(self.sessions.is_settled()
                && patterns.is_watched(patterns.version())
                && channels.is_settled()
                && !presence.awaits_upstream())
    }

    /// Connections of these slots that can go over early, those for which `place` has a socket.
    /// `None` behind the last slot.
    pub(super) fn export_early(
        &mut self,
        slots: Range<u32>,
        mut place: impl FnMut(ConnectionKey) -> Option<Socket>,
    ) -> Option<Vec<(ConnectionKey, Connection)>> {
        let all = self.core.connections.slots() as u32;
        if slots.start == 0 {
            self.core.cx.early.begin(all as usize);
        }
        if slots.start >= all {
            return None;
        }
        let slots = slots.start..slots.end.min(all);
        let mut deadlines = self.deadlines(|index| slots.contains(&index));
        let mut early = Vec::new();
        for key in slots.map(|index| self.core.connections.key(index)) {
            if !self.core.connections.may_travel(key) || !self.sessions.is_calm(key) {
                continue;
            }
            let Some(socket) = place(key) else { continue };
            let connection = self.export_connection(key, socket, &mut deadlines);
            if connection.may_go_early() {
                self.core.cx.early.set(key.index);
                early.push((key, connection));
            }
        }
        Some(early)
    }

    /// What goes over, with the connections for which `place` has a socket; without those that went
    /// early and are as they were, also by what `is_same` says.
    pub(super) fn export(
        &self,
        sent: &Sent,
        mut is_same: impl FnMut(ConnectionKey) -> bool,
        mut place: impl FnMut(ConnectionKey) -> Option<Socket>,
    ) -> ShardState {
        let core = &self.core;
        let mut state = ShardState::new(core.cx.shard);
        core.channels.export(&mut state, sent);
        state.rosters = core.presence.export();
        state.published = core.published_ids.export();
        if core.cx.early.has_some() {
            state.heads = core.channels.export_heads();
        }
        let mut deadlines = self.deadlines(|index| !core.cx.early.is_true(index));
        for index in 0..core.connections.slots() as u32 {
            let key = core.connections.key(index);
            if !core.connections.may_travel(key) || core.is_as_early(index) && is_same(key) {
                continue;
            }
            if let Some(socket) = place(key) {
                state.connections.push(self.export_connection(key, socket, &mut deadlines));
            }
        }
        state
    }

    fn export_connection(
        &self,
        key: ConnectionKey,
        socket: Socket,
        deadlines: &mut Deadlines,
    ) -> Connection {
        let mut connection = self.core.export_connection(key, socket);
        connection.session = self.sessions.export(&self.core, key);
        connection.deadlines = deadlines.remove(&key).unwrap_or_default();
        connection
    }

    /// What connections are to do by some time, of those with a `wanted` index.
    fn deadlines(&self, wanted: impl Fn(u32) -> bool) -> Deadlines {
        let mut deadlines = Deadlines::new();
        for (at, key, timer) in self.core.cx.timers.all().filter(|(_, key, _)| wanted(key.index)) {
            if let Some(kind) = kind_of(timer).filter(|_| self.needs(key, timer)) {
                deadlines.entry(key).or_default().push(Deadline { at, kind });
            }
        }
        deadlines
    }

    /// Takes over connections that went early. The hub is new.
    ///
    /// # Errors
    /// [`HandoverError`] where they cannot be, or there is no room for them.
    pub(super) fn import_early(&mut self, early: Vec<Connection>) -> Result<(), HandoverError> {
        early.into_iter().try_for_each(|connection| self.import_connection(connection))
    }

    fn import_connection(&mut self, connection: Connection) -> Result<(), HandoverError> {
        let (key, session) = self.core.import_connection(connection)?;
        self.sessions.import(&mut self.core, key, session)
    }

    /// Takes back what was taken over early of a connection.
    fn retract(&mut self, slot: u32) -> Result<(), HandoverError> {
        let key = ConnectionKey { index: slot, generation: 0 };
        if !self.core.connections.is_open(key) {
            return Err(HandoverError::Malformed("a connection that did not go early"));
        }
        self.sessions.forget(&mut self.core, key);
        self.core.delivery.shut(slot);
        self.core.connections.retract(key);
        Ok(())
    }

    /// Takes over a part of what another process has handed over. The hub is new.
    ///
    /// # Errors
    /// [`HandoverError`] where the part says what cannot be, or there is no room for it.
    pub(super) fn import(&mut self, mut part: Part) -> Result<(), HandoverError> {
        std::mem::take(&mut part.retracted).into_iter().try_for_each(|slot| self.retract(slot))?;
        let core = &mut self.core;
        // Connections first, so that channels can be theirs: a new table gives each the first
        // generation of its slot.
        let maker = |slot| Some(ConnectionKey { index: slot, generation: 0 });
        core.channels.import(&mut core.cx, &mut part, maker)?;
        for connection in std::mem::take(&mut part.connections) {
            self.import_connection(connection)?;
        }
        let core = &mut self.core;
        for of_one in part.early.chunk_by(|one, next| one.slot == next.slot) {
            core.subscribe_early(of_one);
        }
        core.connections.list_free();
        core.published_ids.import(std::mem::take(&mut part.published));
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
        core.patterns.watch_anew();
        core.channels.follow_on(&part.acknowledged);
        self.settle();
        Ok(())
    }

    /// A connection was handed over: forgets it without a word to its peer.
    pub(super) fn abandon(&mut self, key: ConnectionKey) {
        if !self.core.connections.is_open(key) {
            return;
        }
        self.sessions.forget(&mut self.core, key);
        self.core.unsubscribe_all(key, PresenceEnd::HandedOver);
        self.core.delivery.shut(key.index);
        self.core.connections[key].become_state(State::AwaitingCompletions);
    }
}

impl Core {
    /// Whether a connection is as it went over early: it has been handed everything since, too.
    fn is_as_early(&self, index: u32) -> bool {
        self.cx.early.is_true(index)
            && !self.delivery.is_laggard(index)
            && self.delivery.skipped(index) == Skipped::default()
    }

    fn export_connection(&self, key: ConnectionKey, socket: Socket) -> Connection {
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
        mut taken: Connection,
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

    /// Subscribes a connection that went over early.
    fn subscribe_early(&mut self, subscriptions: &[EarlySubscription]) {
        let mut cursors = Vec::new();
        let mut is_behind = false;
        let key = |slot| ConnectionKey { index: slot, generation: 0 };
        for EarlySubscription { slot, channel, handed } in subscriptions {
            let index = ChannelIndex::new(*channel, 0);
            let live = self.enter(key(*slot), index);
            is_behind |= handed.is_some();
            cursors.push((index, handed.unwrap_or(live).next(), Seq(0)));
        }
        if let Some(first) = subscriptions.first().filter(|_| is_behind) {
            let key = key(first.slot);
            let (service, now) = (self.connections[key].service(), self.cx.time());
            self.delivery.take_behind((&self.channels, now), (key, service), &cursors);
        }
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
            let is_external = self.cx.is_external;
            #[cfg(test)]
            let is_external = is_external && !UpstreamFault::Unreported.is_present();
            match is_external {
                // Its order is told by each process anew.
                true => self.enter_presence(key, index, attendance.user.as_deref()),
                false => self.presence.import_attendance((key, channel), id, attendance),
            }
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
