use super::DeliveryLag;

#[test]
fn a_lag_counts_in_its_bucket_and_a_clock_that_is_ahead_as_none() {
    let mut lag = DeliveryLag::default();
    lag.record(1_000, 1_000 + 10_000);
    lag.record(1_000, 1_000 + 10_001);
    lag.record(2_000, 1_000);
    lag.record(0, 20_000_000_000);
    let all = DeliveryLag::fold([&lag, &lag]);
    assert_eq!((all.count, all.cumulative[0], all.cumulative[1]), (8, 4, 6));
    assert!((all.sum - 40.000_040_002).abs() < 1e-9, "{}", all.sum);
}
