//! The outbound envelope: docs/PROTOCOL.md sections 1, 4 and 5, ready for the socket.

use serde::Serialize;
use uuid::Uuid;

use super::frame::{self, MAX_SERVER_HEADER, Opcode};

use crate::types::{ChannelName, ErrorCode, MessageKey, MessageType, Publication, Seq};

/// What is fresh in every envelope; randomness and clock are the caller's (invariant 8).
#[derive(Clone, Copy, Debug)]
pub struct Stamp {
    /// Random bits, from which [`uuid_of`] makes the `id`.
    pub id: [u8; 16],
    /// Microseconds since 1970-01-01 UTC, for the `timestamp`.
    pub unix_us: i64,
}

/// The version 4 UUID with these free bits.
pub fn uuid_of(bits: [u8; 16]) -> Uuid {
    uuid::Builder::from_random_bytes(bits).into_uuid()
}

/// Makes envelopes as unmasked WebSocket text frames. Keeps its scratch memory and the last
/// formatted second; nothing else.
#[derive(Debug, Default)]
pub struct Encoder {
    clock: TimestampCache,
    scratch: Vec<u8>,
}

/// A message of the server without its stamp and correlation.
#[derive(Clone, Copy, Debug)]
pub struct Outbound<'a, D> {
    /// The `type`.
    pub kind: MessageType,
    /// The `event`.
    pub event: Option<&'a str>,
    /// The `room`.
    pub room: Option<&'a ChannelName>,
    /// The `error_code` and the `error_message`.
    pub error: Option<(ErrorCode, &'a str)>,
    /// The `data`.
    pub data: D,
}

/// Where a broadcast stands in its channel.
#[derive(Clone, Copy, Debug)]
struct Place<'a> {
    seq: Seq,
    prev: Option<Seq>,
    key: Option<&'a MessageKey>,
}

impl<'a, D> Outbound<'a, D> {
    /// A message that has no more than its kind and data.
    pub fn new(kind: MessageType, data: D) -> Self {
        Outbound { kind, event: None, room: None, error: None, data }
    }

    /// A reply to a request.
    pub fn response(event: &'a str, data: D) -> Self {
        Outbound { event: Some(event), ..Outbound::new(MessageType::Response, data) }
    }

    /// A refusal. The message must not repeat what the client sent, except names that were bounded.
    pub fn error(code: ErrorCode, message: &'a str, data: D) -> Self {
        Outbound { error: Some((code, message)), ..Outbound::new(MessageType::Error, data) }
    }

    /// An event, for one client (such as the welcome or a gap) or for all subscribers.
    pub fn event(event: &'a str, room: Option<&'a ChannelName>, data: D) -> Self {
        Outbound { event: Some(event), room, ..Outbound::new(MessageType::Event, data) }
    }
}

impl Encoder {
    /// A broadcast, encoded once for all its readers (invariant 4). `prev`: the position before it,
    /// where that is not its neighbour.
    pub fn broadcast(
        &mut self,
        stamp: Stamp,
        publication: &Publication,
        seq: Seq,
        prev: Option<Seq>,
    ) -> Box<[u8]> {
        let Publication { channel, event, data, key } = publication;
        let (message, data) = (Outbound::event(event.as_str(), Some(channel), ()), data.as_str());
        self.scratch.clear();
        self.before_data(stamp, None, &message);
        let split = self.scratch.len();
        self.after_data(stamp, &message, Some(Place { seq, prev, key: key.as_ref() }));
        let len = self.scratch.len() + data.len();
        let mut out = Vec::with_capacity(MAX_SERVER_HEADER + len);
        frame::header(Opcode::Text, len, &mut out);
        out.extend_from_slice(&self.scratch[..split]);
        out.extend_from_slice(data.as_bytes());
        out.extend_from_slice(&self.scratch[split..]);
        out.into_boxed_slice()
    }

    /// Appends a message for one client. `correlation`: the correlation id of the request that it
    /// answers.
    pub fn write(
        &mut self,
        stamp: Stamp,
        correlation: Option<&str>,
        message: &Outbound<'_, impl Serialize>,
        out: &mut Vec<u8>,
    ) {
        self.scratch.clear();
        self.before_data(stamp, correlation, message);
        json(&message.data, &mut self.scratch);
        self.after_data(stamp, message, None);
        frame::encode(Opcode::Text, &self.scratch, out);
    }

    /// A timestamp as in envelopes.
    pub(crate) fn timestamp(&mut self, unix_us: i64) -> String {
        let mut out = Vec::new();
        self.clock.write(unix_us, &mut out);
        String::from_utf8(out).unwrap_or_default()
    }

    fn before_data<D>(
        &mut self,
        stamp: Stamp,
        correlation: Option<&str>,
        message: &Outbound<'_, D>,
    ) {
        let out = &mut self.scratch;
        out.extend_from_slice(b"{\"id\":\"");
        let mut text = Uuid::encode_buffer();
        out.extend_from_slice(uuid_of(stamp.id).as_hyphenated().encode_lower(&mut text).as_bytes());
        out.extend_from_slice(b"\",\"correlation_id\":");
        json(&correlation, out);
        out.extend_from_slice(b",\"type\":\"");
        out.extend_from_slice(message.kind.label().as_bytes());
        out.extend_from_slice(b"\",\"event\":");
        json(&message.event, out);
        out.extend_from_slice(b",\"data\":");
    }

    fn after_data<D>(&mut self, stamp: Stamp, message: &Outbound<'_, D>, place: Option<Place<'_>>) {
        let out = &mut self.scratch;
        out.extend_from_slice(b",\"timestamp\":\"");
        self.clock.write(stamp.unix_us, out);
        out.extend_from_slice(b"\",\"room\":");
        json(&message.room.map(ChannelName::as_str), out);
        out.extend_from_slice(b",\"error_code\":");
        json(&message.error.map(|(code, _)| code), out);
        out.extend_from_slice(b",\"error_message\":");
        json(&message.error.map(|(_, message)| message), out);
        if let Some(Place { seq, prev, key }) = place {
            out.extend_from_slice(b",\"seq\":");
            json(&seq.0, out);
            if let Some(prev) = prev {
                out.extend_from_slice(b",\"prev\":");
                json(&prev.0, out);
            }
            if let Some(key) = key {
                out.extend_from_slice(b",\"key\":");
                json(&key.as_str(), out);
            }
        }
        out.push(b'}');
    }
}

/// `data` with nothing in it.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Empty {}

fn json(value: &impl Serialize, out: &mut Vec<u8>) {
    serde_json::to_writer(out, value).expect("our documents are JSON and a Vec takes every byte");
}

/// Writes UTC timestamps; formats a second only once.
#[derive(Debug)]
struct TimestampCache {
    second: i64,
    text: String,
}

impl Default for TimestampCache {
    fn default() -> Self {
        TimestampCache { second: 0, text: "1970-01-01T00:00:00".into() }
    }
}

impl TimestampCache {
    /// Appends `YYYY-MM-DDTHH:MM:SS.ffffff+00:00`.
    fn write(&mut self, unix_us: i64, out: &mut Vec<u8>) {
        let second = unix_us.div_euclid(1_000_000);
        if second != self.second {
            // A clock beyond the years that can be written becomes the epoch rather than a failure.
            let at = jiff::Timestamp::from_second(second).unwrap_or_default();
            self.text = at.strftime("%Y-%m-%dT%H:%M:%S").to_string();
            self.second = second;
        }
        out.extend_from_slice(self.text.as_bytes());
        let mut micros = unix_us.rem_euclid(1_000_000) as u32;
        let mut fraction = *b".000000+00:00";
        for digit in fraction[1..7].iter_mut().rev() {
            *digit += (micros % 10) as u8;
            micros /= 10;
        }
        out.extend_from_slice(&fraction);
    }
}

#[cfg(test)]
mod tests;
