use super::*;

#[test]
fn retry_after_is_whole_seconds_rounded_up_and_never_zero() {
    for (ms, seconds) in [(0, 1), (1, 1), (1_000, 1), (1_001, 2), (20_000, 20)] {
        assert_eq!(whole_seconds(Duration::from_millis(ms)), seconds, "{ms} ms");
    }
}
