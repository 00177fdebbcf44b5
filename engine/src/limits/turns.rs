//! What one iteration of a shard may do, so that nobody waits long for another.

/// Deliveries of one turn; the rest of a large sweep waits for the next one, so that a small
/// channel waits for two slices at most: docs/decisions/0005 has the curve.
pub const SLICE_DELIVERIES: usize = 256;
/// Bytes of a write for each of which it counts as another delivery of its slice: the kernel copies
/// so many about as fast as it sends a small message.
pub const DELIVERY_BYTES: usize = 8 << 10;
/// Publications a shard takes from its mailbox and lanes in one turn (the rest of a batch waits
/// for the next one), and clients' messages beside them: docs/decisions/0011 has the curve of
/// what others wait meanwhile. Each whole receive buffer counts as a message, and so do as many
/// bytes of a publication and each channel of a request.
pub const TURN_MESSAGES: usize = 256;
/// Channels that the requests of one iteration name beside their first, above which requests for
/// several wait for the next one: others wait for one request of a storm, and not for all.
pub const TURN_CHANNELS: usize = 64;
/// Laggards served in one turn: a storm of recoveries prolongs it by a fifth of a slice of a sweep,
/// docs/decisions/0031.
pub const LAGGARDS_PER_TURN: usize = 16;
/// Receives re-armed in one turn.
pub const REARMS_PER_TURN: usize = 256;
/// Of receives re-armed at once, those whose last one filled its buffer: a crowd that sends more
/// than it can be served holds the others up by 64 KiB, not by a buffer for each of it.
pub const FULL_REARMS: usize = 16;
