//! permessage-deflate (RFC 7692): what was agreed on, and both directions of it.
//!
//! | file | type |
//! |---|---|
//! | `offer` | the client's offers and the answer to them |
//! | `inflater` | [`Inflater`]: a client's messages, each by itself |
//! | `deflater` | [`Deflater`]: the server's messages |

mod deflater;
mod inflater;
mod offer;

pub use deflater::Deflater;
pub use inflater::{InflateError, Inflater};
pub use offer::negotiate;

use crate::handover::DeflateTerms;
use crate::limits::DEFLATE_WINDOW_BITS;

/// What every sync flush ends with, and no message carries (RFC 7692, 7.2.1).
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// What a connection has agreed on. The client keeps no context: each of its messages is inflated
/// by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deflate {
    window_bits: u8,
    twins_only: bool,
}

impl Deflate {
    /// Bits of the window with which the client inflates: 8 to [`DEFLATE_WINDOW_BITS`].
    pub fn window_bits(self) -> u8 {
        self.window_bits
    }

    /// Whether only messages that were compressed by themselves may be sent: the client forgets
    /// its window after each, or it is smaller than the server's.
    pub fn is_twins_only(self) -> bool {
        self.twins_only
    }

    /// What another process needs to know of it.
    pub(crate) fn export(self) -> DeflateTerms {
        DeflateTerms { window_bits: self.window_bits, is_twins_only: self.twins_only }
    }

    /// What was agreed on with another process; `None` if that cannot be.
    pub(crate) fn import(terms: DeflateTerms) -> Option<Deflate> {
        let DeflateTerms { window_bits, is_twins_only } = terms;
        let is_smaller = window_bits < DEFLATE_WINDOW_BITS;
        let can_be = (8..=DEFLATE_WINDOW_BITS).contains(&window_bits);
        let twins_only = is_twins_only || is_smaller;
        can_be.then_some(Deflate { window_bits, twins_only })
    }

    /// Whether the client can inflate a message of so many bytes that was compressed by itself,
    /// with a window of [`DEFLATE_WINDOW_BITS`]: nothing in it may refer back too far.
    pub fn fits(self, plain: usize) -> bool {
        self.window_bits >= DEFLATE_WINDOW_BITS || plain <= 1 << self.window_bits
    }
}

#[cfg(test)]
mod tests;
