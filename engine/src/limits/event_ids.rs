//! Streams of Server-Sent Events.

/// Bytes of an event's `id`, which says what a client has of each of its stream's channels: a
/// browser sends it back in a header, of which proxies take 8 KiB and servers 16 KiB for all.
pub const MAX_EVENT_ID: usize = 6 << 10;
