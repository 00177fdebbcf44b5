//! Measuring without disturbing: a shard owns plain counters and histograms that no other thread
//! writes; on a timer it hands the full ones over and goes on with cleared ones.
//!
//! * [`Recorder`] is what the shard writes to: verbs at the call site, names elsewhere.
//! * [`Snapshot`] is what travels to the collector.
//! * [`Totals`] is where the collector adds snapshots up.

mod classes;
mod close_counts;
mod labels;
mod recorder;
mod shard_stats;
mod snapshot;
mod top_k;
mod totals;

pub use close_counts::{CloseCounts, CloseRow};
pub use labels::{Close, ConnectionError, Count, Gauge, Lag, Latency, MessageError};
pub use recorder::Recorder;
pub use shard_stats::ShardStats;
pub use snapshot::{ClassId, ClassStats, Counters, ServiceStats, Snapshot};
pub(crate) use top_k::keep_slowest;
pub use top_k::{HotChannel, Skipped, SlowConsumer, Standing};
pub use totals::{PerShard, Totals};

use hdrhistogram::Histogram;

pub use crate::types::MessageType;

/// Longest latency that a histogram distinguishes, in nanoseconds: a minute.
pub const MAX_LATENCY_NS: u64 = 60_000_000_000;

/// The class of a service's channels beyond `limits::MAX_CLASSES`.
const OTHER: &str = "other";

/// An empty latency histogram: nanoseconds from 1 µs to a minute at two significant digits,
/// about 20 KiB.
pub fn latency_histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1_000, MAX_LATENCY_NS, 2).expect("constant bounds are valid")
}

fn add<const N: usize>(sum: &mut [u64; N], new: &[u64; N]) {
    for (sum, new) in sum.iter_mut().zip(new) {
        *sum += new;
    }
}

fn merge(sum: &mut Histogram<u64>, new: &Histogram<u64>) {
    if !new.is_empty() {
        sum.add(new).expect("all histograms have the same bounds");
    }
}
