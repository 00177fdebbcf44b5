//! Values that more than one shard touches, none of them per delivery (invariant 5).

use super::atomics::{AtomicU32, AtomicU64, Ordering};
use super::room::Capacity;
use crate::types::Time;

/// Places for connections of the whole engine.
#[derive(Debug)]
pub struct Quota {
    room: Capacity,
    max: usize,
}

impl Quota {
    /// `max` places, all free.
    pub fn new(max: usize) -> Quota {
        Quota { room: Capacity::new(), max }
    }

    /// Takes a place. Returns whether there was one; then [`release`](Quota::release) it once.
    #[must_use]
    pub fn try_acquire(&self) -> bool {
        self.room.try_take(1, self.max)
    }

    /// Gives a place back.
    pub fn release(&self) {
        self.room.give_back(1);
    }

    /// Places taken now.
    pub fn in_use(&self) -> usize {
        self.room.used()
    }
}

/// When a shard last turned.
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

    /// When it last said so.
    pub fn last(&self) -> Time {
        Time(self.ns.load(Ordering::Relaxed))
    }
}

impl Default for Heartbeat {
    fn default() -> Heartbeat {
        Heartbeat::new()
    }
}

/// How far an engine has come: it starts, serves and drains, in this order.
#[derive(Debug)]
pub struct Stage {
    stage: AtomicU32,
}

const STARTING: u32 = 0;
const SERVING: u32 = 1;
const DRAINING: u32 = 2;

impl Stage {
    /// An engine that starts.
    pub fn new() -> Stage {
        Stage { stage: AtomicU32::new(STARTING) }
    }

    /// All shards serve.
    pub fn serve(&self) {
        self.stage.fetch_max(SERVING, Ordering::Relaxed);
    }

    /// The shards are about to be told to drain.
    pub fn drain(&self) {
        self.stage.fetch_max(DRAINING, Ordering::Relaxed);
    }

    /// Whether all shards serve, and none of them may end.
    pub fn is_serving(&self) -> bool {
        self.stage.load(Ordering::Relaxed) == SERVING
    }
}

impl Default for Stage {
    fn default() -> Stage {
        Stage::new()
    }
}
