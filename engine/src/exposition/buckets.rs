//! From nanoseconds, in HDR histograms or counted by bucket, to the few cumulative buckets of the
//! text format.

use hdrhistogram::Histogram;

/// Upper bounds in microseconds: the original family's from 1 ms on, and finer.
const BOUNDS_US: [u64; 18] = [
    10, 25, 50, 100, 250, 500, 1_000, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
    1_000_000, 2_500_000, 5_000_000, 10_000_000,
];

/// Upper bounds in nanoseconds, from 10 µs to 10 s.
pub const LATENCY_BOUNDS: [u64; 18] = {
    let mut bounds = BOUNDS_US;
    let mut i = 0;
    while i < bounds.len() {
        bounds[i] *= 1_000;
        i += 1;
    }
    bounds
};

/// The same up to 5 s.
pub const DURATION_BOUNDS: [u64; 17] = *LATENCY_BOUNDS.first_chunk().expect("18 have 17");

/// A histogram as the text format has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Folded {
    /// Values up to each bound.
    pub cumulative: Vec<u64>,
    /// All values.
    pub count: u64,
    /// Their sum in seconds; of an HDR histogram as exact as its resolution (one per cent).
    pub sum: f64,
}

impl Folded {
    /// From the number of values in each bucket, the last one being for those beyond all bounds.
    pub fn from_counts(counts: &[u64], sum: f64) -> Folded {
        let running = counts.iter().scan(0, |running, n| {
            *running += n;
            Some(*running)
        });
        let mut cumulative: Vec<u64> = running.collect();
        let count = cumulative.pop().unwrap_or_default();
        Folded { cumulative, count, sum }
    }
}

/// Nanoseconds as the decimal that is nearest, not as a product that is slightly off.
pub fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}

/// One pass over what was recorded. A value counts as the lowest of its histogram
/// bucket, so that one equal to a bound is within it. Counts only rise, so buckets and sum do.
pub fn fold(times: Option<&Histogram<u64>>, bounds: &[u64]) -> Folded {
    let mut counts = vec![0; bounds.len() + 1];
    let mut sum = 0_u128;
    for (times, step) in times.iter().flat_map(|t| t.iter_recorded().map(move |step| (t, step))) {
        let value = step.value_iterated_to();
        let n = step.count_since_last_iteration();
        counts[bounds.partition_point(|bound| *bound < times.lowest_equivalent(value))] += n;
        sum += u128::from(times.median_equivalent(value)) * u128::from(n);
    }
    Folded::from_counts(&counts, sum as f64 / 1e9)
}

#[cfg(test)]
mod tests;
