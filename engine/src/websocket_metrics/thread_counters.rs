//! One thread's counters since it began: written by that thread alone, read by scrapes.

use std::sync::OnceLock;
use std::time::Duration;

use crate::exposition::{DURATION_BOUNDS, Folded, LATENCY_BOUNDS, seconds};
use crate::limits::MAX_CLASSES;
use crate::sync::SingleWriterCounter;
use crate::telemetry::{ConnectionError, MAX_LATENCY_NS, MessageError, MessageType, ServiceStats};
use crate::types::ServiceLoad;

/// Place of the class `other`, behind those with a name.
pub(super) const OTHER: usize = MAX_CLASSES;

/// One thread's counts. Nothing in it is ever reset, so that a reader needs no more than to add up.
#[derive(Debug)]
pub(super) struct ThreadCounters {
    pub(super) connects: SingleWriterCounter,
    pub(super) disconnects: SingleWriterCounter,
    pub(super) sent: [SingleWriterCounter; MessageType::COUNT],
    pub(super) received: [SingleWriterCounter; MessageType::COUNT],
    pub(super) connection_errors: [SingleWriterCounter; ConnectionError::COUNT],
    pub(super) message_errors: [SingleWriterCounter; MessageError::COUNT],
    pub(super) handling: [Times<{ LATENCY_BOUNDS.len() + 1 }>; MessageType::COUNT],
    /// By class, made when this thread first needs it.
    classes: [OnceLock<Box<BroadcastTimes>>; OTHER + 1],
}

pub(super) type BroadcastTimes = Times<{ DURATION_BOUNDS.len() + 1 }>;

impl ThreadCounters {
    pub(super) fn new() -> ThreadCounters {
        ThreadCounters {
            connects: SingleWriterCounter::default(),
            disconnects: SingleWriterCounter::default(),
            sent: Default::default(),
            received: Default::default(),
            connection_errors: Default::default(),
            message_errors: Default::default(),
            handling: std::array::from_fn(|_| Times::default()),
            classes: [const { OnceLock::new() }; OTHER + 1],
        }
    }

    /// A class's times, if this thread has any.
    pub(super) fn class(&self, place: usize) -> Option<&BroadcastTimes> {
        self.classes[place].get().map(|times| &**times)
    }

    pub(super) fn class_or_new(&self, place: usize) -> &BroadcastTimes {
        self.classes[place].get_or_init(Box::default)
    }
}

/// Times counted by bucket; the last one is for those beyond all bounds.
#[derive(Debug)]
pub(super) struct Times<const BUCKETS: usize> {
    counts: [SingleWriterCounter; BUCKETS],
    sum_ns: SingleWriterCounter,
}

impl<const BUCKETS: usize> Default for Times<BUCKETS> {
    fn default() -> Self {
        Times {
            counts: std::array::from_fn(|_| SingleWriterCounter::default()),
            sum_ns: SingleWriterCounter::default(),
        }
    }
}

impl<const BUCKETS: usize> Times<BUCKETS> {
    /// `bounds` is always the same, one fewer than there are buckets.
    pub(super) fn observe(&self, time: Duration, bounds: &[u64]) {
        let ns = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX).min(MAX_LATENCY_NS);
        self.counts[bounds.partition_point(|bound| *bound < ns)].add(1);
        self.sum_ns.add(ns);
    }
}

/// Adds up one count of all threads.
pub(super) fn sum<'a>(
    threads: impl IntoIterator<Item = &'a ThreadCounters>,
    of: impl Fn(&ThreadCounters) -> &SingleWriterCounter,
) -> u64 {
    threads.into_iter().map(|thread| of(thread).get()).sum()
}

/// The counts of all threads.
pub(super) fn stats(threads: &[&ThreadCounters]) -> ServiceStats {
    let sum =
        |of: &dyn Fn(&ThreadCounters) -> &SingleWriterCounter| sum(threads.iter().copied(), of);
    // First, so that a connection which ends meanwhile does not make fewer than none.
    let disconnects = sum(&|thread| &thread.disconnects);
    let connections = sum(&|thread| &thread.connects);
    ServiceStats {
        connections,
        load: ServiceLoad {
            connections: connections.saturating_sub(disconnects),
            ..ServiceLoad::default()
        },
        sent: std::array::from_fn(|i| sum(&|thread| &thread.sent[i])),
        received: std::array::from_fn(|i| sum(&|thread| &thread.received[i])),
        connection_errors: std::array::from_fn(|i| sum(&|thread| &thread.connection_errors[i])),
        message_errors: std::array::from_fn(|i| sum(&|thread| &thread.message_errors[i])),
        handling: Default::default(),
    }
}

/// Some threads' times in one.
pub(super) fn fold<'a, const BUCKETS: usize>(
    all: impl IntoIterator<Item = &'a Times<BUCKETS>>,
) -> Folded {
    let (mut counts, mut ns) = ([0; BUCKETS], 0);
    for times in all {
        for (sum, count) in counts.iter_mut().zip(&times.counts) {
            *sum += count.get();
        }
        ns += times.sum_ns.get();
    }
    Folded::from_counts(&counts, seconds(ns))
}
