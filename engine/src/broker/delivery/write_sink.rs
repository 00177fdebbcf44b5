//! Where the broker's bytes go: the seam between deciding and doing.

use std::rc::Rc;

use crate::shared_frame::{Deflation, Frame};
use crate::types::Time;

/// Bytes that one or many connections are to be sent.
#[derive(Debug)]
pub enum Payload {
    /// A shared frame from the given offset on.
    Frame(Rc<Frame>, usize),
    /// A shared frame's other encoding from the given offset on.
    Encoded(Rc<Frame>, Deflation, usize),
    /// Bytes made for this run: replies. Given back after the flush.
    Owned(Vec<u8>),
    /// Joined frames, from the given offset on.
    Joined(Rc<Vec<u8>>, usize),
    /// Ciphertext from the given offset on, sealed earlier and owed: sent as it is (its record
    /// number is spent).
    Sealed(Vec<u8>, usize),
}

impl Payload {
    /// The bytes to write.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Payload::Frame(frame, offset) => &frame.bytes()[*offset..],
            Payload::Encoded(frame, encoding, offset) => &frame.encoded(*encoding)[*offset..],
            Payload::Owned(bytes) => bytes,
            Payload::Joined(bytes, offset) => &bytes[*offset..],
            Payload::Sealed(bytes, offset) => &bytes[*offset..],
        }
    }
}

impl AsRef<[u8]> for Payload {
    fn as_ref(&self) -> &[u8] {
        self.bytes()
    }
}

/// What is still owed after a write that was not whole.
#[derive(Debug, PartialEq, Eq)]
pub enum Owed {
    /// The socket took this many bytes of the payload, fewer than all (0 when it was full).
    After(usize),
    /// The payload was sealed into this ciphertext, which the socket has not taken. Everything of
    /// the payload is in it.
    Sealed(Vec<u8>),
    /// The socket is dead; the error number.
    Dead(i32),
}

/// A write that did not go out whole.
#[derive(Debug, PartialEq, Eq)]
pub struct Short {
    /// Its connection.
    pub connection: u32,
    /// Which payload: its place in [`Flushed::payloads`].
    pub run: usize,
    /// What is still owed.
    pub owed: Owed,
}

/// What a flush brought.
#[derive(Debug, Default)]
pub struct Flushed {
    /// Clock after the submission.
    pub at: Time,
    /// Exceptions only: a write that is not here went out whole.
    pub shorts: Vec<Short>,
    /// The payloads of the batch in the order they were loaded.
    pub payloads: Vec<Payload>,
}

/// Takes writes in batches. Every write of a batch has ended when `flush` returns; a connection is
/// written at most once per batch (invariant 11, which the gate keeps, not the outlet).
pub trait WriteSink {
    /// Starts a run: the bytes that every `push` until the next `load` writes.
    fn load(&mut self, payload: Payload);

    /// Queues one write of the loaded payload. Returns whether the batch is now full: the caller
    /// must flush before it loads or pushes again.
    #[must_use]
    fn push(&mut self, connection: u32) -> bool;

    /// Writes everything queued and reports into `out`, which arrives empty.
    fn flush(&mut self, out: &mut Flushed);
}
