//! What stays the same when another process goes on with an engine.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use crate::handover::EngineState;
use crate::types::{Epoch, Homes};

/// What stays the same when another process goes on with an engine.
#[derive(Debug)]
pub(super) struct Lineage {
    /// Of all logs.
    pub epoch: Epoch,
    /// Of the hash by which channels have their homes.
    homes: [u64; 2],
    /// The zero of the engine's time.
    pub started: Instant,
}

impl Lineage {
    /// Of an engine that begins.
    pub(super) fn new() -> Lineage {
        let (started, random) = (Instant::now(), RandomState::new());
        let epoch = Epoch(RandomState::new().hash_one(started).max(1));
        Lineage { epoch, homes: [0, 1].map(|half| random.hash_one(half)), started }
    }

    /// Of an engine with the state `from`, which has just arrived.
    pub(super) fn of(from: &EngineState) -> Lineage {
        let now = Instant::now();
        // The clock counts from the start of the machine, the engine from later on.
        let started = now.checked_sub(Duration::from_nanos(from.time.0)).unwrap_or(now);
        Lineage { epoch: from.epoch, homes: from.homes.key(), started }
    }

    pub(super) fn homes(&self, shards: usize) -> Homes {
        Homes::new(self.homes, shards)
    }
}
