//! From nanoseconds, in HDR histograms or counted by bucket, to the few cumulative buckets of the
//! text format.

use hdrhistogram::Histogram;

/// Upper bounds in nanoseconds, from 10 µs to 5 s: the original family's from 1 ms on, and finer.
pub const DURATION_BOUNDS: [u64; 17] = [
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
];

/// The same and 10 s.
pub const LATENCY_BOUNDS: [u64; 18] = {
    let mut bounds = [10_000_000_000; 18];
    let mut i = 0;
    while i < DURATION_BOUNDS.len() {
        bounds[i] = DURATION_BOUNDS[i];
        i += 1;
    }
    bounds
};

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

/// One pass over what was recorded. A value counts as the lowest that looks the same to the
/// histogram, so that one equal to a bound is within it. Counts only rise, so buckets and sum do.
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
mod tests {
    use super::*;
    use crate::telemetry::{MAX_LATENCY_NS, latency_histogram};

    #[test]
    fn a_value_equal_to_a_bound_is_within_it() {
        for (i, bound) in LATENCY_BOUNDS.iter().enumerate() {
            let mut times = latency_histogram();
            times.record(*bound).unwrap();
            let folded = fold(Some(&times), &LATENCY_BOUNDS);
            let expected: Vec<u64> = (0..LATENCY_BOUNDS.len()).map(|j| u64::from(j >= i)).collect();
            assert_eq!(folded.cumulative, expected, "{bound} ns");
        }
    }

    #[test]
    fn buckets_rise_and_what_is_beyond_the_last_is_in_the_count_only() {
        let mut times = latency_histogram();
        for i in 0..1_000_u64 {
            times.record(1_000 + i * i * 9_973).unwrap();
        }
        times.record_n(MAX_LATENCY_NS, 3).unwrap();
        let folded = fold(Some(&times), &DURATION_BOUNDS);
        assert!(folded.cumulative.is_sorted());
        // One per cent of resolution may let a few more in, and none less.
        let within = |ns: u64| (0..1_000).filter(|i| 1_000 + i * i * 9_973 <= ns).count() as u64;
        let allowed = within(5_000_000_000)..=within(5_050_000_000);
        assert!(
            allowed.contains(&folded.cumulative[16]),
            "{} of {allowed:?}",
            folded.cumulative[16]
        );
        assert_eq!(folded.count, 1_003);
        let exact: u64 =
            (0..1_000).map(|i| 1_000 + i * i * 9_973).sum::<u64>() + 3 * MAX_LATENCY_NS;
        assert!((folded.sum / seconds(exact) - 1.0).abs() < 0.01, "{} s", folded.sum);
    }

    #[test]
    fn nothing_recorded_is_all_zero() {
        let zero = Folded { cumulative: vec![0; 17], count: 0, sum: 0.0 };
        assert_eq!(fold(None, &DURATION_BOUNDS), zero);
        assert_eq!(fold(Some(&latency_histogram()), &DURATION_BOUNDS), zero);
    }
}
