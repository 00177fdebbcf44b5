//! The outbound envelope: docs/PROTOCOL.md sections 1, 4 and 5, ready for the socket.

use serde::Serialize;
use uuid::Uuid;

use super::frame::{self, MAX_SERVER_HEADER, Opcode};

use crate::types::{ChannelName, ErrorCode, MessageType, Publication, Seq};

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

/// The fields that differ between kinds of envelopes.
struct Fields<'a> {
    correlation: Option<&'a str>,
    kind: MessageType,
    event: Option<&'a str>,
    room: Option<&'a str>,
    error: Option<(ErrorCode, &'a str)>,
    seq: Option<Seq>,
}

impl Fields<'_> {
    /// Of an envelope that has no more than its kind.
    fn of(kind: MessageType) -> Self {
        Fields { correlation: None, kind, event: None, room: None, error: None, seq: None }
    }
}

impl Encoder {
    /// A broadcast, encoded once for all its readers (invariant 4).
    pub fn broadcast(&mut self, stamp: Stamp, publication: &Publication, seq: Seq) -> Box<[u8]> {
        let fields = Fields {
            event: Some(publication.event.as_str()),
            room: Some(publication.channel.as_str()),
            seq: Some(seq),
            ..Fields::of(MessageType::Event)
        };
        let data = publication.data.as_str().as_bytes();
        self.scratch.clear();
        self.before_data(stamp, &fields);
        let split = self.scratch.len();
        self.after_data(stamp, &fields);
        let len = self.scratch.len() + data.len();
        let mut out = Vec::with_capacity(MAX_SERVER_HEADER + len);
        frame::header(Opcode::Text, len, &mut out);
        out.extend_from_slice(&self.scratch[..split]);
        out.extend_from_slice(data);
        out.extend_from_slice(&self.scratch[split..]);
        out.into_boxed_slice()
    }

    /// Appends a reply to a request.
    pub fn response(
        &mut self,
        stamp: Stamp,
        correlation: Option<&str>,
        event: &str,
        data: &impl Serialize,
        out: &mut Vec<u8>,
    ) {
        let event = Some(event);
        let fields = Fields { correlation, event, ..Fields::of(MessageType::Response) };
        self.frame(stamp, &fields, data, out);
    }

    /// Appends a refusal. The message must not repeat what the client sent, except names that
    /// were bounded.
    pub fn error(
        &mut self,
        stamp: Stamp,
        correlation: Option<&str>,
        code: ErrorCode,
        message: &str,
        data: &impl Serialize,
        out: &mut Vec<u8>,
    ) {
        let error = Some((code, message));
        let fields = Fields { correlation, error, ..Fields::of(MessageType::Error) };
        self.frame(stamp, &fields, data, out);
    }

    /// Appends the answer to a ping.
    pub fn pong(&mut self, stamp: Stamp, correlation: Option<&str>, out: &mut Vec<u8>) {
        let fields = Fields { correlation, ..Fields::of(MessageType::Pong) };
        self.frame(stamp, &fields, &Empty {}, out);
    }

    /// Appends an event for one client, such as the welcome or a gap.
    pub fn event(
        &mut self,
        stamp: Stamp,
        event: &str,
        room: Option<&ChannelName>,
        data: &impl Serialize,
        out: &mut Vec<u8>,
    ) {
        let (event, room) = (Some(event), room.map(ChannelName::as_str));
        let fields = Fields { event, room, ..Fields::of(MessageType::Event) };
        self.frame(stamp, &fields, data, out);
    }

    fn frame(
        &mut self,
        stamp: Stamp,
        fields: &Fields<'_>,
        data: &impl Serialize,
        out: &mut Vec<u8>,
    ) {
        self.scratch.clear();
        self.before_data(stamp, fields);
        json(data, &mut self.scratch);
        self.after_data(stamp, fields);
        frame::encode(Opcode::Text, &self.scratch, out);
    }

    /// A timestamp as in envelopes.
    pub(crate) fn timestamp(&mut self, unix_us: i64) -> String {
        let mut out = Vec::new();
        self.clock.write(unix_us, &mut out);
        String::from_utf8(out).unwrap_or_default()
    }

    fn before_data(&mut self, stamp: Stamp, fields: &Fields<'_>) {
        let out = &mut self.scratch;
        out.extend_from_slice(b"{\"id\":\"");
        let mut text = Uuid::encode_buffer();
        out.extend_from_slice(uuid_of(stamp.id).as_hyphenated().encode_lower(&mut text).as_bytes());
        out.extend_from_slice(b"\",\"correlation_id\":");
        json(&fields.correlation, out);
        out.extend_from_slice(b",\"type\":\"");
        out.extend_from_slice(fields.kind.label().as_bytes());
        out.extend_from_slice(b"\",\"event\":");
        json(&fields.event, out);
        out.extend_from_slice(b",\"data\":");
    }

    fn after_data(&mut self, stamp: Stamp, fields: &Fields<'_>) {
        let out = &mut self.scratch;
        out.extend_from_slice(b",\"timestamp\":\"");
        self.clock.write(stamp.unix_us, out);
        out.extend_from_slice(b"\",\"room\":");
        json(&fields.room, out);
        out.extend_from_slice(b",\"error_code\":");
        json(&fields.error.map(|(code, _)| code), out);
        out.extend_from_slice(b",\"error_message\":");
        json(&fields.error.map(|(_, message)| message), out);
        if let Some(seq) = fields.seq {
            out.extend_from_slice(b",\"seq\":");
            json(&seq.0, out);
        }
        out.push(b'}');
    }
}

/// `data` with nothing in it.
#[derive(Debug, Serialize)]
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
