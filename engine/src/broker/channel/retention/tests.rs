use super::*;

#[test]
fn an_age_just_over_its_limit_counts_as_more() {
    let limit = Duration::from_secs(1);
    assert_eq!(begun_seconds(limit), 1);
    assert_eq!(begun_seconds(limit + Duration::from_nanos(1)), 2);
    assert_eq!(begun_seconds(limit + Duration::from_millis(500)), 2);
}
