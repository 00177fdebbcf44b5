//! Bytes to messages.

use super::connection::{CloseReason, State};
use super::lifecycle::Parts;
use crate::types::ConnectionKey;
use crate::wire::Message;
use crate::wire::frame::{self, Event, FrameError, Opcode};

impl Parts {
    /// Bytes were received (plaintext). They are unmasked in place.
    pub(super) fn handle_received(&mut self, key: ConnectionKey, bytes: &mut [u8]) {
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
}
