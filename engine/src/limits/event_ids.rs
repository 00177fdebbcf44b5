//! Streams of Server-Sent Events.

use std::time::Duration;

/// Bytes of an event's `id`, which says what a client has of each of its stream's channels: a
/// browser sends it back in a header, of which proxies take 8 KiB and servers 16 KiB for all.
pub const MAX_EVENT_ID: usize = 6 << 10;
/// How long a browser may go by the answer to a preflight request: a change of `allowed-origin` is
/// in force by then, and a client that comes back often asks once.
pub const PREFLIGHT_AGE: Duration = Duration::from_secs(600);
