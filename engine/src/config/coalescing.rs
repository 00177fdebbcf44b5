//! How long a channel's messages may wait for more, to be sent together.

use std::time::Duration;

use crate::types::ChannelPattern;

/// Channels whose messages may wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coalescing {
    /// Which. Of several patterns that match a channel the longest counts.
    pub channels: ChannelPattern,
    /// How long a message waits for others at most, on each shard, until
    /// [`MAX_COALESCING`](crate::limits::MAX_COALESCING). It ends up to
    /// [`COALESCING_PRECISION`](crate::limits::COALESCING_PRECISION) early.
    pub window: Duration,
}
