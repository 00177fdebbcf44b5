//! WebSocket frames (RFC 6455 section 5), as a client that skips more than it reads needs them.
//!
//! A frame that is whole in the read buffer is handed on in place; of a frame torn over two
//! reads only the first bytes are kept, which is all a stamp or a reply needs.

use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::OpCode;

const MAX_CONTROL: u64 = 125;
/// The first reserved bit is that of compressed messages (RFC 7692, section 6).
const COMPRESSED: u8 = 0x40;
const RESERVED: u8 = 0x30;

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opcode {
    /// A whole message in UTF-8.
    Text = 1,
    /// A whole message of bytes.
    Binary = 2,
    /// The last frame, with a code and a reason.
    Close = 8,
    /// Asks for a pong with the same payload.
    Ping = 9,
    /// The answer to a ping.
    Pong = 10,
}

impl Opcode {
    const ALL: [Opcode; 5] = [Self::Text, Self::Binary, Self::Close, Self::Ping, Self::Pong];
}

/// A received frame.
#[derive(Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// What it is.
    pub opcode: Opcode,
    /// The payload; of a torn frame its first bytes, as many as the reader keeps.
    pub payload: &'a [u8],
    /// Bytes of the whole payload.
    pub length: u64,
    /// The payload is compressed; it is whole then.
    pub compressed: bool,
}

/// The header of a frame.
#[derive(Debug, Clone, Copy)]
pub struct Header {
    /// What the frame is.
    pub opcode: Opcode,
    /// Bytes of the header itself.
    pub size: usize,
    /// Bytes of the payload.
    pub length: u64,
    /// What the payload is masked with, if a client sent it.
    pub mask: Option<[u8; 4]>,
    /// The payload is compressed (RFC 7692).
    pub compressed: bool,
}

impl Header {
    /// Reads the header at the beginning of `bytes`: `None` when more bytes are needed.
    ///
    /// # Errors
    /// What the peer must not send. Fragments are not supported.
    pub fn parse(bytes: &[u8]) -> Result<Option<Self>, &'static str> {
        let &[first, second, ref rest @ ..] = bytes else { return Ok(None) };
        let compressed = first & COMPRESSED != 0;
        if first & RESERVED != 0 {
            return Err("a reserved bit, which no extension has");
        }
        let (mut size, length) = match second & 0x7f {
            126 => (4, rest.first_chunk().map(|length| u16::from_be_bytes(*length).into())),
            127 => (10, rest.first_chunk().map(|length| u64::from_be_bytes(*length))),
            short => (2, Some(u64::from(short))),
        };
        let Some(length) = length else { return Ok(None) };
        let mut mask = None;
        if second & 0x80 != 0 {
            let Some(chunk) = bytes[size..].first_chunk() else { return Ok(None) };
            (mask, size) = (Some(*chunk), size + 4);
        }
        let known = Opcode::ALL.into_iter().find(|opcode| *opcode as u8 == first & 0x0f);
        let Some(opcode) = known.filter(|_| first & 0x80 != 0) else {
            return Err("a fragmented message or an unknown opcode");
        };
        let control = matches!(opcode, Opcode::Close | Opcode::Ping | Opcode::Pong);
        if control && (length > MAX_CONTROL || compressed) {
            return Err("a control frame that is compressed or of more than 125 bytes");
        }
        Ok(Some(Self { opcode, size, length, mask, compressed }))
    }
}

/// Cuts a server's byte stream into frames.
#[derive(Debug)]
pub struct FrameReader {
    /// Bytes of a torn frame's payload that are kept.
    limit: usize,
    /// Bytes of a compressed payload at most; `None` where compression is not agreed on.
    compressed: Option<u64>,
    /// Of the torn frame: its header bytes, later the head of its payload.
    kept: Vec<u8>,
    torn: Option<(Header, u64)>,
}

impl FrameReader {
    /// A reader that keeps the first `limit` bytes of a torn frame's payload.
    pub fn keeping(limit: usize) -> Self {
        Self { limit, compressed: None, kept: Vec::new(), torn: None }
    }

    /// Takes compressed frames of so many bytes at most from now on, and keeps them whole.
    pub fn accept_compressed(&mut self, most: usize) {
        self.compressed = Some(most as u64);
    }

    /// The header of a server's frame.
    fn header(&self, bytes: &[u8]) -> Result<Option<Header>, &'static str> {
        let header = Header::parse(bytes)?;
        match header {
            Some(Header { mask: Some(_), .. }) => Err("a masked frame from the server"),
            Some(Header { compressed: true, length, .. }) => match self.compressed {
                Some(most) if length <= most => Ok(header),
                Some(_) => Err("a compressed message longer than any that was published"),
                None => Err("a compressed message, which was not agreed on"),
            },
            header => Ok(header),
        }
    }

    /// Calls `take` for each frame completed by `bytes`. An error ends the connection.
    ///
    /// # Errors
    /// What the server must not send, and the errors of `take`.
    pub fn feed<E: From<&'static str>>(
        &mut self,
        mut bytes: &[u8],
        mut take: impl FnMut(Frame<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        while !bytes.is_empty() {
            if let Some((header, missing)) = self.torn {
                bytes = self.resume(header, missing, bytes, &mut take)?;
                continue;
            }
            if !self.kept.is_empty() {
                // A header torn over two reads: byte by byte, at most nine times.
                self.kept.push(bytes[0]);
                bytes = &bytes[1..];
                if let Some(header) = self.header(&self.kept)? {
                    self.begin(header);
                    if header.length == 0 {
                        bytes = self.resume(header, 0, bytes, &mut take)?;
                    }
                }
                continue;
            }
            let Some(header) = self.header(bytes)? else {
                self.kept.extend_from_slice(bytes);
                return Ok(());
            };
            let rest = &bytes[header.size..];
            let Some(payload) = rest.get(..usize::try_from(header.length).unwrap_or(usize::MAX))
            else {
                self.begin(header);
                bytes = rest;
                continue;
            };
            let Header { opcode, length, compressed, .. } = header;
            take(Frame { opcode, payload, length, compressed })?;
            bytes = &rest[payload.len()..];
        }
        Ok(())
    }

    fn begin(&mut self, header: Header) {
        self.kept.clear();
        self.torn = Some((header, header.length));
    }

    /// Takes what belongs to the torn frame and returns the rest.
    fn resume<'a, E>(
        &mut self,
        header: Header,
        missing: u64,
        bytes: &'a [u8],
        take: &mut impl FnMut(Frame<'_>) -> Result<(), E>,
    ) -> Result<&'a [u8], E> {
        let here = usize::try_from(missing).map_or(bytes.len(), |missing| missing.min(bytes.len()));
        let (part, rest) = bytes.split_at(here);
        let limit = if header.compressed { usize::MAX } else { self.limit };
        let room = limit - self.kept.len();
        self.kept.extend_from_slice(&part[..room.min(part.len())]);
        let missing = missing - here as u64;
        if missing > 0 {
            self.torn = Some((header, missing));
            return Ok(rest);
        }
        self.torn = None;
        let Header { opcode, length, compressed, .. } = header;
        let result = take(Frame { opcode, payload: &self.kept, length, compressed });
        self.kept.clear();
        result.map(|()| rest)
    }
}

/// Appends the header of a frame with `length` bytes of payload, masked as a client's must be or
/// not as a server's.
pub fn write_header(out: &mut Vec<u8>, opcode: Opcode, length: usize, mask: Option<[u8; 4]>) {
    let header = FrameHeader { opcode: OpCode::from(opcode as u8), mask, ..FrameHeader::default() };
    header.format(length as u64, out).expect("a Vec takes all that is written");
}

/// Appends one whole masked frame, as a client must send it (RFC 6455 section 5.3).
pub fn write_masked(out: &mut Vec<u8>, opcode: Opcode, payload: &[u8], mask: [u8; 4]) {
    write_header(out, opcode, payload.len(), Some(mask));
    let start = out.len();
    out.extend_from_slice(payload);
    apply_mask(&mut out[start..], mask);
}

/// Masks or unmasks a payload.
pub fn apply_mask(payload: &mut [u8], mask: [u8; 4]) {
    let (words, rest) = payload.as_chunks_mut::<4>();
    for word in words {
        *word = (u32::from_ne_bytes(*word) ^ u32::from_ne_bytes(mask)).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(mask) {
        *byte ^= mask;
    }
}

#[cfg(test)]
mod tests;
