//! Counts down to the last of several shards.

use super::atomics::{AtomicU32, Ordering};

/// Detects the last of `n` parties to finish.
#[derive(Debug)]
pub struct Countdown(AtomicU32);

impl Countdown {
    /// A countdown for `parties`.
    pub fn new(parties: u32) -> Countdown {
        Countdown(AtomicU32::new(parties))
    }

    /// One party is done; called once by each. Returns whether it was the last.
    pub fn finish_one(&self) -> bool {
        // Acquire, here or below: the last one sees all that the others did before. If only one is
        // left, it is the caller: no read-modify-write, and on one shard never one.
        if self.0.load(Ordering::Acquire) == 1 {
            self.0.store(0, Ordering::Relaxed);
            return true;
        }
        self.0.fetch_sub(1, Ordering::AcqRel) == 1
    }
}
