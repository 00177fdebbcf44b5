//! What compressing broadcasts may take.

use std::time::Duration;

/// Bytes of text from which a message is compressed: less is not worth the time.
pub const DEFLATE_FROM: usize = 64;
/// Bytes of text up to which a message is compressed: some 2 ms. Larger ones are sent as they are.
pub const DEFLATE_UP_TO: usize = 256 << 10;
/// Subscribers that follow a channel's context from which it has a compressor; below, messages are
/// compressed by themselves where that is asked for.
pub const CONTEXT_SUBSCRIBERS: usize = 8;
/// zlib's level of compressors with a context: at 300 bytes a point and a half better than level 1.
pub const CONTEXT_LEVEL: i32 = 6;
/// Compressors of channels on one shard, [`CONTEXT_MEMORY`] each.
pub const CONTEXTS_PER_SHARD: usize = 1_000;
/// Bytes of one: its hash table has 128 KiB, its window and symbols the rest.
pub const CONTEXT_MEMORY: usize = 192 << 10;
/// For a channel without messages to lose its compressor. The next one costs nothing: subscribers
/// go on with it.
pub const CONTEXT_IDLE: Duration = Duration::from_secs(30);
/// Bytes that a message's twin must save to be sent on a connection that follows another channel's
/// context, which must then start anew: 0.45 of the window.
pub const ASIDE_SAVING: usize = 1_843;
/// Subscriptions of a connection up to which one of its channels is chosen, whose context it
/// follows; with more, messages are compressed by themselves.
pub const CONTEXT_CHOICES: usize = 64;
