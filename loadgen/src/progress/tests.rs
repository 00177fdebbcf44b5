use super::*;

fn slice(milliseconds: &[u64]) -> Slice {
    let mut slice = Slice::default();
    milliseconds.iter().for_each(|time| slice.latency.record(time * 1_000_000).unwrap());
    slice
}

#[test]
fn the_sparkline_shows_the_last_seconds_beside_the_largest() {
    assert_eq!(sparkline(&[]), "");
    assert_eq!(sparkline(&[0.0, 3.5, 7.0]), "▁▅█");
    let mut slices = vec![slice(&[1]); 40];
    slices.push(slice(&[1, 7]));
    // Seconds to come are empty.
    slices.push(Slice::default());
    let p99s = recent_p99s(&slices);
    assert_eq!(p99s.len(), SPARKS);
    assert!(p99s[0] < 1.1 && p99s[SPARKS - 1] >= 6.9, "{p99s:?}");
    assert_eq!(sparkline(&p99s).chars().last(), Some('█'));
}
