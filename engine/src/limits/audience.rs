//! Who is told of channels that appear.

/// Patterns of one connection: a dashboard has one a kind of channel.
pub const PATTERNS_PER_CONNECTION: usize = 16;
/// Different patterns that the clients of a shard have: some 250 KiB, which each other shard looks
/// through when a channel appears.
pub const PATTERNS_PER_SHARD: usize = 1_024;

/// Members that channels are given in one iteration of a shard because of patterns, before further
/// publications wait for the next one: some 2 ms.
pub const REACHED_PER_TURN: usize = 8_192;
