//! What is kept of a client's stream while a frame or a message is incomplete.

use std::io::Cursor;

use simdutf8::compat::from_utf8;
use tungstenite::protocol::frame::FrameHeader;

use super::{FrameError, MAX_CLIENT_HEADER, MAX_CONTROL, Opcode};
use crate::handover::{BegunFrame, BegunMessage, Inbound};
use crate::limits::{MAX_FRAGMENTS, SMALL_FRAGMENT};

/// The header of a client's frame, checked against what came before it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    pub(super) opcode: Opcode,
    pub(super) is_final: bool,
    /// It begins a compressed message.
    pub(super) compressed: bool,
    pub(super) mask: [u8; 4],
    pub(super) len: usize,
}

impl Head {
    /// Reads a header and its size, or `None` if `bytes` do not hold all of it (section 5.2).
    /// `deflate`: compressed messages were agreed to.
    pub(super) fn parse(
        bytes: &[u8],
        message: Option<&Message>,
        max_message: usize,
        deflate: bool,
    ) -> Result<Option<(Head, usize)>, FrameError> {
        let mut cursor = Cursor::new(bytes);
        let parsed =
            FrameHeader::parse(&mut cursor).map_err(|_| FrameError::Protocol("reserved opcode"))?;
        let Some((header, len)) = parsed else { return Ok(None) };
        let mask = header.mask.ok_or(FrameError::Protocol("client frame is not masked"))?;
        let opcode =
            Opcode::from_code(header.opcode).ok_or(FrameError::Protocol("reserved opcode"))?;
        // RFC 7692, 6.1: the first frame of a message says that it is compressed.
        let begins_message = matches!(opcode, Opcode::Text | Opcode::Binary);
        let compressed = header.rsv1 && deflate && begins_message;
        if header.rsv1 != compressed || header.rsv2 || header.rsv3 {
            return Err(FrameError::Protocol("reserved bits are set"));
        }
        if len >> 63 != 0 {
            return Err(FrameError::Protocol("impossible length"));
        }
        if opcode.is_control() {
            check_control(header.is_final, len)?;
        } else {
            let compressed = compressed || message.is_some_and(|message| message.compressed);
            check_data(opcode, len, message, longest(max_message, compressed))?;
        }
        // Both checks bound `len` by a `usize`.
        let is_final = header.is_final;
        let head = Head { opcode, is_final, compressed, mask, len: len as usize };
        Ok(Some((head, cursor.position() as usize)))
    }

    /// A frame that costs its number, and not its bytes.
    pub(super) fn is_small(&self) -> bool {
        match self.opcode {
            Opcode::Pong => true,
            Opcode::Ping | Opcode::Close => false,
            _ => !self.is_final && self.len < SMALL_FRAGMENT,
        }
    }

    /// A frame that is an event by itself once all its payload is there.
    pub(super) fn stands_alone(&self) -> bool {
        self.opcode.is_control() || (self.is_final && self.opcode != Opcode::Continuation)
    }
}

/// Bytes of a message's payload: one that does not compress takes a little more than it has.
fn longest(max_message: usize, compressed: bool) -> usize {
    if compressed { max_message.saturating_add(max_message / 1_024 + 64) } else { max_message }
}

/// Section 5.5.
fn check_control(is_final: bool, len: u64) -> Result<(), FrameError> {
    if !is_final {
        Err(FrameError::Protocol("control frame is fragmented"))
    } else if len > MAX_CONTROL as u64 {
        Err(FrameError::Protocol("control frame is too long"))
    } else {
        Ok(())
    }
}

/// Section 5.4, and the limits: decided before any payload is kept (invariant 3).
fn check_data(
    opcode: Opcode,
    len: u64,
    message: Option<&Message>,
    max_message: usize,
) -> Result<(), FrameError> {
    let begun = match (opcode, message) {
        (Opcode::Continuation, None) => {
            return Err(FrameError::Protocol("continuation of nothing"));
        }
        (Opcode::Continuation, Some(message)) => message,
        (_, Some(_)) => return Err(FrameError::Protocol("new message within a message")),
        (_, None) if len > max_message as u64 => return Err(FrameError::TooBig(len)),
        (_, None) => return Ok(()),
    };
    if len > max_message.saturating_sub(begun.bytes.len()) as u64 {
        Err(FrameError::TooBig(len.saturating_add(begun.bytes.len() as u64)))
    } else if begun.fragments >= MAX_FRAGMENTS {
        Err(FrameError::TooManyFragments)
    } else {
        Ok(())
    }
}

/// A frame with payload still to come.
#[derive(Debug)]
pub(super) struct Unfinished {
    pub(super) head: Head,
    /// Payload bytes already seen.
    pub(super) taken: usize,
}

/// A data message of which some, but not all, has come.
#[derive(Debug)]
pub(super) struct Message {
    opcode: Opcode,
    compressed: bool,
    bytes: Vec<u8>,
    /// Bytes known to be UTF-8, if this is text that is not compressed.
    checked: usize,
    /// Frames that have ended.
    fragments: u32,
}

impl Message {
    pub(super) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Grows by doubling, so that no memory is reserved for bytes that have not come, but never
    /// beyond the limit of the message.
    fn append(&mut self, chunk: &[u8], max_message: usize) -> Result<(), FrameError> {
        let needed = self.bytes.len() + chunk.len();
        if needed > self.bytes.capacity() {
            let longest = longest(max_message, self.compressed);
            let wanted = (2 * self.bytes.capacity()).min(longest).max(needed);
            self.bytes.reserve_exact(wanted - self.bytes.len());
        }
        self.bytes.extend_from_slice(chunk);
        let is_readable = self.opcode == Opcode::Text && !self.compressed;
        if is_readable { self.check_text() } else { Ok(()) }
    }

    /// Text is checked as it comes, so that a fault shows before the message ends. A character
    /// may be cut in two, but not be wrong already.
    fn check_text(&mut self) -> Result<(), FrameError> {
        match from_utf8(&self.bytes[self.checked..]) {
            Ok(_) => self.checked = self.bytes.len(),
            Err(error) if error.error_len().is_some() => return Err(FrameError::InvalidUtf8),
            Err(error) => self.checked += error.valid_up_to(),
        }
        Ok(())
    }
}

/// The payload of a message or control frame that came in pieces.
pub(super) struct Whole {
    pub(super) opcode: Opcode,
    pub(super) compressed: bool,
    pub(super) bytes: Vec<u8>,
}

/// The state of an incomplete stream.
#[derive(Debug, Default)]
pub(super) struct Partial {
    /// A header's first bytes.
    head: [u8; MAX_CLIENT_HEADER],
    pub(super) head_len: usize,
    pub(super) frame: Option<Unfinished>,
    /// Payload of an unfinished control frame: at most [`MAX_CONTROL`] bytes.
    control: Vec<u8>,
    pub(super) message: Option<Message>,
}

impl Partial {
    pub(super) fn is_empty(&self) -> bool {
        self.head_len == 0 && self.frame.is_none() && self.message.is_none()
    }

    /// What another process needs to go on.
    pub(super) fn export(&self, inbound: &mut Inbound) {
        inbound.head = self.head[..self.head_len].into();
        inbound.control = self.control.as_slice().into();
        inbound.frame = self.frame.as_ref().map(|&Unfinished { head, taken }| BegunFrame {
            opcode: head.opcode as u8,
            is_final: head.is_final,
            is_compressed: head.compressed,
            mask: head.mask,
            len: head.len as u64,
            taken: taken as u64,
        });
        inbound.message = self.message.as_ref().map(|message| BegunMessage {
            opcode: message.opcode as u8,
            is_compressed: message.compressed,
            bytes: message.bytes.as_slice().into(),
            fragments: message.fragments,
        });
    }

    /// Goes on where another process has stopped; `None` if a stream cannot stand there.
    pub(super) fn import(inbound: &Inbound) -> Option<Partial> {
        let mut partial = Partial { control: inbound.control.to_vec(), ..Partial::default() };
        partial.head_len = inbound.head.len();
        // A whole header would have been read.
        partial.head[..MAX_CLIENT_HEADER - 1]
            .get_mut(..partial.head_len)?
            .copy_from_slice(&inbound.head);
        if let Some(begun) = &inbound.message {
            let opcode = Opcode::from_number(begun.opcode)?;
            let mut message = Message {
                opcode,
                compressed: begun.is_compressed,
                bytes: begun.bytes.to_vec(),
                checked: 0,
                fragments: begun.fragments,
            };
            if opcode == Opcode::Text && !begun.is_compressed {
                message.check_text().ok()?;
            }
            partial.message = (!opcode.is_control()).then_some(message);
        }
        if let Some(begun) = inbound.frame {
            let BegunFrame { is_final, is_compressed: compressed, mask, .. } = begun;
            let opcode = Opcode::from_number(begun.opcode)?;
            let (len, taken) = (usize::try_from(begun.len).ok()?, begun.taken as usize);
            let head = Head { opcode, is_final, compressed, mask, len };
            let fits = !opcode.is_control() || len <= MAX_CONTROL;
            // A frame has not taken more than its payload.
            let is_possible = begun.taken <= begun.len && fits;
            partial.frame = is_possible.then_some(Unfinished { head, taken });
            partial.frame.as_ref()?;
        }
        Some(partial)
    }

    /// Joins the held start of a header with `input`. Returns the header, if that completes it,
    /// and how many bytes of `input` it took.
    pub(super) fn complete_head(
        &mut self,
        input: &[u8],
        max_message: usize,
        deflate: bool,
    ) -> Result<(Option<Head>, usize), FrameError> {
        let held = self.head_len;
        let room = input.len().min(MAX_CLIENT_HEADER - held);
        self.head[held..held + room].copy_from_slice(&input[..room]);
        let bytes = &self.head[..held + room];
        match Head::parse(bytes, self.message.as_ref(), max_message, deflate)? {
            Some((head, size)) => {
                self.head_len = 0;
                Ok((Some(head), size - held))
            }
            None => {
                self.head_len = held + room;
                Ok((None, room))
            }
        }
    }

    /// Keeps the next, already unmasked, piece of a frame. Returns the payload of the event that it
    /// completes.
    pub(super) fn take_in(
        &mut self,
        frame: Unfinished,
        piece: &[u8],
        max_message: usize,
    ) -> Result<Option<Whole>, FrameError> {
        let head = frame.head;
        let taken = frame.taken + piece.len();
        let ended = taken == head.len;
        if !ended {
            self.frame = Some(Unfinished { head, taken });
            if piece.is_empty() {
                // Nothing to keep yet: the payload may still come whole, and be used in place.
                return Ok(None);
            }
        }
        if head.opcode.is_control() {
            self.control.extend_from_slice(piece);
            let whole = ended.then(|| std::mem::take(&mut self.control));
            let whole = whole.map(|bytes| Whole { opcode: head.opcode, compressed: false, bytes });
            return Ok(whole);
        }
        let message = self.message.get_or_insert_with(|| Message {
            opcode: head.opcode,
            compressed: head.compressed,
            bytes: Vec::new(),
            checked: 0,
            fragments: 0,
        });
        message.append(piece, max_message)?;
        message.fragments += u32::from(ended);
        if !(ended && head.is_final) {
            return Ok(None);
        }
        Ok(self.message.take().map(|message| {
            let Message { opcode, compressed, bytes, .. } = message;
            Whole { opcode, compressed, bytes }
        }))
    }
}
