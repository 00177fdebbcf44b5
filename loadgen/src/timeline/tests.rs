use super::*;

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn timeline() -> Timeline {
    Timeline::new(vec![
        Phase { measured: false, ..Phase::steady("warm-up", seconds(2), 10.0) },
        Phase::steady("silence", seconds(3), 0.0),
        Phase::steady("load", seconds(1), 100.0),
    ])
}

#[test]
fn messages_fall_into_the_phases_that_have_a_rate() {
    let timeline = timeline();
    let second = 1_000_000_000;
    assert_eq!(timeline.time_of(0.0), Some(0));
    assert_eq!(timeline.time_of(19.0), Some(1_900_000_000));
    assert_eq!(timeline.time_of(20.0), Some(5 * second), "after the silence");
    assert_eq!(timeline.time_of(119.0), Some(5_990_000_000));
    assert_eq!(timeline.time_of(120.0), None, "the end is not part of the load");
    assert_eq!(timeline.length(), 6 * second);
}

#[test]
fn a_time_belongs_to_one_phase_and_one_slice() {
    let timeline = timeline();
    let found = [0, 1_999_999_999, 2_000_000_000, 5_000_000_000, 60_000_000_000];
    assert_eq!(found.map(|at| timeline.phase_at(at)), [0, 0, 1, 2, 2]);
    assert_eq!((timeline.slices(), timeline.slice_at(5_999_999_999)), (6, 5));
}

#[test]
fn a_long_run_has_longer_slices_and_not_more() {
    let day = Timeline::new(vec![Phase::steady("soak", seconds(86_400), 1.0)]);
    assert_eq!((day.slice_length(), day.slices()), (24_000_000_000, 3_600));
}
