//! A count that one thread writes and others read.

use super::atomics::{AtomicU64, Ordering};

/// Counts up. Only one thread may add: adding is a load and a store, not a locked instruction, so
/// that of two writers one would lose its addition.
#[derive(Debug, Default)]
pub struct SingleWriterCounter(AtomicU64);

impl SingleWriterCounter {
    /// Adds `n`.
    pub fn add(&self, n: u64) {
        // Relaxed: a reader may be late, and no order between counts is needed.
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(n), Ordering::Relaxed);
    }

    /// What was added so far.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
