//! One shard's broker: the composition of its components, and their contract with the shell.

use std::net::SocketAddr;
use std::sync::Arc;

use super::channel::{ChannelEntry, Channels};
use super::connection::{Admission, CloseReason, CloseReport, Connections, Exceeded, Pause, State};
use super::context::{Context, Ending};
use super::core::Core;
use super::delivery::write_sink::WriteSink;
use super::delivery::{Delivery, Work};
use super::effect::Effect;
use super::link::Links;
use super::session::Sessions;
use super::shard_messages::{Lanes, Notice, Request};
use super::timers::Timer;
use crate::config::Config;
use crate::limits::{
    AUTH_BACKLOG, AUTH_TIMEOUT, CLOSE_TIMEOUT, DISCONNECT_LOOKS, DISCONNECTS_AT_ONCE, DRAIN_TICKS,
    LAGGARD_BYTES_PER_SHARD, VERIFICATIONS_PER_SHARD, per_lane,
};
use crate::telemetry::{Close, ConnectionError, Gauge, Recorder};
use crate::types::{
    ChannelName, ClientAction, ClientCommand, ConnectionKey, JsonObject, Now, Publication,
    PublishError, Seq, ServiceId, ShardId, Target, Verdict,
};
use crate::wire::Message;
use crate::wire::frame::{self, Event, FrameError, Opcode};

/// The broker of one shard: every decision, without I/O (invariant 8).
///
/// Its methods are of four kinds:
///
/// 1. [`Hub::begin_iteration`] sets the time. Every iteration of the shell's event loop begins with
///    it; all calls until the next one happen at that time.
/// 2. **Inputs** say what has happened: [`Hub::admit`], `handle_*`, [`Hub::publish`],
///    [`Hub::disconnect`], [`Hub::begin_drain`], [`Hub::set_document`]. They change state and queue
///    work, and write nothing. Publications, requests and notices may be handed in while
///    [`Hub::wants_input`].
/// 3. **Outputs** are asked for in this order, once all inputs of the iteration are in:
///    [`Hub::poll_transmit`] once, then [`Hub::poll_effect`] until it is empty. If `poll_transmit`
///    returns `true`, more is due: the shell iterates again without waiting.
/// 4. **Questions** change nothing: [`Hub::channels`], [`Hub::subscribers`], [`Hub::document`],
///    [`Hub::is_paused`], [`Hub::is_metered`].
///
/// The shell may assume that a key it got from `admit` is valid until it has carried out
/// [`Effect::Release`], that inputs with a former key change nothing (invariant 12), and that no
/// connection is written twice between two flushes (invariant 11).
///
/// Inside, each component owns its state and calls only those below it; what it wants of the ones
/// above it queues in its [`Context`], and the hub carries it out:
///
/// | component | state |
/// |---|---|
/// | `session` | what clients may say, who they are, what they wait for |
/// | `delivery` | what an iteration writes: replies, sweeps, laggards |
/// | `link` | lanes to the other shards, credits |
/// | `connection` | records, states, rates |
/// | `channel` | logs, live sets, memberships, the shard's role for each |
/// | `context` | time, settings, timers, queues of effects, replies and endings |
pub struct Hub {
    core: Core,
    sessions: Sessions,
    drain: DrainState,
}

/// Why receiving from a connection ended by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiveEnd {
    /// The peer sent FIN (over TLS: close_notify or FIN).
    Eof,
    /// A socket error.
    Reset,
    /// TLS: a record that cannot be decrypted or parsed, or a fatal alert.
    TlsFault,
}

/// How far a shutdown is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum DrainState {
    #[default]
    No,
    /// Delivering what was accepted; ticks so far.
    Finishing(u32),
    Closing,
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
        Hub {
            sessions: Sessions::new(&config, capacity),
            drain: DrainState::default(),
            core: Core {
                channels: Channels::new(capacity),
                connections: Connections::new(capacity, config.services.len()),
                links: Links::new(shards),
                delivery: Delivery::new(capacity),
                cx: Context::new(config, shard, shards, seed),
            },
        }
    }

    /// The shard that sequences a channel. The same on every shard of one engine.
    pub fn home_of(channel: &ChannelName, shards: usize) -> ShardId {
        Channels::home_of(channel, shards)
    }

    /// The time of all calls until the next one.
    pub fn begin_iteration(&mut self, now: Now) {
        self.core.cx.now = now;
    }

    // Inputs: connections.

    /// A connection was upgraded. `None` when the table is full: drop the socket.
    /// Over capacity it is admitted only to be closed with 1013.
    pub fn admit(&mut self, admission: Admission) -> Option<ConnectionKey> {
        let core = &mut self.core;
        let key = core.connections.admit(&mut core.cx, &admission)?;
        core.delivery.open(key.index);
        if !admission.response.is_empty() {
            core.cx.reply(key, admission.response);
        }
        if admission.over_capacity {
            self.close(key, CloseReason::MaxConnections);
        } else if core.cx.draining {
            self.close(key, CloseReason::Shutdown);
        } else {
            self.sessions.begin(core, key, admission.token);
            self.settle();
        }
        Some(key)
    }

    /// Bytes were received (plaintext). They are unmasked in place.
    pub fn handle_received(&mut self, key: ConnectionKey, bytes: &mut [u8]) {
        let core = &mut self.core;
        let state = core.connections.get(key).map(|connection| connection.state());
        if !matches!(state, Some(State::Open | State::Closing)) {
            return;
        }
        core.connections.received(&mut core.cx, key, bytes.len());
        let limit = self.sessions.auth().message_limit(core, key);
        // The reader lends out events while the rest of the hub handles them.
        let mut reader = std::mem::take(&mut core.connections[key].reader);
        let mut decoding = reader.decode(bytes, limit);
        let fault = loop {
            match decoding.next() {
                Ok(Some(event)) => self.handle_event(key, &event),
                Ok(None) => break None,
                Err(fault) => break Some(fault),
            }
        };
        self.core.connections[key].reader = reader;
        if let Some(fault) = fault {
            // Nothing behind a fault can be read, so there is no close frame to wait for.
            self.close_seen(key);
            self.close(
                key,
                match fault {
                    FrameError::InvalidUtf8 => CloseReason::InvalidUtf8,
                    FrameError::TooBig(length) => CloseReason::MessageTooBig(length),
                    _ => CloseReason::Protocol(fault.reason()),
                },
            );
        }
    }

    fn handle_event(&mut self, key: ConnectionKey, event: &Event<'_>) {
        let open = self.core.connections.is_open(key);
        let message = match event {
            Event::Close(frame) => {
                self.close_seen(key);
                return self.close(key, CloseReason::Peer(frame.map_or(1000, |(code, _)| code)));
            }
            Event::Ping(payload) if open => {
                let mut pong = Vec::with_capacity(payload.len() + 2);
                frame::encode(Opcode::Pong, payload, &mut pong);
                return self.core.cx.reply(key, pong);
            }
            Event::Text(text) if open => Message::Text(text),
            Event::Binary(bytes) if open => Message::Binary(bytes),
            _ => return,
        };
        self.sessions.handle_message(&mut self.core, key, message);
        self.settle();
    }

    /// The peer ended its side, or the socket failed. A receive is no longer armed. A peer that
    /// ends its side first still gets what it is owed, then our FIN.
    pub fn handle_end(&mut self, key: ConnectionKey, end: ReceiveEnd) {
        let core = &mut self.core;
        let Some(connection) = core.connections.get(key) else { return };
        let (state, close_sent) = (connection.state(), connection.close_sent);
        if state == State::Open {
            let error = match end {
                ReceiveEnd::TlsFault => ConnectionError::Protocol,
                ReceiveEnd::Eof | ReceiveEnd::Reset => ConnectionError::Reset,
            };
            core.connections.count_end(&mut core.cx, key, Close::Lost, Some(error));
        }
        match (end, state) {
            (ReceiveEnd::Eof, State::Closing) if close_sent => self.shut_write(key),
            (ReceiveEnd::Eof, State::Open | State::Closing) => {
                if state == State::Open {
                    // Behind its answers, in the place of a close frame.
                    core.cx.reply_last(key, Vec::new());
                }
                core.connections[key].become_state(State::HalfClosedRemote);
                self.forget(key);
                self.set_timer(key, Timer::FlushDeadline);
            }
            _ => self.end(key),
        }
    }

    /// After `Effect::AwaitWritable`: the socket has room, or is dead and will say so on writing.
    pub fn handle_writable(&mut self, key: ConnectionKey) {
        if self.core.connections.get(key).is_some() {
            self.core.delivery.handle_writable(key);
        }
    }

    /// A connection has sent as much as its TLS keys allow: its client is to reconnect. Returns its
    /// peer, unless it is closed already.
    pub fn handle_worn_keys(&mut self, index: u32) -> Option<SocketAddr> {
        let key = self.core.connections.key(index);
        let connection = self.core.connections.get(key).filter(|connection| connection.is_open());
        let peer = connection.map(|connection| connection.peer());
        self.close(key, CloseReason::Keys);
        peer
    }

    /// The peer has new TLS keys, and nothing more of it can be read. A receive is no longer armed.
    pub fn handle_lost_keys(&mut self, key: ConnectionKey) {
        if self.core.connections.get(key).is_some_and(|c| c.state() == State::HalfClosedLocal) {
            return self.end(key);
        }
        // Its close frame could not be read: there is none to wait for.
        self.close_seen(key);
        self.close(key, CloseReason::Keys);
    }

    /// After `Effect::CancelReceive`: nothing is armed on the slot any more (invariant 12).
    pub fn handle_receive_ended(&mut self, key: ConnectionKey) {
        let core = &mut self.core;
        let state = core.connections.get(key).map(|connection| connection.state());
        if state == Some(State::AwaitingCompletions) {
            core.connections.release(key);
            core.cx.push_effect(Effect::Release(key));
        }
    }

    /// The answer to [`Effect::Authenticate`], which each gets once.
    pub fn handle_authenticated(&mut self, key: ConnectionKey, verdict: Verdict) {
        let backlog = self.sessions.handle_authenticated(&mut self.core, key, verdict);
        self.settle();
        for message in backlog {
            // What was sent before the connection ended is over with it.
            if !self.core.connections.is_open(key) {
                return;
            }
            self.sessions.handle_message(&mut self.core, key, message.borrow());
            self.settle();
        }
    }

    // Inputs: publishers, operators and other shards.

    /// A publication for a channel homed here.
    ///
    /// # Errors
    /// [`PublishError`] when the channel's log takes no more now, or the shard no more channels.
    pub fn publish(&mut self, publication: &Publication) -> Result<Seq, PublishError> {
        self.core.publish(publication)
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
        let core = &mut self.core;
        if core.cx.draining {
            return Err(PublishError::Saturated);
        }
        core.channels.set_document(&mut core.cx, name, document)
    }

    /// Ends connections or subscriptions from slot `from` on. Returns how many, and the slot to go
    /// on from: it looks at a bounded part of the connections at a time.
    pub fn disconnect(&mut self, command: &ClientCommand, from: u32) -> (u64, Option<u32>) {
        let Core { channels, connections, cx, .. } = &self.core;
        let channel = match &command.target {
            Target::Connection(id) => {
                let key = connections.find(cx.shard, id);
                return (key.map_or(0, |key| self.disconnect_one(key, command)), None);
            }
            Target::Channel(name) => match channels.find(name) {
                None => return (0, None),
                found => found,
            },
            Target::User(_) => None,
        };
        let mut count = 0;
        for index in from..self.core.connections.slots() as u32 {
            if index - from == DISCONNECT_LOOKS || count >= DISCONNECTS_AT_ONCE {
                return (count, Some(index));
            }
            let key = self.core.connections.key(index);
            let is_meant = match (&command.target, channel) {
                (_, Some(channel)) => self.core.channels.handed(index, channel).is_some(),
                (Target::User(user), None) => self.sessions.auth().user(key) == Some(user),
                _ => false,
            };
            if is_meant {
                count += self.disconnect_one(key, command);
            }
        }
        (count, None)
    }

    fn disconnect_one(&mut self, key: ConnectionKey, command: &ClientCommand) -> u64 {
        let connection = self.core.connections.get(key);
        let is_meant = connection
            .is_some_and(|c| c.is_open() && c.service() == command.service && !c.is_probe());
        match &command.action {
            _ if !is_meant => 0,
            ClientAction::Disconnect => {
                self.close(key, CloseReason::Expelled);
                1
            }
            ClientAction::Unsubscribe(channel) => {
                self.sessions.unsubscribe(&mut self.core, key, channel.as_ref())
            }
        }
    }

    /// A request from another shard.
    pub fn handle_request(&mut self, from: ShardId, request: Request) {
        let Core { cx, channels, links, .. } = &mut self.core;
        match request {
            Request::Publish { id, publication } => {
                let seq = self.core.publish(&publication);
                self.core.links.answer(from, Notice::Published { id, seq });
            }
            Request::Join { name, channel, token, since } => {
                let answer = channels.handle_join(cx, from, &name, (channel, token), since);
                links.answer(from, answer);
            }
            Request::Recall { id, channel } => {
                links.answer(from, Notice::Recalled { id, status: channels.status(&channel) });
            }
            Request::Leave { name, token } => channels.handle_leave(cx, from, &name, token),
        }
    }

    /// A notice from another shard.
    pub fn handle_notice(&mut self, from: ShardId, notice: Notice) {
        let Core { cx, channels, links, .. } = &mut self.core;
        match notice {
            Notice::Frame { channel, token, frame } => {
                if !channels.handle_frame(cx, channel, token, frame) {
                    links.join(channels, channel);
                }
            }
            Notice::Gap { channel, token, to } => channels.handle_gap(cx, channel, token, to),
            Notice::Joined { channel, token, joined } => {
                links.answered(from);
                let waiting = channels.handle_joined(cx, channel, token, joined);
                self.sessions.resume(&mut self.core, channel, waiting, true);
            }
            Notice::JoinRefused { channel, token } => {
                links.answered(from);
                let waiting = channels.handle_join_refused(channel, token);
                self.sessions.resume(&mut self.core, channel, waiting, false);
            }
            Notice::Recalled { id, status } => {
                links.answered(from);
                self.sessions.handle_recalled(&mut self.core, id, status.as_ref());
            }
            Notice::Published { id, seq } => {
                links.answered(from);
                self.sessions.handle_published(&mut self.core, id, seq);
            }
        }
        self.settle();
    }

    /// Refuses publishes from now on; closes every connection with 1001 once what was accepted
    /// is delivered.
    pub fn begin_drain(&mut self) {
        if self.drain == DrainState::No {
            self.drain = DrainState::Finishing(0);
            self.core.cx.draining = true;
        }
    }

    // Inputs: time.

    /// The clock ticked (`limits::TICK`).
    pub fn handle_tick(&mut self) {
        while let Some((key, timer)) = self.core.cx.timers.next_expired(self.core.cx.now.mono) {
            if self.needs(key, timer) {
                self.handle_timer(key, timer);
            }
        }
        self.sessions.expire_tokens(&mut self.core);
        self.settle();
        self.go_on_draining();
        let core = &mut self.core;
        if core.cx.timers.begin_tick() {
            self.sessions.send_updates(core);
            core.delivery.end_round(&mut core.cx, &core.channels);
        }
        for index in core.cx.timers.part(core.connections.slots()) {
            self.tend_connection(index);
        }
        let core = &mut self.core;
        for slot in core.cx.timers.part(core.channels.slots() as usize) {
            if let Some((home, channel)) = core.channels.tend(&mut core.cx, slot) {
                core.links.ask(home, channel);
            }
        }
    }

    /// Whether a connection still waits for what a timer is set for.
    fn needs(&self, key: ConnectionKey, timer: Timer) -> bool {
        self.core.connections.get(key).is_some_and(|connection| match timer {
            Timer::FirstFrame => connection.is_open() && self.sessions.auth().is_silent(key),
            Timer::Resume => connection.is_paused_for(Pause::Rate),
            Timer::CloseFrame => connection.state() == State::Closing,
            Timer::FlushDeadline => connection.state() == State::HalfClosedRemote,
            Timer::Fin => connection.state() == State::HalfClosedLocal,
        })
    }

    fn handle_timer(&mut self, key: ConnectionKey, timer: Timer) {
        let core = &mut self.core;
        match timer {
            Timer::FirstFrame => {
                self.sessions.first_frame_expired(core, key);
                self.settle();
            }
            Timer::Resume => core.connections.end_pause(&mut core.cx, key),
            Timer::CloseFrame => {
                let service = core.connections[key].service();
                core.cx.recorder.connection_error(service, ConnectionError::Timeout);
                self.half_close(key);
            }
            Timer::FlushDeadline => self.shut_write(key),
            Timer::Fin => self.end(key),
        }
    }

    /// Pings a silent connection, or gives it up; looks after it if it is a laggard.
    fn tend_connection(&mut self, index: u32) {
        let Core { cx, channels, connections, delivery, .. } = &mut self.core;
        if !delivery.tend(cx, channels, connections, index) {
            let key = connections.key(index);
            return self.close(key, CloseReason::SlowConsumer);
        }
        let keepalive = cx.config.keepalive.as_secs().max(1) as u32;
        // Dense tables first: the record of a connection that is not silent is not touched.
        if connections.silence(index, cx.time()) < keepalive {
            return;
        }
        let key = connections.key(index);
        let connection = &connections[key];
        if !connection.is_open() || connection.is_paused() {
            return;
        }
        if connections.ping(index, cx.time()) {
            let mut ping = Vec::new();
            frame::encode(Opcode::Ping, &[], &mut ping);
            cx.reply(key, ping);
        } else {
            self.close(key, CloseReason::KeepaliveTimeout);
        }
    }

    fn go_on_draining(&mut self) {
        let DrainState::Finishing(ticks) = self.drain else { return };
        if ticks < DRAIN_TICKS || self.core.channels.dirty() > 0 {
            self.drain = DrainState::Finishing(ticks + 1);
            return;
        }
        self.drain = DrainState::Closing;
        for index in 0..self.core.connections.slots() as u32 {
            self.close(self.core.connections.key(index), CloseReason::Shutdown);
        }
    }

    // Outputs.

    /// Writes what is due: replies, lanes, sweeps, laggards. Returns whether more is due than one
    /// iteration may do: call again after other work.
    pub fn poll_transmit(&mut self, sink: &mut impl WriteSink, lanes: &mut impl Lanes) -> bool {
        self.core.links.send_answers(lanes);
        self.core.links.send_requests(&mut self.core.channels, lanes);
        self.write(sink, Delivery::write_replies);
        while self.settle() && self.core.cx.has_replies() {
            self.write(sink, Delivery::write_replies);
        }
        let Core { cx, channels, links, .. } = &mut self.core;
        links.fan_out(cx, channels, lanes);
        self.write(sink, Delivery::sweep);
        self.settle();
        self.write(sink, Delivery::serve_laggards);
        self.settle();
        self.write(sink, Delivery::flush);
        self.settle();
        let mut timers = std::mem::take(&mut self.core.cx.timers);
        timers.prune(self.core.connections.len(), |key, timer| self.needs(key, timer));
        self.core.cx.timers = timers;
        let core = &self.core;
        core.channels.dirty() > 0 || core.delivery.has_more() || core.cx.has_replies()
    }

    fn write<S: WriteSink>(
        &mut self,
        sink: &mut S,
        stage: impl FnOnce(&mut Delivery, &mut Work<'_, S>),
    ) {
        let Core { cx, channels, connections, delivery, .. } = &mut self.core;
        stage(delivery, &mut Work { cx, channels, connections, sink });
    }

    /// The next thing for the shell to do.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.core.cx.poll_effect()
    }

    // The ways to a connection's end: close frame → (both seen, or a deadline) → FIN → read until
    // the peer's FIN → cancel receiving → its last completion → index free (invariant 12).

    /// Carries out what components have asked for. Returns whether there was anything.
    fn settle(&mut self) -> bool {
        let mut any = false;
        while let Some((key, ending)) = self.core.cx.next_ending() {
            any = true;
            match ending {
                Ending::Close(reason) => self.close(key, reason),
                Ending::CloseWritten => self.close_written(key),
                Ending::Lost => self.lose(key),
            }
        }
        any
    }

    /// Starts the closing handshake of an open connection: it gets nothing but this close frame any
    /// more, after what is already on its way.
    fn close(&mut self, key: ConnectionKey, reason: CloseReason) {
        if !self.core.connections.is_open(key) {
            return;
        }
        if reason.error().is_some() {
            let report = self.close_report(key, reason);
            self.core.cx.push_effect(Effect::Log(report));
        }
        let core = &mut self.core;
        core.connections.count_end(&mut core.cx, key, reason.counted_as(), reason.error());
        let (code, text) = reason.frame(&core.settings(key).protocol);
        self.forget(key);
        let core = &mut self.core;
        let mut close = Vec::new();
        frame::close(code, text, &mut close);
        core.cx.reply_last(key, close);
        core.connections[key].become_state(State::Closing);
        self.set_timer(key, Timer::CloseFrame);
    }

    /// The peer's close frame was received, or cannot be any more.
    fn close_seen(&mut self, key: ConnectionKey) {
        let Some(connection) = self.core.connections.get_mut(key) else { return };
        connection.close_seen = true;
        if connection.state() == State::Closing && connection.close_sent {
            self.half_close(key);
        }
    }

    /// Our close frame is in the kernel, or what a peer was owed that has ended its side.
    fn close_written(&mut self, key: ConnectionKey) {
        let Some(connection) = self.core.connections.get_mut(key) else { return };
        match connection.state() {
            State::Closing => {
                connection.close_sent = true;
                if connection.close_seen {
                    self.half_close(key);
                }
            }
            State::HalfClosedRemote => self.shut_write(key),
            State::Vacant | State::Open | State::HalfClosedLocal | State::AwaitingCompletions => {}
        }
    }

    /// Both close frames are through, or the deadline is over.
    fn half_close(&mut self, key: ConnectionKey) {
        let core = &mut self.core;
        core.delivery.shut(key.index);
        core.connections[key].become_state(State::HalfClosedLocal);
        core.cx.push_effect(Effect::ShutdownWrite(key));
        core.connections.resume(&mut core.cx, key, Pause::Rate);
        self.set_timer(key, Timer::Fin);
    }

    /// The peer has shut its side and is owed nothing more.
    fn shut_write(&mut self, key: ConnectionKey) {
        self.core.cx.push_effect(Effect::ShutdownWrite(key));
        self.end(key);
    }

    /// A write found the socket dead.
    fn lose(&mut self, key: ConnectionKey) {
        let core = &mut self.core;
        if core.connections.is_open(key) {
            let error = Some(ConnectionError::Reset);
            core.connections.count_end(&mut core.cx, key, Close::Lost, error);
        }
        self.end(key);
    }

    /// Nothing more is read or written.
    fn end(&mut self, key: ConnectionKey) {
        let Some(connection) = self.core.connections.get_mut(key) else { return };
        if connection.state() == State::AwaitingCompletions {
            return;
        }
        connection.become_state(State::AwaitingCompletions);
        self.forget(key);
        self.core.delivery.shut(key.index);
        self.core.cx.push_effect(Effect::CancelReceive(key));
    }

    /// Ends what a connection has beyond its socket, for good.
    fn forget(&mut self, key: ConnectionKey) {
        self.sessions.forget(&mut self.core, key);
        self.core.unsubscribe_all(key);
    }

    fn set_timer(&mut self, key: ConnectionKey, timer: Timer) {
        let at = self.core.cx.time() + CLOSE_TIMEOUT;
        self.core.cx.timers.set(at, key, timer);
    }

    /// What the log says of a close. To be made before anything of the connection is given up.
    fn close_report(&self, key: ConnectionKey, reason: CloseReason) -> CloseReport {
        let Core { cx, channels, connections, delivery, .. } = &self.core;
        let (code, text) = reason.frame(&self.core.settings(key).protocol);
        let exceeded = self.exceeded(key, reason);
        CloseReport {
            connection_id: connections.id(cx.shard, key),
            peer: connections[key].peer(),
            code,
            reason: text,
            exceeded,
            behind: exceeded.and_then(|_| delivery.behind(channels, key.index)),
        }
    }

    fn exceeded(&self, key: ConnectionKey, reason: CloseReason) -> Option<Exceeded> {
        let Core { cx, channels, connections, delivery, .. } = &self.core;
        let auth = self.sessions.auth();
        let (name, limit, value) = match reason {
            CloseReason::SlowConsumer => return delivery.overrun(cx, channels, key.index),
            CloseReason::OutboxFull => {
                ("max_outbox", cx.config.max_outbox as u64, delivery.outbox(key.index))
            }
            CloseReason::LaggardMemory => {
                let held = Some(delivery.laggard_bytes() as u64);
                ("LAGGARD_BYTES_PER_SHARD", LAGGARD_BYTES_PER_SHARD as u64, held)
            }
            CloseReason::MaxConnections => {
                // Every place was taken when it was accepted.
                let limit = self.core.settings(key).max_connections as u64;
                ("max_connections", limit, Some(limit + 1))
            }
            CloseReason::MessageTooBig(length) => {
                let limit = auth.message_limit(&self.core, key) as u64;
                ("max_message_size", limit, Some(length))
            }
            CloseReason::KeepaliveTimeout => {
                // One interval before the PING, and what has passed since.
                let interval = cx.config.keepalive.as_secs();
                let since = connections.silence(key.index, cx.time());
                ("keepalive_interval", interval, Some(interval + u64::from(since)))
            }
            CloseReason::AuthTimeout => {
                // Timers run once a tick, and the client has said nothing of use so far.
                let limit = AUTH_TIMEOUT.as_secs();
                ("AUTH_TIMEOUT", limit, Some(limit))
            }
            CloseReason::AuthBacklog => ("AUTH_BACKLOG", AUTH_BACKLOG as u64, auth.backlog(key)),
            CloseReason::AuthOverload => {
                // Together with its own.
                let limit = per_lane(VERIFICATIONS_PER_SHARD, cx.shards) as u64;
                ("VERIFICATIONS_PER_SHARD", limit, Some(auth.verifying() as u64 + 1))
            }
            CloseReason::Peer(_)
            | CloseReason::Shutdown
            | CloseReason::AuthMissing
            | CloseReason::AuthFailed
            | CloseReason::AuthRequired
            | CloseReason::AuthError
            | CloseReason::TokenExpired
            | CloseReason::Expelled
            | CloseReason::Protocol(_)
            | CloseReason::InvalidUtf8
            | CloseReason::Keys => return None,
        };
        Some(Exceeded { name, limit, value })
    }

    // Questions.

    /// Where counts and times go; the shell records its own there, too.
    pub fn recorder(&mut self) -> &mut Recorder {
        &mut self.core.cx.recorder
    }

    /// Whether publications, requests and notices may be handed in now.
    pub fn wants_input(&self) -> bool {
        self.core.channels.has_capacity(&self.core.cx)
    }

    /// Connections not yet released.
    pub fn connections(&self) -> usize {
        self.core.connections.len()
    }

    /// Whether a connection is not to be received from.
    pub fn is_paused(&self, key: ConnectionKey) -> bool {
        self.core.connections.get(key).is_some_and(|connection| connection.is_paused())
    }

    /// Whether its bytes are counted: then it should be received from a buffer at a time.
    pub fn is_metered(&self, key: ConnectionKey) -> bool {
        self.core.settings(key).access.byte_rate > 0
    }

    /// Messages handled since they were last timed.
    pub fn handled(&self) -> usize {
        self.sessions.handled()
    }

    /// Times the messages handled since the last call: each took the iteration's `ns` nanoseconds,
    /// which its sender waited for all of them.
    pub fn record_handling(&mut self, ns: u64) {
        for (service, kind) in self.sessions.take_handled() {
            self.core.cx.recorder.received(service, kind, ns);
        }
    }

    /// Brings the gauges up to date, before a snapshot is taken.
    pub fn update_gauges(&mut self) {
        let Core { cx, channels, connections, delivery, .. } = &mut self.core;
        for (service, &open) in connections.open().iter().enumerate() {
            cx.recorder.set_open(ServiceId(service as u8), open);
        }
        cx.recorder.set(Gauge::Connections, connections.open().iter().sum());
        cx.recorder.set(Gauge::Channels, channels.len());
        cx.recorder.set(Gauge::Subscriptions, channels.subscriptions());
        cx.recorder.set(Gauge::ConnectionSlots, connections.capacity());
        cx.recorder.set(Gauge::LaggardBytes, delivery.laggard_bytes());
        cx.recorder.set(Gauge::LogBytes, channels.log_bytes());
    }

    /// A service's channels homed here from slot `from` on, at most `limit` and perhaps none, and
    /// the slot to go on from.
    pub fn channels(
        &self,
        service: ServiceId,
        from: u32,
        limit: usize,
    ) -> (Vec<ChannelEntry>, Option<u32>) {
        self.core.channels.page(service, from, limit)
    }

    /// Subscribers on this shard of each named channel.
    pub fn subscribers(&self, names: &[ChannelName]) -> Vec<u64> {
        names.iter().map(|name| self.core.channels.subscribers(name)).collect()
    }

    /// The status document of a channel homed here.
    pub fn document(&self, name: &ChannelName) -> Option<Arc<JsonObject>> {
        self.core.channels.document(name)
    }
}

#[cfg(test)]
mod check;
#[cfg(test)]
mod tests;
