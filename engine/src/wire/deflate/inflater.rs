//! Inflates clients' messages.

use std::fmt;

use zlib_rs::{Inflate, InflateFlush, Status};

use super::TAIL;
use crate::limits::{FINAL_BLOCKS, INFLATE_BUFFER};

/// Bits of the largest window a client may use (RFC 7692, 7.1.2.2): it is not asked for less.
const WINDOW_BITS: u8 = 15;
/// An empty last block behind the tail: inflating ends with it exactly if the message ends where
/// a block does.
const LAST_BLOCK: [u8; 2] = [3, 0];

/// Why a message cannot be inflated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InflateError {
    /// It is no deflate stream, or ends inside a block.
    Corrupt,
    /// It has more bytes than the limit: so many, at least.
    TooBig(u64),
}

/// Inflates messages, each by itself; one serves all connections of a shard. Takes no memory before
/// the first message; then 40 KB, and the largest message's bytes until [`Inflater::trim`].
#[derive(Default)]
pub struct Inflater {
    state: Option<Box<Inflate>>,
    /// The message's bytes, up to `len`; behind them room, with what was there before.
    out: Vec<u8>,
    len: usize,
}

impl Inflater {
    /// Inflates the payload of one compressed message, of at most `limit` bytes.
    ///
    /// # Errors
    /// [`InflateError`]; the next message can be inflated nevertheless.
    pub fn inflate(&mut self, payload: &[u8], limit: usize) -> Result<&[u8], InflateError> {
        let mut state = match self.state.take() {
            Some(mut state) => {
                state.reset(false);
                state
            }
            None => Box::new(Inflate::new(false, WINDOW_BITS)),
        };
        self.len = 0;
        // The last message may have had another limit.
        self.out.truncate(limit.saturating_add(1));
        let result = self.message(&mut state, payload, limit);
        self.state = Some(state);
        result.map(|()| &self.out[..self.len])
    }

    /// Gives back what a large message took.
    pub fn trim(&mut self) {
        if self.out.capacity() > INFLATE_BUFFER {
            self.out = Vec::new();
        }
    }

    /// Bytes of its buffer.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.out.capacity()
    }

    fn message(
        &mut self,
        state: &mut Inflate,
        mut payload: &[u8],
        limit: usize,
    ) -> Result<(), InflateError> {
        let mut blocks = 0;
        loop {
            let (taken, ended) = self.feed(state, payload, limit)?;
            payload = &payload[taken..];
            if !ended {
                break;
            }
            // A block with BFINAL (RFC 7692, 7.2.3.4). The next one begins anew; the last one has
            // nothing behind it, or the empty block that takes the tail.
            blocks += 1;
            if payload.is_empty() || payload == [0] {
                return Ok(());
            } else if blocks == FINAL_BLOCKS {
                return Err(InflateError::Corrupt);
            }
            state.reset(false);
        }
        let mut end = [0; TAIL.len() + LAST_BLOCK.len()];
        end[..TAIL.len()].copy_from_slice(&TAIL);
        end[TAIL.len()..].copy_from_slice(&LAST_BLOCK);
        match self.feed(state, &end, limit)? {
            (taken, true) if taken == end.len() => Ok(()),
            _ => Err(InflateError::Corrupt),
        }
    }

    /// Inflates all of `input`, or up to a block with BFINAL. Returns how much of it was taken, and
    /// whether such a block has ended.
    fn feed(
        &mut self,
        state: &mut Inflate,
        input: &[u8],
        limit: usize,
    ) -> Result<(usize, bool), InflateError> {
        let mut taken = 0;
        loop {
            self.make_room(input.len(), limit)?;
            let (before_in, before_out) = (state.total_in(), state.total_out());
            let out = &mut self.out[self.len..];
            let status = state.decompress(&input[taken..], out, InflateFlush::SyncFlush);
            let status = status.map_err(|_| InflateError::Corrupt)?;
            taken += (state.total_in() - before_in) as usize;
            self.len += (state.total_out() - before_out) as usize;
            if self.len > limit {
                return Err(InflateError::TooBig(self.len as u64));
            } else if status == Status::StreamEnd {
                return Ok((taken, true));
            } else if self.len < self.out.len() {
                // Not stopped by a full output: it has taken all that it can.
                return if taken == input.len() {
                    Ok((taken, false))
                } else {
                    Err(InflateError::Corrupt)
                };
            }
        }
    }

    /// Room for at least one more byte, and for one more than the limit at most.
    fn make_room(&mut self, input: usize, limit: usize) -> Result<(), InflateError> {
        if self.len < self.out.len() {
            return Ok(());
        }
        let wanted = (2 * self.len).max(4 * input).max(self.out.capacity()).max(1);
        let wanted = wanted.min(limit.saturating_add(1));
        if wanted <= self.len {
            return Err(InflateError::TooBig(self.len as u64));
        }
        self.out.reserve_exact(wanted - self.out.len());
        self.out.resize(wanted, 0);
        Ok(())
    }
}

impl fmt::Debug for Inflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inflater").field("buffer", &self.out.capacity()).finish_non_exhaustive()
    }
}
