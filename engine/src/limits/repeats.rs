//! Publications that clients know by an id.

use std::time::Duration;

/// Publications of clients with an id that a shard remembers, for the channels homed there, so that
/// a repeat is known: with the longest ids, users and channels about 20 MB. The oldest of the user
/// that has the most go first.
pub const PUBLISHED_IDS: usize = 16_384;
/// How long they are remembered, those over HTTP too: publishers that retry have given up by then.
pub const PUBLISHED_ID_WINDOW: Duration = Duration::from_secs(120);
