//! What one request reads of a channel's log, and the states that stand before it.

use super::MAX_STATUS_DOCUMENT;

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
/// Bytes of one state document, which each subscriber that asks for it is sent: as many as of a
/// status document.
pub const MAX_STATE: usize = MAX_STATUS_DOCUMENT;
/// What a state takes beside its own bytes: its channel, which stays for it.
pub const STATE_REST: usize = 1 << 10;
/// Of the bytes that a shard's logs may hold, states take at most one part in so many: the rest is
/// for what comes after them.
pub const STATE_SHARE: usize = 4;
