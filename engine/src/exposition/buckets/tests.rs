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
    assert!(allowed.contains(&folded.cumulative[16]), "{} of {allowed:?}", folded.cumulative[16]);
    assert_eq!(folded.count, 1_003);
    let exact: u64 = (0..1_000).map(|i| 1_000 + i * i * 9_973).sum::<u64>() + 3 * MAX_LATENCY_NS;
    assert!((folded.sum / seconds(exact) - 1.0).abs() < 0.01, "{} s", folded.sum);
}

#[test]
fn nothing_recorded_is_all_zero() {
    let zero = Folded { cumulative: vec![0; 17], count: 0, sum: 0.0 };
    assert_eq!(fold(None, &DURATION_BOUNDS), zero);
    assert_eq!(fold(Some(&latency_histogram()), &DURATION_BOUNDS), zero);
}
