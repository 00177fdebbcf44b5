//! What is on the way between shards.

use super::CHANNEL_UNSWEPT_BYTES;

/// Publications on the way from one shard to another.
pub const PUBLISH_LANE: usize = 4_096;
/// Frames on the way from one shard to another.
pub const FANOUT_LANE: usize = 4_096;
/// Bytes of those frames, less one frame: as many as a channel may have unswept. Beyond, the shard
/// is a reader with a cursor, whose frames stay in the log and count as unswept.
pub const FANOUT_LANE_BYTES: usize = CHANNEL_UNSWEPT_BYTES;
/// Requests (publish, join, recall) one shard may have open at another: so many replies always
/// find room in the fan-out lane, beyond [`FANOUT_LANE`].
pub const LANE_CREDITS: usize = 1_024;

/// Shards up to which every lane has its full length; beyond, [`per_lane`] shortens them, so that
/// the lanes of 64 shards, of which there are 4,032 pairs, stay within some hundred megabytes.
pub const FULL_LANE_SHARDS: usize = 8;

/// `entries` of a lane ([`PUBLISH_LANE`], [`FANOUT_LANE`], [`LANE_CREDITS`]), or its bytes
/// ([`FANOUT_LANE_BYTES`]), in an engine of so many shards.
pub const fn per_lane(entries: usize, shards: usize) -> usize {
    if shards > FULL_LANE_SHARDS { entries * FULL_LANE_SHARDS / shards } else { entries }
}
