//! Counts down to the last of several shards.

use super::atomics::{AtomicU32, Ordering};

/// Tells the last of `n` parties that it is the last.
#[derive(Debug)]
pub struct Countdown(AtomicU32);

impl Countdown {
    /// A countdown for `parties`.
    pub fn new(parties: u32) -> Countdown {
        Countdown(AtomicU32::new(parties))
    }

    /// One party is done. Returns whether it was the last.
    pub fn finish_one(&self) -> bool {
        // AcqRel: the last one sees all that the others did before.
        self.0.fetch_sub(1, Ordering::AcqRel) == 1
    }
}
