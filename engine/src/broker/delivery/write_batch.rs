//! A batch of writes: in it no connection is written twice (invariant 11). It ends by a flush,
//! after which every write is over and only exceptions are known.

use super::write_sink::{Flushed, Owed, Payload};
use crate::broker::channel::Sweep;
use crate::limits::JOIN_BYTES;
use crate::types::ChannelIndex;
use crate::types::{ConnectionKey, Epoch, Seq};

/// The batch being filled.
#[derive(Debug, Default)]
pub(super) struct WriteBatch {
    /// One per payload of the batch, in the order they were loaded.
    pub(super) runs: Vec<Run>,
    pub(super) flushed: Flushed,
    /// The payload of a sweep that a full batch or slice cut, to be loaded again.
    cut: Option<(SweepId, Payload)>,
    /// Buffers of joined payloads, for reuse.
    pool: Vec<Vec<u8>>,
}

/// Names a sweep: a slot may be reused, an epoch is not, and no channel sweeps to a place twice.
pub(super) type SweepId = (ChannelIndex, Epoch, Seq);

/// What the writes of one payload are.
#[derive(Clone, Copy, Debug)]
pub(super) enum Run {
    Sweep {
        channel: ChannelIndex,
        sweep: Sweep,
        /// Writes.
        count: u64,
        /// With this run every member of the live set is served.
        last: bool,
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
            Run::Sweep { count, .. } => *count,
            Run::Reply { .. } | Run::Laggard { .. } => 1,
        }
    }
}

/// Buffers kept for reuse; more are seldom in one batch.
const POOL: usize = 16;

impl WriteBatch {
    /// Several frames joined in a buffer.
    pub(super) fn join<'a>(&mut self, frames: impl Iterator<Item = &'a [u8]>) -> Payload {
        let mut joined = self.pool.pop().unwrap_or_default();
        frames.for_each(|frame| joined.extend_from_slice(frame));
        Payload::Owned(joined)
    }

    /// Keeps a payload's buffer for reuse.
    pub(super) fn recycle(&mut self, payload: Payload) {
        if let Payload::Owned(mut bytes) = payload
            && self.pool.len() < POOL
            && bytes.capacity() <= 2 * JOIN_BYTES
        {
            bytes.clear();
            self.pool.push(bytes);
        }
    }

    /// Keeps the payload of a sweep that goes on, or recycles it if another one is kept.
    pub(super) fn keep_cut(&mut self, sweep: SweepId, payload: Payload) {
        match self.cut {
            None => self.cut = Some((sweep, payload)),
            Some(_) => self.recycle(payload),
        }
    }

    /// The payload that was kept of this sweep.
    pub(super) fn take_cut(&mut self, sweep: SweepId) -> Option<Payload> {
        let (kept, payload) = self.cut.take()?;
        if kept == sweep {
            return Some(payload);
        }
        self.recycle(payload);
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
            Payload::Sealed(bytes, offset) => Payload::Sealed(bytes, offset + taken),
            Payload::Owned(mut bytes) => {
                bytes.drain(..taken);
                Payload::Owned(bytes)
            }
        },
    }
}
