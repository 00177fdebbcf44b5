//! WebSocket frames (RFC 6455 section 5), as a client that skips more than it reads needs them.
//!
//! A frame that is whole in the read buffer is handed on in place; of a frame torn over two
//! reads only the first bytes are kept, which is all a stamp or a reply needs.

const MAX_CONTROL: u64 = 125;

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
}

impl Header {
    /// Reads the header at the beginning of `bytes`: `None` when more bytes are needed.
    ///
    /// # Errors
    /// What the peer must not send. Fragments are not supported.
    pub fn parse(bytes: &[u8]) -> Result<Option<Self>, &'static str> {
        let &[first, second, ref rest @ ..] = bytes else { return Ok(None) };
        if first & 0x70 != 0 {
            return Err("a reserved bit, though no extension was offered");
        }
        let (mut size, length) = match second & 0x7f {
            126 => match rest.first_chunk() {
                Some(length) => (4, u64::from(u16::from_be_bytes(*length))),
                None => return Ok(None),
            },
            127 => match rest.first_chunk() {
                Some(length) => (10, u64::from_be_bytes(*length)),
                None => return Ok(None),
            },
            short => (2, u64::from(short)),
        };
        let mut mask = None;
        if second & 0x80 != 0 {
            mask = bytes[size..].first_chunk().copied();
            if mask.is_none() {
                return Ok(None);
            }
            size += 4;
        }
        let known = Opcode::ALL.into_iter().find(|opcode| *opcode as u8 == first & 0x0f);
        let Some(opcode) = known.filter(|_| first & 0x80 != 0) else {
            return Err("a fragmented message or an unknown opcode");
        };
        if matches!(opcode, Opcode::Close | Opcode::Ping | Opcode::Pong) && length > MAX_CONTROL {
            return Err("a control frame of more than 125 bytes");
        }
        Ok(Some(Self { opcode, size, length, mask }))
    }

    fn of_server(bytes: &[u8]) -> Result<Option<Self>, &'static str> {
        match Self::parse(bytes)? {
            Some(Self { mask: Some(_), .. }) => Err("a masked frame from the server"),
            header => Ok(header),
        }
    }
}

/// Cuts a server's byte stream into frames.
#[derive(Debug)]
pub struct FrameReader {
    /// Bytes of a torn frame's payload that are kept.
    limit: usize,
    /// Of the torn frame: its header bytes, later the head of its payload.
    kept: Vec<u8>,
    torn: Option<(Header, u64)>,
}

impl FrameReader {
    /// A reader that keeps the first `limit` bytes of a torn frame's payload.
    pub fn keeping(limit: usize) -> Self {
        Self { limit, kept: Vec::new(), torn: None }
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
                if let Some(header) = Header::of_server(&self.kept)? {
                    self.begin(header);
                    if header.length == 0 {
                        bytes = self.resume(header, 0, bytes, &mut take)?;
                    }
                }
                continue;
            }
            let Some(header) = Header::of_server(bytes)? else {
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
            take(Frame { opcode: header.opcode, payload, length: header.length })?;
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
        let room = self.limit - self.kept.len();
        self.kept.extend_from_slice(&part[..room.min(part.len())]);
        let missing = missing - here as u64;
        if missing > 0 {
            self.torn = Some((header, missing));
            return Ok(rest);
        }
        self.torn = None;
        let Header { opcode, length, .. } = header;
        let result = take(Frame { opcode, payload: &self.kept, length });
        self.kept.clear();
        result.map(|()| rest)
    }
}

/// Appends the header of a frame with `length` bytes of payload, masked as a client's must be or
/// not as a server's.
pub fn write_header(out: &mut Vec<u8>, opcode: Opcode, length: usize, mask: Option<[u8; 4]>) {
    out.push(0x80 | opcode as u8);
    let masked = if mask.is_some() { 0x80 } else { 0 };
    match length {
        0..=125 => out.push(masked | length as u8),
        126..=0xffff => {
            out.push(masked | 126);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        _ => {
            out.push(masked | 127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(mask.as_ref().map_or(&[], |mask| mask));
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
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tungstenite::protocol::frame::FrameHeader;
    use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

    const HEAD: usize = 4096;

    fn server_frame(opcode: OpCode, payload: &[u8]) -> Vec<u8> {
        let header = FrameHeader { opcode, ..FrameHeader::default() };
        let mut bytes = Vec::new();
        header.format(payload.len() as u64, &mut bytes).unwrap();
        bytes.extend_from_slice(payload);
        bytes
    }

    fn frames(reader: &mut FrameReader, bytes: &[u8]) -> Result<Vec<(Opcode, Vec<u8>)>, String> {
        let mut seen = Vec::new();
        reader.feed::<String>(bytes, |frame| {
            assert!(frame.length >= frame.payload.len() as u64);
            seen.push((frame.opcode, frame.payload.to_vec()));
            Ok(())
        })?;
        Ok(seen)
    }

    #[test]
    fn what_a_server_must_not_send_is_refused() {
        let masked = [0x81, 0x80, 0, 0, 0, 0];
        let reserved = [0xc1, 0x00];
        let fragment = [0x01, 0x00];
        let long_ping = [0x89, 126, 0, 126];
        for bytes in [&masked[..], &reserved, &fragment, &long_ping] {
            assert!(frames(&mut FrameReader::keeping(HEAD), bytes).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn a_client_frame_is_what_the_oracle_reads() {
        for length in [0, 1, 125, 126, 65_535, 65_536] {
            let payload = vec![b'x'; length];
            let mut bytes = Vec::new();
            write_masked(&mut bytes, Opcode::Text, &payload, [1, 2, 3, 4]);
            let mut cursor = std::io::Cursor::new(&bytes);
            let (header, found) = FrameHeader::parse(&mut cursor).unwrap().unwrap();
            assert_eq!((found, header.mask), (length as u64, Some([1, 2, 3, 4])));
            let body = &bytes[cursor.position() as usize..];
            assert!(body.iter().zip([1, 2, 3, 4].iter().cycle()).all(|(b, m)| b ^ m == b'x'));
            assert_eq!(body.len(), length);
        }
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same_frames(
            lengths in proptest::collection::vec(
                prop_oneof![0..300usize, Just(5_000), Just(70_000)], 1..8),
            cuts in proptest::collection::vec(1..9_000usize, 1..20),
        ) {
            let mut bytes = Vec::new();
            let mut expected = Vec::new();
            for (i, &length) in lengths.iter().enumerate() {
                let payload: Vec<u8> = (0..length).map(|k| (k * 7 + i) as u8).collect();
                let ping = length < 126 && i % 2 == 1;
                let code = if ping { OpCode::Control(Control::Ping) } else {
                    OpCode::Data(Data::Text) };
                bytes.extend(server_frame(code, &payload));
                expected.push((if ping { Opcode::Ping } else { Opcode::Text }, payload));
            }
            let mut reader = FrameReader::keeping(HEAD);
            let (mut seen, mut rest, mut cuts) = (Vec::new(), &bytes[..], cuts.iter().cycle());
            while !rest.is_empty() {
                let (now, later) = rest.split_at((*cuts.next().unwrap()).min(rest.len()));
                seen.extend(frames(&mut reader, now).unwrap());
                rest = later;
            }
            prop_assert_eq!(seen.len(), expected.len());
            for ((opcode, head), (wanted, payload)) in seen.iter().zip(&expected) {
                prop_assert_eq!(opcode, wanted);
                prop_assert!(payload.starts_with(head));
                prop_assert!(head.len() >= payload.len().min(HEAD));
            }
        }
    }
}
