//! Reading the clocks, which the pure parts never do (invariant 8).

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::types::{Now, Time};

/// Monotonic time since the engine started.
pub(super) fn time(started: Instant) -> Time {
    Time(u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX))
}

/// Both clocks.
pub(super) fn now(started: Instant) -> Now {
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Now { mono: time(started), unix_us: i64::try_from(unix.as_micros()).unwrap_or(i64::MAX) }
}
