//! Counts by name, and histograms of times.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;

/// Counts by a short name.
pub(crate) type Counts = BTreeMap<String, u64>;

/// Nanoseconds from 1 µs to 60 s with three digits.
pub(crate) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1_000, 60_000_000_000, 3).expect("constant bounds are valid")
}

/// As [`histogram`], with two digits and an eighth of the memory, for the many slices of a run.
pub(crate) fn slice_histogram() -> Histogram<u32> {
    Histogram::new_with_bounds(1_000, 60_000_000_000, 2).expect("constant bounds are valid")
}

/// Adds `more` to `sum`, name by name.
pub(crate) fn add_counts(sum: &mut Counts, more: &Counts) {
    for (name, count) in more {
        *sum.entry(name.clone()).or_default() += count;
    }
}
