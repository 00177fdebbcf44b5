//! The stage of an engine's life.

use super::atomics::{AtomicU32, Ordering};

/// The stage of an engine: it starts, serves and drains, in this order.
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

    /// The shards are about to get the drain command.
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
