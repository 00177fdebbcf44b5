//! The end of a server, or of a part of its connections.

use std::time::Duration;

/// Ticks between the start of a drain and the closing of connections: time for what other shards
/// have accepted to arrive.
pub const DRAIN_TICKS: u32 = 2;
/// For every connection to be flushed and closed on shutdown.
pub const DEFAULT_DRAIN: Duration = Duration::from_secs(10);
/// The longest drain: a day, so that its end can still be computed.
pub const MAX_DRAIN: Duration = Duration::from_secs(86_400);
/// Beyond the drain's deadline, for a shard to report that it has drained.
pub const DRAIN_GRACE: Duration = Duration::from_secs(1);
/// Time over which clients are told to reconnect, and closed, before the drain: 10,000 of them make
/// 2,000 connections a second elsewhere. With [`DEFAULT_DRAIN`] it stays below the 30 s after which
/// service managers kill.
pub const DEFAULT_DRAIN_SPREAD: Duration = Duration::from_secs(5);
/// The longest such time.
pub const MAX_DRAIN_SPREAD: Duration = Duration::from_secs(3_600);
/// What clients are advised to wait at most before they first try to reconnect: a restart takes
/// some hundred milliseconds.
pub const DEFAULT_RECONNECT_BASE: Duration = Duration::from_secs(1);
/// What they are advised to wait at most between two tries: a server that has been away for long is
/// found again within half a minute, and 10,000 clients try 700 times a second meanwhile.
pub const DEFAULT_RECONNECT_MAX: Duration = Duration::from_secs(30);
