//! From a subscriber's bytes to messages. Keeps of a cut message only what tells which it is.

use crate::envelope::HEAD;

/// What came.
pub(crate) enum Piece<'a> {
    /// A message: its start, [`HEAD`] bytes or all of it, and its length.
    Message(&'a [u8], usize),
    /// The server asks whether we are there.
    Ping,
    /// The server closes.
    Close,
}

/// One subscriber's stream.
#[derive(Default)]
pub(crate) struct Parser {
    /// The header being gathered.
    header: [u8; 10],
    gathered: usize,
    opcode: u8,
    /// Payload bytes of the frame still to come.
    left: u64,
    /// The message being gathered: its start, and its length so far.
    head: Vec<u8>,
    len: usize,
    /// NATS: the stream within the frames.
    nats: Option<Box<Nats>>,
}

impl Parser {
    pub(crate) fn new(nats: bool) -> Parser {
        Parser { nats: nats.then(Box::default), ..Parser::default() }
    }

    /// Takes further bytes.
    pub(crate) fn feed(&mut self, mut bytes: &[u8], each: &mut impl FnMut(Piece)) {
        while !bytes.is_empty() {
            if self.left == 0 {
                bytes = self.take_header(bytes);
                if self.left == 0 && self.gathered == 0 {
                    self.take_payload(&[], each); // An empty frame.
                }
                continue;
            }
            let here = bytes.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
            let (payload, rest) = bytes.split_at(here);
            self.left -= here as u64;
            self.take_payload(payload, each);
            bytes = rest;
        }
    }

    /// Takes as much of a header as is there; afterwards `gathered` is 0 if it is whole.
    fn take_header<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let mut at = 0;
        loop {
            let wanted = match (self.gathered, self.header[1] & 0x7f) {
                (0 | 1, _) => 2,
                (_, 126) => 4,
                (_, 127) => 10,
                _ => 2,
            };
            if self.gathered == wanted {
                break;
            }
            let Some(byte) = bytes.get(at) else { return &[] };
            self.header[self.gathered] = *byte;
            self.gathered += 1;
            at += 1;
        }
        let h = &self.header;
        self.opcode = h[0] & 0x0f;
        self.left = match h[1] & 0x7f {
            126 => u64::from(u16::from_be_bytes([h[2], h[3]])),
            127 => u64::from_be_bytes([h[2], h[3], h[4], h[5], h[6], h[7], h[8], h[9]]),
            short => u64::from(short),
        };
        self.gathered = 0;
        &bytes[at..]
    }

    fn take_payload(&mut self, payload: &[u8], each: &mut impl FnMut(Piece)) {
        let ended = self.left == 0;
        match self.opcode {
            0..=2 => {}
            8 if ended => return each(Piece::Close),
            9 if ended => return each(Piece::Ping),
            _ => return,
        }
        if let Some(nats) = &mut self.nats {
            return nats.feed(payload, each);
        }
        if ended && self.len == 0 {
            return each(Piece::Message(payload, payload.len()));
        }
        let room = HEAD.saturating_sub(self.head.len()).min(payload.len());
        self.head.extend_from_slice(&payload[..room]);
        self.len += payload.len();
        if ended {
            each(Piece::Message(&self.head, self.len));
            self.head.clear();
            self.len = 0;
        }
    }
}

/// NATS's own lines, which may be cut anywhere by frames.
#[derive(Default)]
struct Nats {
    line: Vec<u8>,
    head: Vec<u8>,
    len: usize,
    /// Bytes of the message still to come, its CR LF included.
    left: usize,
}

impl Nats {
    fn feed(&mut self, mut bytes: &[u8], each: &mut impl FnMut(Piece)) {
        while !bytes.is_empty() {
            if self.left > 0 {
                let here = bytes.len().min(self.left);
                let room = HEAD.saturating_sub(self.head.len()).min(here);
                self.head.extend_from_slice(&bytes[..room]);
                self.left -= here;
                bytes = &bytes[here..];
                if self.left == 0 {
                    each(Piece::Message(&self.head, self.len));
                    self.head.clear();
                }
                continue;
            }
            let end = memchr::memchr(b'\n', bytes);
            self.line.extend_from_slice(&bytes[..end.map_or(bytes.len(), |end| end + 1)]);
            let Some(end) = end else { return };
            bytes = &bytes[end + 1..];
            let line = self.line.trim_ascii();
            if line.starts_with(b"MSG ") {
                let len = line.rsplit(|byte| *byte == b' ').next().unwrap_or_default();
                self.len = std::str::from_utf8(len).ok().and_then(|l| l.parse().ok()).unwrap_or(0);
                self.left = self.len + 2;
            } else if line == b"PING" {
                each(Piece::Ping);
            } else {
                each(Piece::Message(line, line.len()));
            }
            self.line.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::{envelope, number};
    use uringcast_engine::wire::frame::{Opcode, encode};

    /// What a parser makes of a stream cut into pieces of `step` bytes.
    fn parse(nats: bool, stream: &[u8], step: usize) -> Vec<(Option<u32>, usize)> {
        let mut parser = Parser::new(nats);
        let mut found = Vec::new();
        for piece in stream.chunks(step) {
            parser.feed(piece, &mut |piece| match piece {
                Piece::Message(head, len) => found.push((number(head), len)),
                Piece::Ping => found.push((None, 0)),
                Piece::Close => found.push((None, 1)),
            });
        }
        found
    }

    fn texts() -> [String; 3] {
        [(7, 16), (8, 128), (12_345_678, 70_000)].map(|(number, payload)| {
            let mut text = String::new();
            envelope(number, payload, "bench", 3, &mut text);
            text
        })
    }

    #[test]
    fn messages_are_found_however_the_stream_is_cut() {
        let texts = texts();
        let mut stream = Vec::new();
        for text in &texts {
            encode(Opcode::Text, text.as_bytes(), &mut stream);
            encode(Opcode::Ping, b"", &mut stream);
        }
        let lens = texts.map(|text| text.len());
        let numbers = [7, 8, 12_345_678].map(Some);
        for step in [1, 2, 3, 100, 1_000, stream.len()] {
            let found = parse(false, &stream, step);
            let wanted: Vec<_> = (0..3).flat_map(|i| [(numbers[i], lens[i]), (None, 0)]).collect();
            assert_eq!(found, wanted, "in pieces of {step}");
        }
    }

    #[test]
    fn nats_lines_are_found_however_frames_cut_them() {
        let mut lines = Vec::new();
        for text in texts() {
            lines.extend_from_slice(format!("MSG bench 1 {}\r\n{text}\r\n", text.len()).as_bytes());
        }
        for frame in [1_usize, 5, 64, 4_096, 200_000] {
            let mut stream = Vec::new();
            for piece in lines.chunks(frame) {
                encode(Opcode::Binary, piece, &mut stream);
            }
            let found = parse(true, &stream, 777);
            let numbers: Vec<_> = found.iter().map(|(number, _)| *number).collect();
            assert_eq!(numbers, [7, 8, 12_345_678].map(Some), "in frames of {frame}");
        }
    }
}
