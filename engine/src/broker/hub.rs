//! One shard's broker: the composition of its components, and their contract with the shell.

mod gauges;
mod handover;
mod outside;
mod questions;
mod states;

use std::sync::Arc;

use super::channel::Channels;
use super::connection::{Admission, CloseReason, Connections, ReceiveEnd};
use super::context::Context;
use super::core::Core;
use super::delivery::{Delivery, Work, write_sink::WriteSink};
use super::effect::Effect;
use super::lifecycle::Parts;
use super::link::Links;
use super::patterns::Patterns;
use super::presence::Presence;
use super::reconnects::Reconnects;
use super::session::Sessions;
use super::shard_messages::{Lanes, Notice, Request};
use super::tick::DrainState;
use crate::config::Config;
use crate::limits::REACHED_PER_TURN;
use crate::telemetry::Recorder;
use crate::types::{
    ChannelName, ClientCommand, ConnectionKey, Epoch, Homes, JsonObject, Now, Publication,
    PublishError, Seq, ShardId, Time, Verdict,
};

/// The broker of one shard: every decision, without I/O (invariant 8).
///
/// Its methods are of four kinds:
///
/// 1. [`Hub::begin_iteration`] sets the time. Every iteration of the shell's event loop begins with
///    it; all calls until the next one happen at that time.
/// 2. **Inputs** say what has happened: [`Hub::admit`], `handle_*`, [`Hub::publish`],
///    [`Hub::disconnect`], [`Hub::refuse_newcomers`], [`Hub::begin_drain`], [`Hub::set_document`],
///    [`Hub::reconfigure`]. They change state and queue work, and write nothing. Publications,
///    requests and notices may be handed in while [`Hub::wants_input`].
/// 3. **Outputs** are asked for in this order, once all inputs of the iteration are in:
///    [`Hub::poll_transmit`] once, then [`Hub::poll_effect`] until it is empty. If `poll_transmit`
///    returns `true`, more is due: the shell iterates again without waiting.
/// 4. **Questions** change nothing: [`Hub::is_paused`], [`Hub::is_metered`], [`Hub::config`], and
///    those of operators (`hub/questions.rs`).
///
/// Between two iterations a hub can be handed over to another process (`hub/handover.rs`).
/// The shell may assume that a key it got from `admit` is valid until it has carried out
/// [`Effect::Release`], that inputs with a former key change nothing (invariant 12), and that no
/// connection is written twice between two flushes (invariant 11).
///
/// Inside, each component owns its state and calls only those below it; what it wants of the ones
/// above it queues in its `Context`, and the hub carries it out:
///
/// | component | state |
/// |---|---|
/// | `session`, `reconnects` | requests, identities, what clients wait for; a drain's time slots |
/// | `presence`, `patterns` | rosters of channels; subscriptions by prefix |
/// | `delivery` | what an iteration writes: replies, sweeps, laggards |
/// | `link` | lanes to the other shards, credits |
/// | `connection` | records, states, rates |
/// | `channel` | logs, live sets, memberships, the shard's role for each |
/// | `context` | time, settings, timers, queues of effects, replies and endings |
pub struct Hub {
    parts: Parts,
    drain: DrainState,
}

impl Hub {
    /// A broker for `shard` of `shards`, with room for `capacity` connections. `seed` feeds ids
    /// and epochs.
    pub fn new(
        config: Arc<Config>,
        shard: ShardId,
        shards: usize,
        capacity: usize,
        seed: u64,
    ) -> Hub {
        let (sessions, services) = (Sessions::new(&config, capacity), config.services.len());
        let core = Core {
            channels: Channels::new(capacity, services),
            connections: Connections::new(capacity, services),
            links: Links::new(shards),
            delivery: Delivery::new(capacity, services),
            patterns: Patterns::new(shards, services),
            presence: Presence::new(shards),
            published_ids: super::published_ids::PublishedIds::default(),
            cx: Context::new(config, shard, shards, seed),
        };
        let parts = Parts::new(core, sessions, Reconnects::new(shard, shards));
        Hub { parts, drain: DrainState::default() }
    }

    /// The same hub with the epoch of its engine, which another run of it does not have.
    #[must_use]
    pub fn with_epoch(mut self, epoch: Epoch) -> Hub {
        self.parts.core.cx.epoch = epoch;
        self
    }

    /// The same hub with the homes of its engine: all its shards must have the same.
    #[must_use]
    pub(crate) fn with_homes(mut self, homes: Homes) -> Hub {
        assert_eq!(homes.shards(), self.parts.core.cx.homes.shards());
        self.parts.core.cx.homes = homes;
        self
    }

    /// The shard that sequences a channel. The same on every shard of one engine.
    #[cfg(test)]
    pub(crate) fn home_of(&self, channel: &ChannelName) -> ShardId {
        self.parts.core.cx.homes.of(channel)
    }

    /// The time of all calls until the next one. Requests begin that earlier iterations postponed.
    pub fn begin_iteration(&mut self, now: Now) {
        self.parts.core.cx.now = now;
        (self.parts.core.cx.further_work, self.parts.core.cx.reached) = (0, 0);
        self.parts.sessions.begin_postponed(&mut self.parts.core);
        self.parts.settle();
    }

    /// A connection was upgraded. `None` when the table is full: drop the socket.
    /// Over capacity it is admitted only to be closed with 1013.
    pub fn admit(&mut self, mut admission: Admission) -> Option<ConnectionKey> {
        let core = &mut self.parts.core;
        let key = core.connections.admit(&mut core.cx, &mut admission)?;
        core.delivery.open(key.index);
        if !admission.response.is_empty() {
            core.cx.reply(key, admission.response);
        }
        if admission.over_capacity {
            self.parts.close(key, CloseReason::MaxConnections);
        } else if core.cx.draining || core.cx.refusing {
            self.parts.close(key, CloseReason::Shutdown);
        } else {
            self.parts.sessions.begin(core, key, admission.token);
            self.parts.settle();
        }
        Some(key)
    }

    /// Bytes were received (plaintext). They are unmasked in place.
    pub fn handle_received(&mut self, key: ConnectionKey, bytes: &mut [u8]) {
        self.parts.handle_received(key, bytes);
    }

    /// TLS records without data were received: they count as small frames do.
    pub fn handle_control_records(&mut self, key: ConnectionKey, records: u32) {
        self.parts.charge_and_tell(key, records);
    }

    /// After `Effect::AwaitWritable`: the socket has room, or is dead and will say so on writing.
    pub fn handle_writable(&mut self, key: ConnectionKey) {
        if self.parts.core.connections.get(key).is_some() {
            self.parts.core.delivery.handle_writable(key);
        }
    }

    /// A connection has sent as much as its TLS keys allow: its client is to reconnect.
    pub fn handle_worn_keys(&mut self, index: u32) {
        let key = self.parts.core.connections.key(index);
        self.parts.close(key, CloseReason::Keys);
    }

    /// The peer ended its side, or the socket failed. A receive is no longer armed. A peer that
    /// ends its side first still gets what it is owed, then our FIN.
    pub fn handle_end(&mut self, key: ConnectionKey, end: ReceiveEnd) {
        self.parts.handle_end(key, end);
    }

    /// The peer has new TLS keys, and nothing more of it can be read. A receive is no longer armed.
    pub fn handle_lost_keys(&mut self, key: ConnectionKey) {
        self.parts.handle_lost_keys(key);
    }

    /// After `Effect::CancelReceive`: nothing is armed on the slot any more (invariant 12).
    pub fn handle_receive_ended(&mut self, key: ConnectionKey) {
        self.parts.handle_receive_ended(key);
    }

    /// The answer to [`Effect::Authenticate`], which each gets once.
    pub fn handle_authenticated(&mut self, key: ConnectionKey, verdict: Verdict) {
        let backlog = self.parts.sessions.handle_authenticated(&mut self.parts.core, key, verdict);
        self.parts.settle();
        for message in backlog {
            // What was sent before the connection ended is over with it.
            if !self.parts.core.connections.is_open(key) {
                return;
            }
            self.parts.sessions.handle_message(&mut self.parts.core, key, message.borrow());
            self.parts.settle();
        }
    }

    // Inputs: publishers, operators and other shards.

    /// A publication for a channel homed here.
    ///
    /// # Errors
    /// [`PublishError`] when the channel's log takes no more now, or the shard no more channels.
    pub fn publish(&mut self, publication: &Publication) -> Result<Seq, PublishError> {
        self.parts.core.publish(publication)
    }

    /// Puts the status document of a channel homed here, or with `None` takes it back. Returns
    /// whether there was one.
    ///
    /// # Errors
    /// [`PublishError`] when the shard has no room for it, or is draining.
    pub fn set_document(
        &mut self,
        name: &ChannelName,
        document: Option<Arc<JsonObject>>,
    ) -> Result<bool, PublishError> {
        let core = &mut self.parts.core;
        if core.cx.draining {
            return Err(PublishError::Saturated);
        }
        core.channels.set_document(&mut core.cx, name, document)
    }

    /// Ends connections or subscriptions from slot `from` on. Returns how many, and the slot to go
    /// on from: it looks at a bounded part of the connections at a time.
    pub fn disconnect(&mut self, command: &ClientCommand, from: u32) -> (u64, Option<u32>) {
        self.parts.disconnect(command, from)
    }

    /// Closes all connections that are admitted from now on: the rest are told to reconnect.
    pub fn refuse_newcomers(&mut self) {
        self.parts.core.cx.refusing = true;
    }

    /// Refuses publishes from now on; closes every connection with 1001 once what was accepted
    /// is delivered.
    pub fn begin_drain(&mut self) {
        self.drain.begin(&mut self.parts.core);
    }

    /// The clock ticked (`limits::TICK`).
    pub fn handle_tick(&mut self) {
        self.parts.handle_tick(&mut self.drain);
    }

    /// A request from another shard.
    pub fn handle_request(&mut self, from: ShardId, request: Request) {
        self.parts.handle_request(from, request);
    }

    /// A notice from another shard.
    pub fn handle_notice(&mut self, from: ShardId, notice: Notice) {
        self.parts.handle_notice(from, notice);
    }

    // Outputs.

    /// Writes what is due: replies, lanes, sweeps, laggards. Returns whether more is due than one
    /// iteration may do: call again after other work.
    pub fn poll_transmit(&mut self, sink: &mut impl WriteSink, lanes: &mut impl Lanes) -> bool {
        self.parts.handle_waiting();
        self.parts.sessions.go_on(&mut self.parts.core);
        self.parts.settle();
        self.parts.handle_own_presence();
        self.parts.core.channels.end_waits(&self.parts.core.cx);
        self.parts.core.links.send_answers(lanes);
        self.parts.core.forget_left();
        self.parts.core.send_requests(lanes);
        self.write(sink, Delivery::begin_writes);
        self.write(sink, Delivery::write_replies);
        while self.parts.settle() && self.parts.core.cx.has_replies() {
            self.write(sink, Delivery::write_replies);
        }
        let Core { cx, channels, links, .. } = &mut self.parts.core;
        links.fan_out(cx, channels, lanes);
        self.write(sink, Delivery::sweep);
        self.parts.settle();
        self.write(sink, Delivery::serve_laggards);
        self.parts.settle();
        self.write(sink, Delivery::flush);
        self.parts.settle();
        self.parts.sessions.go_on(&mut self.parts.core);
        self.parts.settle();
        self.parts.core.forget_left();
        let mut timers = std::mem::take(&mut self.parts.core.cx.timers);
        timers.prune(self.parts.core.connections.len(), |key, timer| self.parts.needs(key, timer));
        self.parts.core.cx.timers = timers;
        let core = &self.parts.core;
        core.channels.dirty() > 0
            || core.delivery.has_more()
            || core.cx.reached >= REACHED_PER_TURN
            || core.cx.has_replies()
            || core.presence.has_more()
            || self.parts.sessions.has_waiting()
    }

    fn write<S: WriteSink>(
        &mut self,
        sink: &mut S,
        stage: impl FnOnce(&mut Delivery, &mut Work<'_, S>),
    ) {
        let Core { cx, channels, connections, delivery, .. } = &mut self.parts.core;
        stage(delivery, &mut Work { cx, channels, connections, sink });
    }

    /// When `poll_transmit` is to be called again at the latest, whatever happens: a channel's
    /// coalescing window ends.
    pub fn next_due(&self) -> Option<Time> {
        self.parts.core.channels.next_due()
    }

    /// The next thing for the shell to do.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.parts.core.cx.poll_effect()
    }

    // Questions.

    /// Where counts and times go; the shell records its own there, too.
    pub fn recorder(&mut self) -> &mut Recorder {
        &mut self.parts.core.cx.recorder
    }

    /// Whether publications, requests and notices may be handed in now.
    pub fn wants_input(&self) -> bool {
        let core = &self.parts.core;
        core.channels.has_capacity(&core.cx) && core.cx.reached < REACHED_PER_TURN
    }

    /// Connections not yet released.
    pub fn connections(&self) -> usize {
        self.parts.core.connections.len()
    }

    /// Those of clients, without probes.
    pub fn clients(&self) -> usize {
        self.parts.core.connections.open().iter().sum()
    }

    /// The settings in force.
    pub fn config(&self) -> &Config {
        &self.parts.core.cx.config
    }

    /// Whether what a connection sends has a rate: then it should be received from a buffer at a
    /// time, so that a pause takes effect before the next.
    pub fn is_metered(&self, key: ConnectionKey) -> bool {
        let settings = self.parts.core.settings(key);
        settings.access.byte_rate > 0 || settings.message_rate > 0
    }

    /// Whether a connection is not to be received from.
    pub fn is_paused(&self, key: ConnectionKey) -> bool {
        self.parts.core.connections.get(key).is_some_and(|connection| connection.is_paused())
    }

    /// Messages handled since they were last timed, and what came in this iteration beside them.
    pub fn handled(&self) -> usize {
        self.parts.sessions.handled() + self.parts.core.cx.further_work
    }

    /// Times the messages handled since the last call: each took the iteration's `ns` nanoseconds,
    /// which its sender waited for all of them.
    pub fn record_handling(&mut self, ns: u64) {
        for (service, kind) in self.parts.sessions.take_handled() {
            self.parts.core.cx.recorder.received(service, kind, ns);
        }
    }

    /// The settings from now on, of the same services.
    pub fn reconfigure(&mut self, config: Arc<Config>) {
        self.parts.reconfigure(config);
    }
}

#[cfg(test)]
mod hub_invariants;
#[cfg(test)]
mod tests;
