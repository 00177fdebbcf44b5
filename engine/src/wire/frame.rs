//! WebSocket framing, RFC 6455 section 5: server frames out, client frames in.

mod mask;
mod reader;
mod reassembly;

pub use reader::{Decoding, Event, Inflated, Reader};

use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::OpCode;

/// Bytes of the longest header a server writes (section 5.2, without mask).
pub const MAX_SERVER_HEADER: usize = 10;
/// Bytes of the longest header a client writes.
const MAX_CLIENT_HEADER: usize = 14;
/// The bit of a header's first byte that marks a compressed message (RFC 7692, 6).
const RSV1: u8 = 0x40;
/// Payload bytes of a control frame (section 5.5).
pub const MAX_CONTROL: usize = 125;

/// What a frame carries (section 11.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Opcode {
    /// The next fragment of a message.
    Continuation = 0,
    /// UTF-8.
    Text = 1,
    /// Any bytes.
    Binary = 2,
    /// The closing handshake.
    Close = 8,
    /// A keepalive request.
    Ping,
    /// The answer to a ping.
    Pong,
}

impl Opcode {
    fn is_control(self) -> bool {
        matches!(self, Opcode::Close | Opcode::Ping | Opcode::Pong)
    }

    fn from_code(code: OpCode) -> Option<Opcode> {
        Opcode::from_number(code.into())
    }

    fn from_number(number: u8) -> Option<Opcode> {
        use Opcode::{Binary, Close, Continuation, Ping, Pong, Text};
        let known = [Continuation, Text, Binary, Close, Ping, Pong];
        known.into_iter().find(|opcode| *opcode as u8 == number)
    }
}

/// Why a client's stream cannot be read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.reason())]
pub enum FrameError {
    /// A violation of RFC 6455.
    Protocol(&'static str),
    /// Text or a close reason that is not UTF-8.
    InvalidUtf8,
    /// A message longer than the limit, by its headers. How long it has become, at least.
    TooBig(u64),
    /// A message in more than `limits::MAX_FRAGMENTS` pieces.
    TooManyFragments,
    /// A compressed message that cannot be inflated.
    Corrupt,
}

impl FrameError {
    /// The reason of the close frame; repeats nothing the peer sent.
    pub fn reason(self) -> &'static str {
        match self {
            FrameError::Protocol(reason) => reason,
            FrameError::InvalidUtf8 => "text is not UTF-8",
            FrameError::TooBig(_) => "message is too big",
            FrameError::TooManyFragments => "message has too many fragments",
            FrameError::Corrupt => "message cannot be inflated",
        }
    }
}

/// Appends the header of an unfragmented server frame with `len` bytes of payload.
pub fn header(opcode: Opcode, len: usize, out: &mut Vec<u8>) {
    let header = FrameHeader { opcode: OpCode::from(opcode as u8), ..FrameHeader::default() };
    header.format(len as u64, out).expect("a Vec takes every byte");
}

/// Appends a whole data frame with a compressed payload (RFC 7692, 7.2.1).
pub fn encode_compressed(opcode: Opcode, payload: &[u8], out: &mut Vec<u8>) {
    assert!(!opcode.is_control());
    let start = out.len();
    encode(opcode, payload, out);
    out[start] |= RSV1;
}

/// Appends a whole frame. A control payload must not exceed [`MAX_CONTROL`].
pub fn encode(opcode: Opcode, payload: &[u8], out: &mut Vec<u8>) {
    assert!(!opcode.is_control() || payload.len() <= MAX_CONTROL);
    out.reserve(MAX_SERVER_HEADER + payload.len());
    header(opcode, payload.len(), out);
    out.extend_from_slice(payload);
}

/// A whole frame by itself. A control payload must not exceed [`MAX_CONTROL`].
pub fn encoded(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    encode(opcode, payload, &mut out);
    out
}

/// The payload of a whole server frame.
pub fn payload(frame: &[u8]) -> &[u8] {
    // RFC 6455 5.2: two bytes, and two or eight more for longer payloads.
    let header = match frame.get(1) {
        Some(127) => 10,
        Some(126) => 4,
        _ => 2,
    };
    frame.get(header..).unwrap_or_default()
}

/// Appends a close frame. The reason is cut to what fits, between characters.
pub fn close(code: u16, reason: &str, out: &mut Vec<u8>) {
    let reason = cut(reason, MAX_CONTROL - 2);
    header(Opcode::Close, 2 + reason.len(), out);
    out.extend_from_slice(&code.to_be_bytes());
    out.extend_from_slice(reason.as_bytes());
}

/// The longest start of `text` that has at most `limit` bytes.
pub(super) fn cut(text: &str, limit: usize) -> &str {
    &text[..text.floor_char_boundary(limit)]
}

#[cfg(test)]
mod tests;
