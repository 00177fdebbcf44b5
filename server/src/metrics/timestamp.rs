//! A moment by both clocks.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A moment by both clocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timestamp {
    pub mono: Instant,
    pub wall: SystemTime,
}

impl Timestamp {
    pub(super) fn now() -> Timestamp {
        Timestamp { mono: Instant::now(), wall: SystemTime::now() }
    }

    /// Time since 1970.
    pub(super) fn since_1970(self) -> Duration {
        self.wall.duration_since(UNIX_EPOCH).unwrap_or_default()
    }
}
