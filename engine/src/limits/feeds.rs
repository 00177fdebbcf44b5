//! What passes between the shards and an order of channels outside.

use std::time::Duration;

/// Messages and answers of the external order that wait for one shard.
pub const FEED_MESSAGES: usize = 65_536;
/// Bytes of those messages: as many as a shard may have unswept.
pub const FEED_BYTES: usize = 64 << 20;
/// Publications of a shard's clients that the external order has not answered: a second of what one
/// shard's clients may be expected to publish.
pub const UPSTREAM_PUBLICATIONS: usize = 8_192;
/// A shard waits no longer for a channel to be followed: subscribers then go on with what is here,
/// or are refused where nothing is. Longer than a stream's leader takes to be replaced.
pub const UPSTREAM_PATIENCE: Duration = Duration::from_secs(10);
