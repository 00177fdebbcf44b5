//! A connection's life: admission, bytes in, closing handshake, release.
//!
//! close frame → (both seen, or a deadline) → FIN → read until the peer's FIN → cancel receiving →
//! its final completion → slot cleared, index free (invariant 12).
//!
//! A peer that ends its side first still gets what it is owed, then our FIN.

use std::net::SocketAddr;

use super::clock::Due;
use super::close::{CloseReason, Phase};
use super::connection::{Flags, NO_OPERATION};
use super::effect::Effect;
use super::hub::Hub;
use super::rate::{Bucket, ByteBucket};
use crate::limits::{CLOSE_TIMEOUT, DRAIN_TICKS};
use crate::telemetry::{Close, ConnectionError};
use crate::types::{ConnectionKey, Now, ServiceId, Time};
use crate::wire::frame::{self, Event, FrameError};
use crate::wire::{Message, Secret};

/// How an HTTP upgrade ended, as the hub is told by [`Hub::admit`].
#[derive(Clone, Debug)]
pub struct Admission {
    /// Whose listener it came by.
    pub service: ServiceId,
    /// The other end.
    pub peer: SocketAddr,
    /// Whether TLS is on.
    pub secure: bool,
    /// The server is full: close with 1013 right away.
    pub over_capacity: bool,
    /// What the upgrade carried.
    pub token: Option<Secret>,
    /// It is no client, but the engine's own.
    pub probe: bool,
    /// What is written before anything else: the response to the upgrade request, in one write
    /// with the welcome.
    pub response: Vec<u8>,
}

#[cfg(test)]
impl Admission {
    /// A client's, without TLS and without a token.
    pub(crate) fn plain(peer: SocketAddr) -> Admission {
        Admission {
            service: ServiceId(0),
            peer,
            secure: false,
            over_capacity: false,
            token: None,
            probe: false,
            response: Vec::new(),
        }
    }
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
pub(super) enum DrainState {
    #[default]
    No,
    /// Delivering what was accepted; ticks so far.
    Finishing(u32),
    Closing,
}

impl Hub {
    /// A connection was upgraded. `None` when the table is full: drop the socket.
    /// Over capacity it is admitted only to be closed with 1013.
    pub fn admit(&mut self, now: Now, admission: Admission) -> Option<ConnectionKey> {
        let Admission { service, peer, secure, over_capacity, token, probe, response } = admission;
        let Some(key) = self.connections.admit() else {
            self.recorder.connection_error(service, ConnectionError::Descriptors);
            return None;
        };
        let nonce = self.rng.u64(..);
        let connection = &mut self.connections[key.index];
        connection.service = service;
        connection.set_peer(peer);
        connection.nonce = nonce;
        connection.flags = Flags { probe, secure, ..Flags::default() };
        connection.operation = NO_OPERATION;
        connection.rate = Bucket::full(self.config[service].message_rate, now.mono);
        let byte_rate = self.config[service].access.byte_rate;
        connection.bytes = ByteBucket::full(byte_rate, now.mono);
        self.gate.open(key.index);
        if key.index as usize >= self.last_rx.len() {
            self.last_rx.resize(key.index as usize + 1, 0);
        }
        self.last_rx[key.index as usize] = now.mono.seconds();
        if !probe {
            self.recorder.connected(service);
            self.open[service.index()] += 1;
        }
        if !response.is_empty() {
            self.reply(key, response, false);
        }
        if over_capacity {
            self.close(now.mono, key, CloseReason::MaxConnections);
        } else if self.drain != DrainState::No {
            self.close(now.mono, key, CloseReason::Shutdown);
        } else {
            self.begin_session(now, key, token);
        }
        Some(key)
    }

    /// Bytes arrived (plaintext). They are unmasked in place.
    pub fn handle_received(&mut self, now: Now, key: ConnectionKey, bytes: &mut [u8]) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        if !matches!(connection.phase, Phase::Open | Phase::Closing) {
            return;
        }
        self.last_rx[key.index as usize] = now.mono.seconds();
        connection.flags.pinged = false;
        self.limit_bytes(now.mono, key, bytes.len());
        let limit = self.message_limit(key);
        let connection = &mut self.connections[key.index];
        // The reader lends out events while the rest of the hub handles them.
        let mut reader = std::mem::take(&mut connection.reader);
        let mut decoding = reader.decode(bytes, limit);
        let fault = loop {
            match decoding.next() {
                Ok(Some(event)) => self.handle_event(now, key, &event),
                Ok(None) => break None,
                Err(fault) => break Some(fault),
            }
        };
        self.connections[key.index].reader = reader;
        if let Some(fault) = fault {
            let reason = match fault {
                FrameError::InvalidUtf8 => CloseReason::InvalidUtf8,
                FrameError::TooBig(length) => CloseReason::MessageTooBig(length),
                _ => CloseReason::Protocol(fault.reason()),
            };
            // Nothing behind a fault can be read, so there is no close frame to wait for.
            self.connections[key.index].flags.close_seen = true;
            if self.connections[key.index].flags.close_sent {
                self.half_close(now.mono, key);
            }
            self.close(now.mono, key, reason);
        }
    }

    fn handle_event(&mut self, now: Now, key: ConnectionKey, event: &Event<'_>) {
        let phase = self.connections[key.index].phase;
        match event {
            Event::Close(frame) => {
                let connection = &mut self.connections[key.index];
                connection.flags.close_seen = true;
                if phase == Phase::Open {
                    let code = frame.map_or(1000, |(code, _)| code);
                    self.close(now.mono, key, CloseReason::Peer(code));
                } else if connection.flags.close_sent {
                    self.half_close(now.mono, key);
                }
            }
            _ if phase != Phase::Open => {}
            Event::Ping(payload) => {
                let mut pong = Vec::with_capacity(payload.len() + 2);
                frame::encode(frame::Opcode::Pong, payload, &mut pong);
                self.reply(key, pong, false);
            }
            Event::Pong(_) => {}
            Event::Text(text) => self.handle_message(now, key, Message::Text(text)),
            Event::Binary(bytes) => self.handle_message(now, key, Message::Binary(bytes)),
        }
    }

    /// The peer ended its side, or the socket failed. A receive is no longer armed.
    pub fn handle_end(&mut self, now: Now, key: ConnectionKey, end: ReceiveEnd) {
        let Some(connection) = self.connections.get(key) else { return };
        let (phase, close_sent) = (connection.phase, connection.flags.close_sent);
        if phase == Phase::Open {
            let error = match end {
                ReceiveEnd::TlsFault => ConnectionError::Protocol,
                ReceiveEnd::Eof | ReceiveEnd::Reset => ConnectionError::Reset,
            };
            self.count_end(key, Close::Lost, Some(error));
        }
        match (end, phase) {
            (ReceiveEnd::Eof, Phase::Closing) if close_sent => self.part(key),
            (ReceiveEnd::Eof, Phase::Open | Phase::Closing) => {
                self.leave_all(now.mono, key);
                if phase == Phase::Open {
                    // Behind its answers, in the place of a close frame.
                    self.reply(key, Vec::new(), true);
                }
                self.connections[key.index].become_phase(Phase::Parting);
                self.forget_identity(key);
                self.due(now.mono + CLOSE_TIMEOUT, key, Due::Part);
            }
            _ => self.end(key),
        }
    }

    /// The peer has shut its side and is owed nothing more.
    pub(super) fn part(&mut self, key: ConnectionKey) {
        self.effects.push_back(Effect::ShutdownWrite(key));
        self.end(key);
    }

    /// A connection has sent as much as its TLS keys allow: it is to come back with new ones.
    pub fn handle_worn_keys(&mut self, now: Now, index: u32) {
        let key = self.connections.key(index);
        if self.connections.get(key).is_some_and(|c| c.phase == Phase::Open) {
            tracing::info!(peer = %self.connections[index].peer(), "TLS keys are used up");
        }
        self.close(now.mono, key, CloseReason::Keys);
    }

    /// The peer has new TLS keys, and nothing more of it can be read. A receive is no longer armed.
    pub fn handle_lost_keys(&mut self, now: Now, key: ConnectionKey) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        // Its close frame could not be read: there is none to wait for.
        connection.flags.close_seen = true;
        match connection.phase {
            Phase::Open => self.close(now.mono, key, CloseReason::Keys),
            Phase::Closing if connection.flags.close_sent => self.half_close(now.mono, key),
            Phase::Closing | Phase::Parting | Phase::Vacant | Phase::Ending => {}
            Phase::HalfClosed => self.end(key),
        }
    }

    /// After `Effect::CancelReceive`: nothing is armed on the slot any more (invariant 12).
    pub fn handle_receive_ended(&mut self, _now: Now, key: ConnectionKey) {
        if let Some(connection) = self.connections.get(key)
            && connection.phase == Phase::Ending
        {
            if !connection.flags.probe {
                self.open[connection.service.index()] -= 1;
            }
            self.connections.release(key.index);
            self.effects.push_back(Effect::Release(key));
        }
    }

    /// Starts the closing handshake: the connection gets nothing but this close frame any more,
    /// after what is already on its way.
    pub(super) fn close(&mut self, now: Time, key: ConnectionKey, reason: CloseReason) {
        let Some(connection) = self.connections.get(key) else { return };
        if connection.phase != Phase::Open {
            return;
        }
        self.count_end(key, reason.counted_as(), reason.error());
        if reason.error().is_some() {
            self.log_close(now, key, reason);
        }
        self.leave_all(now, key);
        self.forget_identity(key);
        let (code, text) = reason.frame(self.service(key).protocol);
        let mut close = Vec::new();
        frame::close(code, text, &mut close);
        self.reply(key, close, true);
        self.connections[key.index].become_phase(Phase::Closing);
        self.due(now + CLOSE_TIMEOUT, key, Due::Close);
    }

    /// Counts the end of a client's connection.
    fn count_end(&mut self, key: ConnectionKey, why: Close, error: Option<ConnectionError>) {
        let connection = &self.connections[key.index];
        if connection.flags.probe {
            return;
        }
        self.recorder.closed(why);
        if let Some(error) = error {
            self.recorder.connection_error(connection.service, error);
        }
    }

    /// Our close frame is in the kernel.
    pub(super) fn close_written(&mut self, now: Time, key: ConnectionKey) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        match connection.phase {
            Phase::Closing => {
                connection.flags.close_sent = true;
                if connection.flags.close_seen {
                    self.half_close(now, key);
                }
            }
            Phase::Parting => self.part(key),
            _ => {}
        }
    }

    /// Both close frames are through, or the deadline is over.
    pub(super) fn half_close(&mut self, now: Time, key: ConnectionKey) {
        self.drop_laggard(key);
        self.gate.shut(key.index);
        self.connections[key.index].become_phase(Phase::HalfClosed);
        self.effects.push_back(Effect::ShutdownWrite(key));
        self.change_hold(key, |connection| connection.flags.paused = false);
        self.due(now + CLOSE_TIMEOUT, key, Due::Fin);
    }

    /// A write found the socket dead.
    pub(super) fn lose(&mut self, _now: Time, key: ConnectionKey) {
        let Some(connection) = self.connections.get(key) else { return };
        if connection.phase == Phase::Open {
            self.count_end(key, Close::Lost, Some(ConnectionError::Reset));
        }
        self.end(key);
    }

    /// Nothing more is read or written.
    pub(super) fn end(&mut self, key: ConnectionKey) {
        let Some(connection) = self.connections.get(key) else { return };
        if connection.phase == Phase::Ending {
            return;
        }
        self.connections[key.index].become_phase(Phase::Ending);
        self.leave_all(self.clock.now, key);
        self.forget_identity(key);
        self.drop_laggard(key);
        self.gate.shut(key.index);
        self.effects.push_back(Effect::CancelReceive(key));
    }

    /// Refuses publishes from now on; closes every connection with 1001 once what was accepted
    /// is delivered.
    pub fn begin_drain(&mut self, _now: Now) {
        if self.drain == DrainState::No {
            self.drain = DrainState::Finishing(0);
        }
    }

    /// A drain goes on with the clock.
    pub(super) fn go_on_draining(&mut self, now: Now) {
        let DrainState::Finishing(ticks) = self.drain else { return };
        if ticks < DRAIN_TICKS || !self.dirty.is_empty() {
            self.drain = DrainState::Finishing(ticks + 1);
            return;
        }
        self.drain = DrainState::Closing;
        for index in 0..self.connections.slots() as u32 {
            let key = self.connections.key(index);
            self.close(now.mono, key, CloseReason::Shutdown);
        }
    }
}
