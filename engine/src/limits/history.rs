//! What one request reads of a channel's log.

/// Messages of one answer at most: a millisecond of who writes them, some 50 µs of the home shard.
pub const HISTORY_MESSAGES: usize = 1_000;
/// Messages of one answer unless the request says otherwise.
pub const DEFAULT_HISTORY_MESSAGES: usize = 100;
/// Bytes of the messages of one answer over HTTP, but for a first one that is larger: as much as a
/// channel's log holds unless configured.
pub const HISTORY_BYTES: usize = 1 << 20;
/// The part of `max_outbox` that one answer to a client may have: with another reply beside it a
/// client that does not read at the moment is not closed for it.
pub const HISTORY_ANSWER_SHARE: usize = 2;
