//! Bytes to messages.

use std::time::Duration;

use super::connection::{CloseReason, State};
use super::core::Core;
use super::lifecycle::Parts;
use super::session::{Waiting, too_fast};
use crate::limits::{RECEIVE_BUFFER, REFUSALS_PER_RECEIVE, TURN_MESSAGES};
use crate::telemetry::{Count, MessageError};
use crate::types::ConnectionKey;
use crate::wire::Message;
use crate::wire::frame::{self, Event, FrameError, Inflated, Opcode};

impl Parts {
    /// Bytes were received (plaintext). They are unmasked in place.
    pub(super) fn handle_received(&mut self, key: ConnectionKey, bytes: &mut [u8]) {
        let core = &mut self.core;
        let Some(state) = core.connections.get(key).map(|connection| connection.state()) else {
            return;
        };
        if matches!(state, State::HalfClosedRemote | State::AwaitingCompletions) {
            return;
        }
        core.cx.early.touch(key.index);
        core.cx.further_work += bytes.len() / RECEIVE_BUFFER;
        if !core.connections.received(&mut core.cx, key, bytes.len()) {
            return self.end(key);
        }
        if state == State::HalfClosedLocal {
            return;
        }
        if core.connections[key].is_stream() {
            // Behind the request nothing is read: it is no request of its own, nor a message.
            return self.close(key, CloseReason::Protocol("Bytes behind the request of a stream"));
        }
        let limit = self.sessions.auth().message_limit(core, key);
        // The reader lends out events while the rest of the hub handles them.
        let mut reader = core.connections[key].reader.take();
        let mut inflater = std::mem::take(&mut self.inflater);
        let mut decoding = reader.decode(bytes, limit, &mut inflater);
        let mut unanswered = None;
        let (mut over, mut dropped) = (0, 0);
        let fault = loop {
            match decoding.next() {
                Ok(Some(Event::Ping(payload))) => match self.charge(key, 1) {
                    None => self.pong(key, payload),
                    Some(_) => unanswered = Some(payload.to_vec()),
                },
                Ok(Some(event @ (Event::Text(_) | Event::Binary(_)))) => {
                    if over == REFUSALS_PER_RECEIVE {
                        dropped += 1;
                        continue;
                    }
                    self.handle_event(key, &event);
                    over += u32::from(self.core.connections.is_over_rate(&self.core.cx, key));
                }
                Ok(Some(event)) => self.handle_event(key, &event),
                Ok(None) => break None,
                Err(fault) => break Some(fault),
            }
        };
        let (small_frames, inflated) = (decoding.small_frames(), decoding.inflated());
        inflater.trim();
        self.inflater = inflater;
        let core = &mut self.core;
        if let Some(largest) = core.connections.keep_reader(&core.cx, key, reader) {
            self.give_up_message(largest);
        }
        if let Some(payload) = unanswered {
            self.pong(key, &payload);
        }
        self.charge_inflated(key, inflated);
        self.count_dropped(key, dropped);
        self.charge_and_tell(key, small_frames + dropped);
        if let Some(fault) = fault {
            // Nothing behind a fault can be read, so there is no close frame to wait for.
            self.close_seen(key);
            self.close(
                key,
                match fault {
                    FrameError::InvalidUtf8 => CloseReason::InvalidUtf8,
                    FrameError::Corrupt => CloseReason::NotInflated,
                    FrameError::TooBig(length) => CloseReason::MessageTooBig(length),
                    _ => CloseReason::Protocol(fault.reason()),
                },
            );
        }
    }

    /// The peer's close frame.
    pub(super) fn handle_close(&mut self, key: ConnectionKey, code: u16) {
        self.close_seen(key);
        self.close(key, CloseReason::Peer(code));
    }

    /// Handles what clients sent behind requests that are over by now.
    pub(super) fn handle_waiting(&mut self) {
        for _ in 0..TURN_MESSAGES {
            let Some((key, waiting)) = self.sessions.next_waiting(&mut self.core) else { return };
            match waiting {
                Waiting::Message(message) => {
                    self.sessions.handle_waiting(&mut self.core, key, message);
                }
                Waiting::Close(code) => self.handle_close(key, code),
                Waiting::End(end) => self.end_received(key, end),
            }
            self.settle();
        }
    }

    /// All unfinished messages hold too much, or one has had its time.
    pub(super) fn give_up_message(&mut self, key: ConnectionKey) {
        self.close(key, CloseReason::MessageTimeout);
        self.core.connections.stop_reading(key);
        self.close_seen(key);
    }

    /// Messages over the rate that get no answer of their own.
    fn count_dropped(&mut self, key: ConnectionKey, messages: u32) {
        let Core { cx, connections, .. } = &mut self.core;
        let Some(connection) = connections.get(key) else { return };
        for _ in 0..messages {
            cx.recorder.message_error(connection.service(), MessageError::RateLimited);
        }
    }

    /// Takes what compressed messages are beyond what was received out of the rate of bytes, and
    /// counts it as work of this iteration.
    fn charge_inflated(&mut self, key: ConnectionKey, inflated: Inflated) {
        if inflated.input == 0 {
            return;
        }
        let Core { cx, connections, .. } = &mut self.core;
        cx.recorder.count(Count::InflateInputBytes, inflated.input as u64);
        cx.recorder.count(Count::InflateOutputBytes, inflated.output as u64);
        let further = inflated.output.saturating_sub(inflated.input);
        cx.further_work += further / RECEIVE_BUFFER;
        if connections.is_open(key) {
            connections.charge_bytes(cx, key, further);
        }
    }

    /// Takes frames that cost their number, and messages that were dropped, out of the rate. Over
    /// it, does not receive from the client until they are paid for. A client with a message rate
    /// is notified once; to one without, its service may not speak.
    pub(super) fn charge_and_tell(&mut self, key: ConnectionKey, frames: u32) {
        self.core.cx.early.touch(key.index);
        let Some(wait_ms) = self.charge(key, frames) else { return };
        match self.core.settings(key).message_rate {
            0 => self.core.pause_for(key, Duration::from_millis(wait_ms.into())),
            _ => too_fast(&mut self.core, key, wait_ms, None),
        }
    }

    /// Counts frames as messages. Over the rate, says for how many milliseconds there should be no
    /// more: then only the last of several PINGs is answered (RFC 6455 5.5.3).
    fn charge(&mut self, key: ConnectionKey, frames: u32) -> Option<u32> {
        let core = &mut self.core;
        core.cx.further_work += frames as usize;
        if !core.connections.is_open(key) {
            return None;
        }
        core.connections.charge_frames(&core.cx, key, frames)
    }

    fn pong(&mut self, key: ConnectionKey, payload: &[u8]) {
        let connections = &self.core.connections;
        if connections.is_open(key) {
            self.core.cx.reply(key, frame::encoded(Opcode::Pong, payload));
        }
    }

    fn handle_event(&mut self, key: ConnectionKey, event: &Event<'_>) {
        let open = self.core.connections.is_open(key);
        let message = match event {
            Event::Close(frame) => {
                let code = frame.map_or(1000, |(code, _)| code);
                if !self.sessions.defer(&mut self.core, key, Waiting::Close(code)) {
                    self.handle_close(key, code);
                }
                return;
            }
            Event::Text(text) if open => Message::Text(text),
            Event::Binary(bytes) if open => Message::Binary(bytes),
            _ => return,
        };
        self.sessions.handle_message(&mut self.core, key, message);
        self.settle();
    }
}
