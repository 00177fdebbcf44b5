use super::*;

#[test]
fn a_histogram_travels_exactly_and_a_foreign_one_not_at_all() {
    let mut sent = Packed(histogram());
    for value in [0, 1_500, 2_000_000, 2_000_000, 59_000_000_000, u64::MAX] {
        sent.saturating_record(value);
    }
    let text = serde_json::to_string(&sent).unwrap();
    let received: Packed<u64> = serde_json::from_str(&text).unwrap();
    assert_eq!(received.0, sent.0);
    let mut sum = histogram();
    sum.add(&received.0).unwrap();
    assert_eq!(sum.len(), 6);

    let wider = Packed(Histogram::<u64>::new_with_bounds(1, u64::MAX / 2, 3).unwrap());
    let text = serde_json::to_string(&wider).unwrap();
    assert!(serde_json::from_str::<Packed<u64>>(&text).is_err());
    assert!(serde_json::from_str::<Packed<u64>>("\"AAAA\"").is_err());
}
