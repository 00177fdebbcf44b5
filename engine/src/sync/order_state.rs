//! What all threads must know of the order of channels.

use super::atomics::{AtomicU32, AtomicU64, Ordering};
use super::capacity::Capacity;
use crate::types::Epoch;

/// The epoch of positions, whether an external order takes publications, and how many of those from
/// outside the shards it has not answered.
#[derive(Debug)]
pub struct OrderState {
    epoch: AtomicU64,
    degraded: AtomicU32,
    open: Capacity,
}

impl OrderState {
    /// An order in this epoch that takes publications.
    pub fn new(epoch: Epoch) -> OrderState {
        let (epoch, degraded) = (AtomicU64::new(epoch.0), AtomicU32::new(0));
        OrderState { epoch, degraded, open: Capacity::default() }
    }

    /// The epoch of positions that are given now.
    pub fn epoch(&self) -> Epoch {
        Epoch(self.epoch.load(Ordering::Relaxed))
    }

    /// Another epoch begins.
    pub fn set_epoch(&self, epoch: Epoch) {
        self.epoch.store(epoch.0, Ordering::Relaxed);
    }

    /// Whether publications are refused for now.
    pub fn is_degraded(&self) -> bool {
        self.degraded.load(Ordering::Relaxed) > 0
    }

    /// Publications are refused from now on, or taken again.
    pub fn set_degraded(&self, degraded: bool) {
        self.degraded.store(u32::from(degraded), Ordering::Relaxed);
    }

    /// Takes a place for one more publication without an answer, of `limit`.
    pub fn try_open(&self, limit: usize) -> bool {
        self.open.try_take(1, limit)
    }

    /// A publication was answered.
    pub fn close(&self) {
        self.open.give_back(1);
    }
}
