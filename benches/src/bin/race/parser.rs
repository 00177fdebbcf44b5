//! From a subscriber's bytes to messages. Of a message torn over two reads only the
//! start is kept, which holds its number.

use uringcast_loadgen::frame::{Frame, FrameReader, Opcode};

use crate::envelope::HEAD;

/// What was received.
pub(crate) enum Piece<'a> {
    /// A message: its start, [`HEAD`] bytes at least or all of it, and its length.
    Message(&'a [u8], usize),
    /// The server asks for a pong.
    Ping,
    /// The server closes.
    Close,
}

/// One subscriber's stream.
pub(crate) struct Parser {
    frames: FrameReader,
    /// NATS: the stream within the frames.
    nats: Option<Box<Nats>>,
}

impl Parser {
    pub(crate) fn new(nats: bool) -> Parser {
        let kept = if nats { usize::MAX } else { HEAD };
        Parser { frames: FrameReader::keeping(kept), nats: nats.then(Box::default) }
    }

    /// Takes further bytes. An error is what a server must not send.
    pub(crate) fn feed(
        &mut self,
        bytes: &[u8],
        each: &mut impl FnMut(Piece),
    ) -> Result<(), &'static str> {
        self.frames.feed(bytes, |Frame { opcode, payload, length }| {
            match (opcode, &mut self.nats) {
                (Opcode::Text | Opcode::Binary, None) => {
                    each(Piece::Message(payload, length as usize));
                }
                (Opcode::Text | Opcode::Binary, Some(nats)) => nats.feed(payload, each),
                (Opcode::Ping, _) => each(Piece::Ping),
                (Opcode::Close, _) => each(Piece::Close),
                (Opcode::Pong, _) => {}
            }
            Ok(())
        })
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
    use uringcast_loadgen::frame::write_header;

    fn encode(opcode: Opcode, payload: &[u8], out: &mut Vec<u8>) {
        write_header(out, opcode, payload.len(), None);
        out.extend_from_slice(payload);
    }

    /// What a parser makes of a stream cut into pieces of `step` bytes.
    fn parse(nats: bool, stream: &[u8], step: usize) -> Vec<(Option<u32>, usize)> {
        let mut parser = Parser::new(nats);
        let mut found = Vec::new();
        for piece in stream.chunks(step) {
            let fed = parser.feed(piece, &mut |piece| match piece {
                Piece::Message(head, len) => found.push((number(head), len)),
                Piece::Ping => found.push((None, 0)),
                Piece::Close => found.push((None, 1)),
            });
            fed.expect("whole frames of a server");
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
