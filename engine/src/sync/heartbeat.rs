//! The sign of life of a shard.

use super::atomics::{AtomicU64, Ordering};
use crate::types::Time;

/// Time of a shard's last turn.
#[derive(Debug)]
pub struct Heartbeat {
    ns: AtomicU64,
}

impl Heartbeat {
    /// A first beat at the engine's start.
    pub fn new() -> Heartbeat {
        Heartbeat { ns: AtomicU64::new(0) }
    }

    /// The shard turns now.
    pub fn beat(&self, now: Time) {
        self.ns.store(now.0, Ordering::Relaxed);
    }

    /// When the shard last turned.
    pub fn last(&self) -> Time {
        Time(self.ns.load(Ordering::Relaxed))
    }
}

impl Default for Heartbeat {
    fn default() -> Heartbeat {
        Heartbeat::new()
    }
}
