//! The ways to a connection's end, which need all components:
//!
//! close frame → (both seen, or a deadline) → FIN → read until the peer's FIN → cancel receiving →
//! its last completion → index free (invariant 12).

use std::time::Duration;

use super::client_report::{report, skip_report};
use super::connection::{CloseReason, ReceiveEnd, State};
use super::context::Ending;
use super::core::Core;
use super::degradation::Degradation;
use super::effect::Effect;
use super::reconnects::Reconnects;
use super::session::{Sessions, Waiting};
use super::timers::Timer;
use crate::limits::CLOSE_TIMEOUT;
use crate::telemetry::{Close, ConnectionError};
use crate::types::{ConnectionEnd, ConnectionKey, PresenceEnd};
use crate::wire::deflate::Inflater;
use crate::wire::{event_stream, frame};

/// What is reported in the place of a close code (RFC 6455, 7.1.5).
const NO_CLOSE_FRAME: u16 = 1006;
/// The code of a page that is left.
const GOING_AWAY: u16 = 1001;

/// All components of a shard's broker.
pub(super) struct Parts {
    pub(super) core: Core,
    pub(super) sessions: Sessions,
    pub(super) reconnects: Reconnects,
    pub(super) degradation: Degradation,
    /// Of all connections: what they send is inflated message by message.
    pub(super) inflater: Inflater,
}

impl Parts {
    pub(super) fn new(core: Core, sessions: Sessions, reconnects: Reconnects) -> Parts {
        let (degradation, inflater) = (Degradation::default(), Inflater::default());
        Parts { core, sessions, reconnects, degradation, inflater }
    }

    /// Carries out what components have asked for. Returns whether there was anything.
    pub(super) fn settle(&mut self) -> bool {
        let mut any = false;
        while let Some((key, ending)) = self.core.cx.next_ending() {
            any = true;
            match ending {
                Ending::Close(reason) => self.close(key, reason),
                Ending::CloseWritten => self.close_written(key),
                Ending::Lost => self.lose(key),
            }
        }
        while let Some(start) = self.core.delivery.next_skip() {
            if self.core.connections.is_open(start.key) {
                let report = skip_report(&self.core, self.sessions.auth(), start);
                self.core.cx.push_effect(Effect::Log(report.into()));
            }
        }
        any
    }

    /// Starts the closing handshake of an open connection: it gets nothing but this close frame any
    /// more, after what is already on its way.
    pub(super) fn close(&mut self, key: ConnectionKey, reason: CloseReason) {
        if !self.core.connections.is_open(key) {
            return;
        }
        if !reason.is_expected() {
            let report = report(&self.core, self.sessions.auth(), key, reason);
            self.core.cx.push_effect(Effect::Log(report.into()));
        }
        let (code, text) = reason.frame(self.core.settings(key));
        self.note_end(key, reason.counted_as(), code, reason.error());
        let waited = self.forget(key);
        let core = &mut self.core;
        let is_stream = core.connections[key].is_stream();
        let mut close = Vec::new();
        match (is_stream, core.connections.end_opening(key)) {
            (_, Some(opening)) => close = opening.refuse(reason, text),
            (true, None) => event_stream::close(code, text, reason.may_reconnect(), &mut close),
            (false, None) => frame::close(code, text, &mut close),
        }
        core.cx.reply_last(key, close);
        core.connections.begin_close(&mut core.cx, key);
        self.set_timer(key, Timer::Close);
        match waited {
            // Its client answers by ending its side only.
            _ if is_stream => self.close_seen(key),
            Some(Waiting::Close(_)) => self.close_seen(key),
            Some(Waiting::End(end)) => self.end_received(key, end),
            Some(Waiting::Message(_)) | None => {}
        }
    }

    /// An open connection has come to its end: counts it, and reports it where that is wanted.
    fn note_end(
        &mut self,
        key: ConnectionKey,
        why: Close,
        code: u16,
        error: Option<ConnectionError>,
    ) {
        let Core { cx, connections, .. } = &mut self.core;
        connections.count_end(cx, key, why, error);
        let connection = &connections[key];
        if cx.config.ends.is_none() || connection.is_probe() {
            return;
        }
        let open = cx.time().seconds().saturating_sub(connection.since());
        let end = ConnectionEnd {
            service: connection.service(),
            connection_id: connections.id(cx.shard, key),
            peer: connection.peer(),
            user: self.sessions.auth().user(key).map(Into::into),
            certificate: connections.certificate(key.index).map(|shown| shown.name.clone()),
            transport: connection.transport(),
            secure: connection.tls_mode().is_secure(),
            unix_us: cx.now.unix_us,
            open: Duration::from_secs(open.into()),
            code,
            reason: why.label(),
        };
        cx.push_effect(Effect::Report(end.into()));
    }

    /// The peer's close frame was received, or cannot be any more.
    pub(super) fn close_seen(&mut self, key: ConnectionKey) {
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

    /// Both close frames are through.
    fn half_close(&mut self, key: ConnectionKey) {
        let core = &mut self.core;
        core.delivery.shut(key.index);
        core.connections[key].become_state(State::HalfClosedLocal);
        core.cx.push_effect(Effect::ShutdownWrite(key));
    }

    /// The peer has not answered the closing handshake in time.
    pub(super) fn give_up_close(&mut self, key: ConnectionKey) {
        let core = &mut self.core;
        if core.connections[key].state() == State::HalfClosedLocal {
            return self.end(key);
        }
        let service = core.connections[key].service();
        core.cx.recorder.connection_error(service, ConnectionError::Timeout);
        self.shut_write(key);
    }

    /// The peer has shut its side and is owed nothing more.
    pub(super) fn shut_write(&mut self, key: ConnectionKey) {
        self.core.cx.push_effect(Effect::ShutdownWrite(key));
        self.end(key);
    }

    /// A write found the socket dead.
    fn lose(&mut self, key: ConnectionKey) {
        if self.core.connections.is_open(key) {
            self.note_end(key, Close::Lost, NO_CLOSE_FRAME, Some(ConnectionError::Reset));
        }
        self.end(key);
    }

    /// Nothing more is read or written.
    pub(super) fn end(&mut self, key: ConnectionKey) {
        let Some(connection) = self.core.connections.get_mut(key) else { return };
        if connection.state() == State::AwaitingCompletions {
            return;
        }
        connection.become_state(State::AwaitingCompletions);
        self.forget(key);
        self.core.delivery.shut(key.index);
        self.core.cx.push_effect(Effect::CancelReceive(key));
    }

    /// Ends what a connection has beyond its socket, for good. Returns the end of the peer's side,
    /// if that waited for earlier requests.
    fn forget(&mut self, key: ConnectionKey) -> Option<Waiting> {
        let waited = self.sessions.forget(&mut self.core, key);
        self.core.unsubscribe_all(key, PresenceEnd::Ended);
        waited
    }

    fn set_timer(&mut self, key: ConnectionKey, timer: Timer) {
        let at = self.core.cx.time() + CLOSE_TIMEOUT;
        self.core.cx.timers.set(at, key, timer);
    }

    /// The peer ended its side, or the socket failed. A receive is no longer armed. What the peer
    /// sent before is handled first.
    pub(super) fn handle_end(&mut self, key: ConnectionKey, end: ReceiveEnd) {
        self.core.cx.early.touch(key.index);
        if end == ReceiveEnd::Eof && self.is_open_stream(key) {
            // A client that stops reading a stream sends a FIN, and waits for nothing.
            self.note_end(key, Close::PeerGoingAway, GOING_AWAY, None);
            return self.end(key);
        }
        if !self.sessions.defer(&mut self.core, key, Waiting::End(end)) {
            self.end_received(key, end);
        }
    }

    fn is_open_stream(&self, key: ConnectionKey) -> bool {
        let connection = self.core.connections.get(key);
        connection.is_some_and(|connection| connection.is_open() && connection.is_stream())
    }

    /// A peer that ends its side first still gets what it is owed, then our FIN.
    pub(super) fn end_received(&mut self, key: ConnectionKey, end: ReceiveEnd) {
        let Some(connection) = self.core.connections.get(key) else { return };
        let (state, close_sent) = (connection.state(), connection.close_sent);
        if state == State::Open {
            let error = match end {
                ReceiveEnd::TlsFault => ConnectionError::Protocol,
                ReceiveEnd::Eof | ReceiveEnd::Reset => ConnectionError::Reset,
            };
            self.note_end(key, Close::Lost, NO_CLOSE_FRAME, Some(error));
        }
        let core = &mut self.core;
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

    /// The peer has new TLS keys, and nothing more of it can be read. A receive is no longer armed.
    pub(super) fn handle_lost_keys(&mut self, key: ConnectionKey) {
        if self.core.connections.get(key).is_some_and(|c| c.state() == State::HalfClosedLocal) {
            return self.end(key);
        }
        // Its close frame could not be read: there is none to wait for.
        self.close_seen(key);
        self.close(key, CloseReason::Keys);
    }

    /// After `Effect::CancelReceive`: nothing is armed on the slot any more (invariant 12).
    pub(super) fn handle_receive_ended(&mut self, key: ConnectionKey) {
        let core = &mut self.core;
        let state = core.connections.get(key).map(|connection| connection.state());
        if state == Some(State::AwaitingCompletions) {
            core.connections.release(key);
            core.cx.push_effect(Effect::Release(key));
        }
    }
}
