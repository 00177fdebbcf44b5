//! The incremental decoder of one client's stream.

use tungstenite::protocol::frame::coding::CloseCode;

use super::mask::unmask;
use super::reassembly::{Head, Message, Partial, Unfinished, Whole};
use super::{FrameError, MAX_CLIENT_HEADER, Opcode};
use crate::handover::Inbound;
use crate::wire::deflate::{Deflate, InflateError, Inflater};

/// Code 1014, which tungstenite takes for reserved: the IANA registry has it since 2012.
const BAD_GATEWAY: u16 = 1014;

/// One client's stream between two reads. Holds nothing (16 bytes, no heap) unless a frame or a
/// message is incomplete; then at most `max_message` bytes and one control frame (invariant 3).
#[derive(Debug, Default)]
pub struct Reader {
    partial: Option<Box<Partial>>,
    /// A close frame or a fault was seen: everything after it is dropped.
    ended: bool,
    /// What was agreed on: without it no message may be compressed.
    deflate: Option<Deflate>,
}

const _: () = assert!(size_of::<Reader>() <= 16);

/// What a client sent.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A whole text message, checked.
    Text(&'a str),
    /// A whole binary message.
    Binary(&'a [u8]),
    /// To be answered by a pong with the same payload.
    Ping(&'a [u8]),
    /// The answer to a ping, or unsolicited.
    Pong(&'a [u8]),
    /// A close frame: code and reason, if it gave any (section 5.5.1).
    Close(Option<(u16, &'a str)>),
}

impl Reader {
    /// The reader of a stream of which this was agreed on.
    pub fn new(deflate: Option<Deflate>) -> Reader {
        Reader { deflate, ..Reader::default() }
    }

    /// What was agreed on compression.
    pub fn deflate(&self) -> Option<Deflate> {
        self.deflate
    }

    /// What another process needs to read on, but for since when.
    pub(crate) fn export(&self) -> Inbound {
        let mut inbound = Inbound { has_ended: self.ended, ..Inbound::default() };
        if let Some(partial) = &self.partial {
            partial.export(&mut inbound);
        }
        inbound
    }

    /// Reads on where another process has stopped, with what was agreed on; `None` if the stream
    /// cannot stand there.
    pub(crate) fn import(inbound: &Inbound, deflate: Option<Deflate>) -> Option<Reader> {
        let partial = Partial::import(inbound)?;
        let partial = (!partial.is_empty()).then(|| Box::new(partial));
        Some(Reader { partial, ended: inbound.has_ended, deflate })
    }

    /// Drops everything from now on.
    pub fn end(&mut self) {
        (self.partial, self.ended) = (None, true);
    }

    /// Lends out the state of the stream, and keeps what was agreed on.
    pub fn take(&mut self) -> Reader {
        std::mem::replace(self, Reader::new(self.deflate))
    }

    /// Decodes what was received. Call [`Decoding::next`] until it returns `None`; dropping the
    /// decoding earlier loses what [`Decoding::consumed`] does not cover. Messages of more than
    /// `max_message` bytes, inflated, are an error.
    pub fn decode<'a>(
        &'a mut self,
        input: &'a mut [u8],
        max_message: usize,
        inflater: &'a mut Inflater,
    ) -> Decoding<'a> {
        Decoding {
            reader: self,
            input,
            inflater,
            consumed: 0,
            max_message,
            small_frames: 0,
            inflated: Inflated::default(),
            assembled: Vec::new(),
        }
    }

    /// Bytes that an unfinished message holds, of those that have come and of room for others.
    pub fn held(&self) -> usize {
        self.message().map_or(0, Message::capacity)
    }

    pub(super) fn message(&self) -> Option<&Message> {
        self.partial.as_ref().and_then(|partial| partial.message.as_ref())
    }
}

/// A receive buffer on its way through a [`Reader`]. Whole frames are unmasked in place and handed
/// out where they lie.
#[derive(Debug)]
pub struct Decoding<'a> {
    reader: &'a mut Reader,
    input: &'a mut [u8],
    inflater: &'a mut Inflater,
    consumed: usize,
    max_message: usize,
    small_frames: u32,
    inflated: Inflated,
    /// Owns the last event if it came in pieces.
    assembled: Vec<u8>,
}

/// Bytes of compressed messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Inflated {
    /// As they came.
    pub input: usize,
    /// As they are.
    pub output: usize,
}

/// An event's payload: a range of the input, or all that was assembled.
struct Place {
    opcode: Opcode,
    compressed: bool,
    input: Option<std::ops::Range<usize>>,
}

impl Decoding<'_> {
    /// Bytes of the input that need not be presented again.
    pub fn consumed(&self) -> usize {
        self.consumed
    }

    /// PONGs and small fragments so far
    /// ([`SMALL_FRAGMENT`](crate::limits::SMALL_FRAGMENT)).
    pub fn small_frames(&self) -> u32 {
        self.small_frames
    }

    /// The compressed messages so far.
    pub fn inflated(&self) -> Inflated {
        self.inflated
    }

    /// The next event, or `None` when the input is used up. After an error or a close frame there
    /// are no more events, in this input or any later one.
    ///
    /// # Errors
    /// [`FrameError`] when the client broke RFC 6455 or a limit; it has the close code.
    // Not an `Iterator`: the event borrows from the decoding.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<Event<'_>>, FrameError> {
        self.assembled = Vec::new();
        if self.reader.ended {
            self.consumed = self.input.len();
            return Ok(None);
        }
        let event = match self.advance() {
            Ok(None) => Ok(None),
            Ok(Some(Place { opcode, compressed, input })) => {
                let payload = match input {
                    Some(range) => &self.input[range],
                    None => &self.assembled,
                };
                let payload = match compressed {
                    true => {
                        let plain = self.inflater.inflate(payload, self.max_message);
                        self.inflated.input += payload.len();
                        self.inflated.output += plain.map_or(0, <[u8]>::len);
                        plain.map_err(fault)
                    }
                    false => Ok(payload),
                };
                payload.and_then(|payload| event(opcode, payload)).map(Some)
            }
            Err(error) => Err(error),
        };
        if matches!(event, Err(_) | Ok(Some(Event::Close(_)))) {
            self.reader.end();
        } else if self.reader.partial.as_ref().is_some_and(|partial| partial.is_empty()) {
            self.reader.partial = None;
        }
        event
    }

    /// Takes frames until one completes an event.
    fn advance(&mut self) -> Result<Option<Place>, FrameError> {
        loop {
            let begun = self.reader.partial.as_mut().and_then(|partial| partial.frame.take());
            let frame = match begun {
                Some(frame) => frame,
                None => match self.read_head()? {
                    Some(head) => {
                        self.small_frames += u32::from(head.is_small());
                        Unfinished { head, taken: 0 }
                    }
                    None => return Ok(None),
                },
            };
            let Head { opcode, compressed, mask, len, .. } = frame.head;
            let start = self.consumed;
            let end = start + (len - frame.taken).min(self.input.len() - start);
            self.consumed = end;
            let piece = &mut self.input[start..end];
            unmask(piece, mask, frame.taken);
            if piece.len() == len && frame.head.stands_alone() {
                return Ok(Some(Place { opcode, compressed, input: Some(start..end) }));
            }
            let partial = self.reader.partial.get_or_insert_default();
            if let Some(whole) = partial.take_in(frame, piece, self.max_message)? {
                let Whole { opcode, compressed, bytes } = whole;
                self.assembled = bytes;
                return Ok(Some(Place { opcode, compressed, input: None }));
            }
            if partial.frame.is_some() {
                return Ok(None);
            }
        }
    }

    /// Reads the next header, or keeps what there is of it.
    fn read_head(&mut self) -> Result<Option<Head>, FrameError> {
        let rest = &self.input[self.consumed..];
        let deflate = self.reader.deflate.is_some();
        let held = self.reader.partial.as_ref().is_some_and(|partial| partial.head_len > 0);
        if !held {
            let window = &rest[..rest.len().min(MAX_CLIENT_HEADER)];
            if let Some((head, size)) =
                Head::parse(window, self.reader.message(), self.max_message, deflate)?
            {
                self.consumed += size;
                return Ok(Some(head));
            }
            if rest.is_empty() {
                return Ok(None);
            }
        }
        let partial = self.reader.partial.get_or_insert_default();
        let (head, taken) = partial.complete_head(rest, self.max_message, deflate)?;
        self.consumed += taken;
        Ok(head)
    }
}

fn fault(error: InflateError) -> FrameError {
    match error {
        InflateError::Corrupt => FrameError::Corrupt,
        InflateError::TooBig(len) => FrameError::TooBig(len),
    }
}

/// Makes an event of a whole payload.
fn event(opcode: Opcode, payload: &[u8]) -> Result<Event<'_>, FrameError> {
    match opcode {
        Opcode::Text => text(payload).map(Event::Text),
        Opcode::Binary | Opcode::Continuation => Ok(Event::Binary(payload)),
        Opcode::Ping => Ok(Event::Ping(payload)),
        Opcode::Pong => Ok(Event::Pong(payload)),
        Opcode::Close => close_reason(payload).map(Event::Close),
    }
}

fn text(payload: &[u8]) -> Result<&str, FrameError> {
    simdutf8::basic::from_utf8(payload).map_err(|_| FrameError::InvalidUtf8)
}

/// Sections 5.5.1 and 7.4.
fn close_reason(payload: &[u8]) -> Result<Option<(u16, &str)>, FrameError> {
    let Some((code, reason)) = payload.split_first_chunk() else {
        return match payload {
            [] => Ok(None),
            _ => Err(FrameError::Protocol("close frame with half a code")),
        };
    };
    let code = u16::from_be_bytes(*code);
    if !CloseCode::from(code).is_allowed() && code != BAD_GATEWAY {
        return Err(FrameError::Protocol("close frame with an invalid code"));
    }
    Ok(Some((code, text(reason)?)))
}
