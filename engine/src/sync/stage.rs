//! The stage of an engine's life.

use super::atomics::{AtomicU32, Ordering};

/// The stage of an engine: it starts (0), serves and drains, in this order.
#[derive(Debug, Default)]
pub struct Stage(AtomicU32);

const SERVING: u32 = 1;
const DRAINING: u32 = 2;

impl Stage {
    /// All shards serve.
    pub fn serve(&self) {
        self.0.fetch_max(SERVING, Ordering::Relaxed);
    }

    /// The shards are about to get the drain command.
    pub fn drain(&self) {
        self.0.fetch_max(DRAINING, Ordering::Relaxed);
    }

    /// Whether all shards serve, and none of them may end.
    pub fn is_serving(&self) -> bool {
        self.0.load(Ordering::Relaxed) == SERVING
    }
}
