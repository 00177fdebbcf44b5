//! What is kept and counted for subscribers that are slow.

/// Bytes of a message's key: an identifier of what it is about, which the log keeps beside it.
pub const MAX_MESSAGE_KEY: usize = 64;
