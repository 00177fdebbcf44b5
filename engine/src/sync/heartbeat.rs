//! The liveness of a shard.

use super::atomics::{AtomicU64, Ordering};
use crate::types::Time;

/// When a shard's event loop last ran, in nanoseconds; at first the engine's start.
#[derive(Debug, Default)]
pub struct Heartbeat(AtomicU64);

impl Heartbeat {
    /// The event loop runs now.
    pub fn beat(&self, now: Time) {
        self.0.store(now.0, Ordering::Relaxed);
    }

    /// When the event loop last ran.
    pub fn last(&self) -> Time {
        Time(self.0.load(Ordering::Relaxed))
    }
}
