//! Server-Sent Events: the body of `GET /v1/sse`, each event a chunk of HTTP/1.1. An event's `data`
//! is the envelope that WebSocket clients get, as one line; its `id` says what the client has.
//!
//! | file | type |
//! |---|---|
//! | this one | events |
//! | `stream_request` | what a client asks for, and the `id` that it sends back |
//! | `response` | the head of a stream, and refusals |

mod response;
mod stream_request;

use memchr::memchr2;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

use super::frame::payload;
use crate::types::{ChannelName, Epoch, Seq};
pub use response::{Refusal, head, preflight};
pub use stream_request::{StreamFault, StreamRequest};

/// What a name keeps in an `id`: the other characters are those that separate, or that a header
/// may not have.
const IN_ID: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b':')
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'/')
    .remove(b'@')
    .remove(b'*');

/// A comment, which keeps the connection alive.
pub const KEEPALIVE: &[u8] = b"3\r\n:\n\n\r\n";
/// Behind the last event.
const END: &[u8] = b"0\r\n\r\n";

/// The last message of a channel that a client has.
#[derive(Clone, Copy, Debug)]
pub struct Position<'a> {
    /// The channel.
    pub channel: &'a ChannelName,
    /// The epoch of its log.
    pub epoch: Epoch,
    /// Where in that.
    pub seq: Seq,
}

/// Bytes of an epoch as text.
const EPOCH: usize = 16;
const DATA: &[u8] = b"data: ";

impl Position<'_> {
    /// Bytes of `EPOCH:CHANNEL=SEQ`.
    fn len(&self) -> usize {
        EPOCH + 1 + name_len(self.channel) + 1 + digits(self.seq)
    }
}

/// Bytes of a channel's name in an `id`.
fn name_len(channel: &ChannelName) -> usize {
    percent_encode(channel.as_str().as_bytes(), IN_ID).map(str::len).sum()
}

fn digits(seq: Seq) -> usize {
    seq.0.checked_ilog10().unwrap_or(0) as usize + 1
}

/// Hexadecimal digits of a chunk's length.
fn hex_digits(len: usize) -> usize {
    len.checked_ilog2().unwrap_or(0) as usize / 4 + 1
}

/// What the `id` of an event says.
#[derive(Clone, Copy, Debug)]
pub struct Id<'a> {
    /// Positions of the stream's other channels, as [`positions_before`] writes them.
    pub others: &'a [u8],
    /// The event's own.
    pub position: Position<'a>,
}

impl Id<'_> {
    /// Bytes of its line.
    fn len(&self) -> usize {
        b"id: \n".len() + self.others.len() + self.position.len()
    }
}

/// Positions, as they stand in an `id` in front of another one.
pub fn positions_before(positions: &[Position<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    write_positions(positions, &mut out);
    if !out.is_empty() {
        out.push(b';');
    }
    out
}

/// Bytes of an event's lines.
fn body_len(id: Option<&Id<'_>>, text: &str) -> usize {
    id.map_or(0, Id::len) + DATA.len() + text.len() + b"\n\n".len()
}

/// Bytes of an event as [`event`] writes it.
pub fn event_len(id: Option<&Id<'_>>, text: &str) -> usize {
    let body = body_len(id, text);
    hex_digits(body) + 2 + body + 2
}

/// Appends an event with a JSON document as its data.
pub fn event(id: Option<&Id<'_>>, text: &str, out: &mut Vec<u8>) {
    out.reserve(event_len(id, text));
    begin_chunk(body_len(id, text), out);
    if let Some(Id { others, position }) = id {
        out.extend_from_slice(b"id: ");
        out.extend_from_slice(others);
        write_epoch(position.epoch, out);
        write_position(position, out);
        out.push(b'\n');
    }
    out.extend_from_slice(DATA);
    let begin = out.len();
    out.extend_from_slice(text.as_bytes());
    // Between the tokens of a document, where a space is as good: it is one line of the event.
    let mut at = begin;
    while let Some(found) = out.get(at..).and_then(|rest| memchr2(b'\n', b'\r', rest)) {
        at += found;
        out[at] = b' ';
    }
    out.extend_from_slice(b"\n\n\r\n");
}

/// An event of a message that was encoded as a WebSocket frame for one client.
pub fn of_frame(id: Option<&Id<'_>>, frame: &[u8]) -> Vec<u8> {
    let text = std::str::from_utf8(payload(frame)).unwrap_or_default();
    let mut out = Vec::new();
    event(id, text, &mut out);
    out
}

/// Appends an event without data, which browsers do not report: its `id` says where the client is
/// in each of its channels.
pub fn positions(positions: &[Position<'_>], out: &mut Vec<u8>) {
    let mut text = Vec::from(b"id: ");
    write_positions(positions, &mut text);
    text.extend_from_slice(b"\n\n");
    chunk(&text, out);
}

/// Appends the last event of a stream, in the place of a close frame: its code and text, and
/// whether the client is to come again by itself.
pub fn close(code: u16, reason: &str, reconnect: bool, out: &mut Vec<u8>) {
    let data = serde_json::json!({ "code": code, "reason": reason, "reconnect": reconnect });
    chunk(format!("event: close\ndata: {data}\n\n").as_bytes(), out);
    out.extend_from_slice(END);
}

fn chunk(body: &[u8], out: &mut Vec<u8>) {
    begin_chunk(body.len(), out);
    out.extend_from_slice(body);
    out.extend_from_slice(b"\r\n");
}

fn begin_chunk(len: usize, out: &mut Vec<u8>) {
    for digit in (0..hex_digits(len)).rev() {
        out.push(b"0123456789abcdef"[len >> (4 * digit) & 15]);
    }
    out.extend_from_slice(b"\r\n");
}

fn write_epoch(epoch: Epoch, out: &mut Vec<u8>) {
    out.extend_from_slice(epoch.to_string().as_bytes());
    out.push(b':');
}

/// Appends `CHANNEL=SEQ`.
fn write_position(position: &Position<'_>, out: &mut Vec<u8>) {
    for part in percent_encode(position.channel.as_str().as_bytes(), IN_ID) {
        out.extend_from_slice(part.as_bytes());
    }
    out.push(b'=');
    out.extend_from_slice(position.seq.0.to_string().as_bytes());
}

/// Appends positions, those of one epoch behind each other: `EPOCH:A=1,B=2;EPOCH:C=3`.
fn write_positions(positions: &[Position<'_>], out: &mut Vec<u8>) {
    let mut epoch = None;
    for position in positions {
        match epoch {
            Some(last) if last == position.epoch => out.push(b','),
            before => {
                out.extend(before.map(|_| b';'));
                write_epoch(position.epoch, out);
                epoch = Some(position.epoch);
            }
        }
        write_position(position, out);
    }
}

#[cfg(test)]
mod tests;
