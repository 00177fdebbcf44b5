//! Bounds of a state that is handed over to another process (docs/HANDOVER.md).

use super::MAX_SHARDS;

/// Parts of a state: one for each shard, and room for what programs around the engine add. All
/// other lengths in it are bounded by the bytes that are there.
pub const HANDOVER_PARTS: u32 = 8 * MAX_SHARDS as u32;
