use std::future::pending;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// Seconds until the limit of a step is reached that never ends.
async fn late_after(limit: &mut TimeLimit) -> u64 {
    let start = Instant::now();
    assert_eq!(limit.run(pending::<()>()).await, None);
    start.elapsed().as_secs()
}

#[tokio::test(start_paused = true)]
async fn a_step_has_its_limit_wherever_the_timer_stands() {
    let mut limit = TimeLimit::new();
    for (before, seconds) in [(0, 10), (3, 10), (7, 30), (25, 10), (9, 30)] {
        limit.begin(30 * SECOND);
        assert_eq!(limit.run(sleep(before * SECOND)).await, Some(()));
        limit.begin(seconds * SECOND);
        assert_eq!(late_after(&mut limit).await, u64::from(seconds));
    }
}

#[tokio::test(start_paused = true)]
async fn the_parts_of_a_step_share_its_limit() {
    let mut limit = TimeLimit::new();
    limit.begin(30 * SECOND);
    for _ in 0..4 {
        assert_eq!(limit.run(sleep(6 * SECOND)).await, Some(()));
    }
    assert_eq!(late_after(&mut limit).await, 6);
}
