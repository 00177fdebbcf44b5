//! The limits of one iteration: constants of `limits`, but for the simulation, which makes them
//! tiny.

use std::time::Duration;

use crate::limits;

/// What one iteration, one send or one shard may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct TurnLimits {
    /// `limits::SLICE_DELIVERIES`.
    pub(super) slice: usize,
    /// `limits::TURN_CHANNELS`.
    pub(super) channels: usize,
    /// `limits::LAGGARDS_PER_TURN`.
    pub(super) laggards: usize,
    /// `limits::JOIN_BYTES`.
    pub(super) join: usize,
    /// `limits::LAGGARD_CHUNK`.
    pub(super) chunk: usize,
    /// `limits::LAGGARD_BYTES_PER_SHARD`.
    pub(super) laggard_bytes: usize,
    /// `limits::UNFINISHED_BYTES_PER_SHARD`.
    pub(super) unfinished_bytes: usize,
    /// `limits::PUBLISHING_BYTES_PER_SHARD`.
    pub(super) publishing_bytes: usize,
    /// `limits::CHANNEL_UNSWEPT_FRAMES`.
    pub(super) channel_frames: u64,
    /// `limits::SHARD_UNSWEPT_BYTES`.
    pub(super) shard_unswept: usize,
    /// `limits::CHANNEL_IDLE`.
    pub(super) channel_idle: Duration,
    /// `limits::CONTEXT_SUBSCRIBERS`.
    pub(super) context_subscribers: usize,
    /// `limits::CONTEXTS_PER_SHARD`.
    pub(super) contexts: usize,
    /// `limits::CONTEXT_IDLE`.
    pub(super) context_idle: Duration,
}

impl Default for TurnLimits {
    fn default() -> TurnLimits {
        TurnLimits {
            slice: limits::SLICE_DELIVERIES,
            channels: limits::TURN_CHANNELS,
            laggards: limits::LAGGARDS_PER_TURN,
            join: limits::JOIN_BYTES,
            chunk: limits::LAGGARD_CHUNK,
            laggard_bytes: limits::LAGGARD_BYTES_PER_SHARD,
            unfinished_bytes: limits::UNFINISHED_BYTES_PER_SHARD,
            publishing_bytes: limits::PUBLISHING_BYTES_PER_SHARD,
            channel_frames: limits::CHANNEL_UNSWEPT_FRAMES,
            shard_unswept: limits::SHARD_UNSWEPT_BYTES,
            channel_idle: limits::CHANNEL_IDLE,
            context_subscribers: limits::CONTEXT_SUBSCRIBERS,
            contexts: limits::CONTEXTS_PER_SHARD,
            context_idle: limits::CONTEXT_IDLE,
        }
    }
}
