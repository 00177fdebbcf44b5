//! What is kept and counted for subscribers that are slow.

/// Bytes of a message's key: an identifier of what it is about, which the log keeps beside it.
pub const MAX_MESSAGE_KEY: usize = 64;
/// Of the bytes that a shard's logs hold, what they keep of keys beyond their frames is at most one
/// part in so many: the rest must be there for what is new.
pub const KEPT_SHARE: usize = 4;
