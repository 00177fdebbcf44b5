//! A batch of writes: in it no connection is written twice (invariant 11). It ends by a flush,
//! after which every write is over and only exceptions are known.

use std::rc::Rc;

use super::chain_encodings::Encodings;
use super::chains::Chain;
use super::marks::Piece;
use super::write_sink::{Flushed, Owed, Payload};
use crate::broker::channel::Sweep;
use crate::shared_frame::Deflation;
use crate::types::{ChannelIndex, ConnectionKey, Encoding, Epoch, Seq};

/// The batch being filled.
#[derive(Debug, Default)]
pub(super) struct WriteBatch {
    /// One per payload of the batch, in the order they were loaded.
    pub(super) runs: Vec<Run>,
    pub(super) flushed: Flushed,
    /// The payload of a sweep that a full batch or slice cut, to be loaded again.
    cut: Option<(SweepId, Piece)>,
    /// Buffers of joined payloads, for reuse.
    pool: Vec<Vec<u8>>,
}

/// Names what a sweep writes in one encoding: a slot may be reused, an epoch is not, and no channel
/// sweeps to a place twice.
pub(super) type SweepId = (ChannelIndex, Epoch, Seq, Encoding, Deflation);

/// What the writes of one payload are.
#[derive(Clone, Copy, Debug)]
pub(super) enum Run {
    Sweep {
        channel: ChannelIndex,
        sweep: Sweep,
        encoding: Encoding,
        deflation: Deflation,
        /// Writes.
        count: u64,
        /// With this run every member of the live set is served.
        last: bool,
    },
    /// What connections are owed by marked sweeps.
    Chain {
        chain: Chain,
        encodings: Encodings,
        count: u64,
        /// Bytes of a reply in front of it.
        reply: usize,
    },
    Reply {
        key: ConnectionKey,
        closes: bool,
    },
    Laggard {
        key: ConnectionKey,
    },
}

impl Run {
    /// Sockets it writes to.
    pub(super) fn writes(&self) -> u64 {
        match self {
            Run::Sweep { count, .. } | Run::Chain { count, .. } => *count,
            Run::Reply { .. } | Run::Laggard { .. } => 1,
        }
    }
}

/// Buffers kept for reuse, and bytes of the largest of them; more are seldom in one batch.
const POOL: usize = 64;
const POOL_BUFFER: usize = 128 << 10;

impl WriteBatch {
    /// An empty buffer to join frames in.
    pub(super) fn buffer(&mut self) -> Vec<u8> {
        self.pool.pop().unwrap_or_default()
    }

    /// What is written into a buffer.
    pub(super) fn joined(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Piece {
        let mut joined = self.buffer();
        write(&mut joined);
        Piece::Joined(Rc::new(joined))
    }

    /// Keeps a payload's buffer for reuse, if nothing else needs it.
    pub(super) fn recycle(&mut self, payload: Payload) {
        let buffer = match payload {
            Payload::Owned(bytes) => Some(bytes),
            Payload::Joined(bytes, _) => Rc::into_inner(bytes),
            Payload::Frame(..) | Payload::Encoded(..) | Payload::Sealed(..) => None,
        };
        if let Some(mut bytes) = buffer
            && self.pool.len() < POOL
            && bytes.capacity() <= POOL_BUFFER
        {
            bytes.clear();
            self.pool.push(bytes);
        }
    }

    /// Keeps the bytes of a sweep that goes on, or recycles them if others are kept.
    pub(super) fn keep_cut(&mut self, sweep: SweepId, payload: Payload) {
        let piece = match payload {
            Payload::Frame(frame, 0) => Piece::Frame(frame),
            Payload::Encoded(frame, encoding, 0) => Piece::Encoded(frame, encoding),
            Payload::Joined(bytes, 0) => Piece::Joined(bytes),
            other => return self.recycle(other),
        };
        match self.cut {
            None => self.cut = Some((sweep, piece)),
            Some(_) => self.recycle(piece.into()),
        }
    }

    /// The bytes that were kept of this sweep.
    pub(super) fn take_cut(&mut self, sweep: SweepId) -> Option<Piece> {
        let (kept, piece) = self.cut.take()?;
        if kept == sweep {
            return Some(piece);
        }
        self.recycle(piece.into());
        None
    }
}

/// What is left of a payload, kept for later.
pub(super) fn rest_of(payload: &mut Payload, owed: Owed) -> Payload {
    match owed {
        Owed::Sealed(rest) => Payload::Sealed(rest, 0),
        Owed::Dead(_) => Payload::Owned(Vec::new()),
        Owed::After(taken) => match std::mem::replace(payload, Payload::Owned(Vec::new())) {
            Payload::Frame(frame, offset) => Payload::Frame(frame, offset + taken),
            Payload::Encoded(frame, encoding, offset) => {
                Payload::Encoded(frame, encoding, offset + taken)
            }
            Payload::Sealed(bytes, offset) => Payload::Sealed(bytes, offset + taken),
            Payload::Joined(bytes, offset) => Payload::Joined(bytes, offset + taken),
            Payload::Owned(mut bytes) => {
                bytes.drain(..taken);
                Payload::Owned(bytes)
            }
        },
    }
}
