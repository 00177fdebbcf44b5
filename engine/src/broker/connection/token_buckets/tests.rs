use super::*;

fn at(ms: u64) -> Time {
    Time(ms * 1_000_000)
}

#[test]
fn a_burst_of_one_and_a_half_passes_and_then_the_rate() {
    let mut bucket = Bucket::full(100, at(5_000));
    let passed = (0..1_000).filter(|_| bucket.take(100, at(5_000)).is_ok()).count();
    assert_eq!(passed, 150);
    assert_eq!(bucket.take(100, at(5_000)), Err(10));
    assert_eq!(bucket.take(100, at(5_010)), Ok(()));
    let passed = (0..1_000).filter(|i| bucket.take(100, at(5_010 + i)).is_ok()).count();
    assert!((99..=100).contains(&passed), "{passed}");
}

#[test]
fn no_rate_is_no_limit() {
    let mut bucket = Bucket::full(0, at(0));
    assert!((0..10_000).all(|_| bucket.take(0, at(0)).is_ok()));
}

#[test]
fn bytes_over_the_rate_are_paid_for_by_waiting() {
    let mut bucket = ByteBucket::full(100_000, at(0));
    assert_eq!(bucket.take(100_000, 150_000, at(0)), None);
    assert_eq!(bucket.take(100_000, 50_000, at(0)), Some(Duration::from_millis(500)));
    assert_eq!(bucket.take(100_000, 0, at(499)), Some(Duration::from_millis(1)));
    assert_eq!(bucket.take(100_000, 0, at(500)), None);
    let full = (0..).take_while(|_| bucket.take(100_000, 1_000, at(60_000)).is_none()).count();
    assert_eq!(full, 150, "no more than the burst is saved up");
    assert_eq!(ByteBucket::full(1_000, at(0)).take(1_000, 65_536, at(0)), None);
    assert_eq!(ByteBucket::default().take(0, usize::MAX, at(0)), None);
}

#[test]
fn frames_that_were_handled_are_paid_for_by_waiting() {
    let mut bucket = Bucket::full(100, at(0));
    assert_eq!(bucket.charge(100, 150, at(0)), None);
    assert_eq!(bucket.charge(100, 1, at(0)), Some(10));
    assert_eq!(bucket.take(100, at(10)), Err(10));
    assert_eq!(bucket.take(100, at(20)), Ok(()));
    assert_eq!(bucket.charge(100, u32::MAX, at(20)), Some(10_000), "no longer than ten seconds");
    assert_eq!(Bucket::full(u32::MAX, at(0)).charge(u32::MAX, 2_000_000, at(0)), None);
}
