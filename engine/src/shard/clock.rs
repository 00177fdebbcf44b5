//! Reading the clocks, which the pure parts never do (invariant 8).

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};

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

/// CPU time this thread has used, in nanoseconds.
pub(super) fn cpu_time() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs()
}
