//! Whether the owner must be woken: the half of the doorbell that is only memory, so that loom can
//! model it.

use super::atomics::{AtomicBool, Ordering, fence};

/// Whether the owner is parked. Every write is a swap, so that all of them have
/// one order: with plain stores loom finds a parked owner that a late claim hides from the next.
#[derive(Debug, Default)]
pub(super) struct Parking {
    parked: AtomicBool,
}

impl Parking {
    /// Called after work was made visible. True for one of the callers that find the owner parked:
    /// that one must wake it.
    pub(super) fn claim_wake(&self) -> bool {
        // Pairs with the fence in `park`: of "work, then check parked" and "parked, then check
        // work" at least one sees the other (invariant 7).
        fence(Ordering::SeqCst);
        self.claim()
    }

    /// The same without the fence: certain to see the owner only after a SeqCst fence of the
    /// caller's own since the work was made visible.
    pub(super) fn claim(&self) -> bool {
        self.parked.load(Ordering::Relaxed) && self.parked.swap(false, Ordering::Relaxed)
    }

    /// The owner will sleep, unless it finds work when it checks once more after this.
    pub(super) fn park(&self) {
        self.parked.swap(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// The owner is awake.
    pub(super) fn unpark(&self) {
        self.parked.swap(false, Ordering::Relaxed);
    }
}
