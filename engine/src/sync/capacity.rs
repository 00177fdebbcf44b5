//! Capacity for a bounded number of things, taken before they are made.

use super::atomics::{AtomicUsize, Ordering};

/// How much of something is in use.
#[derive(Debug, Default)]
pub(super) struct Capacity {
    used: AtomicUsize,
    refusals: AtomicUsize,
}

impl Capacity {
    /// Takes all of `n`, or nothing if then more than `limit` were in use.
    pub(super) fn try_take(&self, n: usize, limit: usize) -> bool {
        let mut used = self.used.load(Ordering::Relaxed);
        loop {
            match used.checked_add(n) {
                Some(sum) if sum <= limit => {
                    // Acquire: what was freed with the room can be used again.
                    let (done, now) = (Ordering::Acquire, Ordering::Relaxed);
                    match self.used.compare_exchange_weak(used, sum, done, now) {
                        Ok(_) => return true,
                        Err(current) => used = current,
                    }
                }
                _ => {
                    self.refusals.fetch_add(1, Ordering::Relaxed);
                    return false;
                }
            }
        }
    }

    /// Gives back `n` that were taken.
    pub(super) fn give_back(&self, n: usize) {
        self.used.fetch_sub(n, Ordering::Release);
    }

    /// How often there was not enough since the last call.
    pub(super) fn take_refusals(&self) -> usize {
        self.refusals.swap(0, Ordering::Relaxed)
    }

    pub(super) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }
}
