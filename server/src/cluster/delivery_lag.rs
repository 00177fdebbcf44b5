//! How long publications took from their stream to the engine.

use uringcast_engine::exposition::{Folded, LATENCY_BOUNDS};

const BUCKETS: usize = LATENCY_BOUNDS.len() + 1;

/// Those times, counted by bucket. They are of two clocks: the stream's leader has said when it
/// stored a message, and this machine when it was delivered.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct DeliveryLag {
    counts: [u64; BUCKETS],
    sum_ns: u64,
}

impl DeliveryLag {
    /// A message that was stored then is delivered now: nanoseconds since 1970-01-01 UTC.
    pub(super) fn record(&mut self, stored: u64, now: u64) {
        let lag = now.saturating_sub(stored);
        self.counts[LATENCY_BOUNDS.partition_point(|bound| *bound < lag)] += 1;
        self.sum_ns = self.sum_ns.saturating_add(lag);
    }

    /// Those of all streams, as the text format has them.
    pub(crate) fn fold<'a>(all: impl IntoIterator<Item = &'a DeliveryLag>) -> Folded {
        let (mut counts, mut sum) = ([0; BUCKETS], 0.0);
        for one in all {
            counts.iter_mut().zip(one.counts).for_each(|(sum, count)| *sum += count);
            sum += one.sum_ns as f64 / 1e9;
        }
        Folded::from_counts(&counts, sum)
    }
}

#[cfg(test)]
mod tests;
