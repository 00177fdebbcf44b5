//! What all threads of a run share: the clock, the start and the stop.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use crate::process;

use crate::config::Config;

pub(crate) struct Shared {
    origin: Instant,
    /// Nanoseconds from the time since `origin` to the clock that stamps carry.
    offset: i64,
    /// Subscribers confirmed.
    pub(crate) ready: AtomicU32,
    /// Messages sent by all publishers.
    pub(crate) published: AtomicU64,
    /// When the load begins; `u64::MAX` before that is known.
    pub(crate) start: AtomicU64,
    /// Publishers: send no more.
    pub(crate) quit: AtomicBool,
    /// All threads: end.
    pub(crate) stop: AtomicBool,
}

impl Shared {
    /// On a clock of its own.
    pub(crate) fn new() -> Self {
        Self::on_clock(Instant::now(), 0)
    }

    /// On another clock, which shows `offset` nanoseconds more than have passed since `origin`.
    pub(crate) fn on_clock(origin: Instant, offset: i64) -> Self {
        Self {
            origin,
            offset,
            ready: AtomicU32::new(0),
            published: AtomicU64::new(0),
            start: AtomicU64::new(u64::MAX),
            quit: AtomicBool::new(false),
            stop: AtomicBool::new(false),
        }
    }

    /// Nanoseconds on the clock that stamps carry.
    pub(crate) fn now(&self) -> u64 {
        (self.origin.elapsed().as_nanos() as u64).saturating_add_signed(self.offset)
    }

    /// Whether the load has begun.
    pub(crate) fn started(&self) -> bool {
        self.start.load(Relaxed) != u64::MAX
    }
}

/// Keeps the calling thread on the CPUs of `--pin`. That they exist was checked before.
pub(crate) fn pin(config: &Config) {
    if let Some(cpus) = &config.args.pin {
        let _ = process::pin(&cpus.0);
    }
}
