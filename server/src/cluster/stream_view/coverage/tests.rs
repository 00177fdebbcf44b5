use super::*;

const NOW: Duration = Duration::from_secs(1);

fn asks(coverage: &Coverage, now: Duration) -> Option<u64> {
    match coverage.question(now)? {
        Question::Stored { from } => Some(from),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_number_that_is_missing_is_read_and_what_came_behind_it_is_not() {
    let mut coverage = Coverage::begin(5);
    assert_eq!((coverage.handle_live(5), coverage.handle_live(6)), (Arrival::Known, Arrival::Next));
    assert_eq!(asks(&coverage, NOW), None);
    assert_eq!(coverage.handle_live(9), Arrival::Early);
    assert_eq!(coverage.handle_live(10), Arrival::Early);
    assert_eq!((coverage.seen(), asks(&coverage, NOW)), (6, Some(7)));
    coverage.set_asked(QuestionId(1));
    assert_eq!(asks(&coverage, NOW), None, "one at a time");
    assert!(!coverage.take_asked(QuestionId(2)) && coverage.take_asked(QuestionId(1)));
    coverage.handle_stored(NOW, Some(7));
    assert_eq!(asks(&coverage, NOW), Some(8), "a read may end early");
    coverage.handle_stored(NOW, Some(8));
    assert_eq!((coverage.seen(), asks(&coverage, NOW)), (10, None));
    assert_eq!(coverage.handle_live(11), Arrival::Next);
}

#[test]
fn of_two_holes_all_is_read_from_the_first_on() {
    let mut coverage = Coverage::begin(0);
    for seq in [3, 4, 8] {
        assert_eq!(coverage.handle_live(seq), Arrival::Early);
    }
    coverage.handle_stored(NOW, Some(4));
    assert_eq!((coverage.seen(), asks(&coverage, NOW)), (0, Some(5)), "there may have been more");
    assert_eq!((coverage.handle_live(4), coverage.seen()), (Arrival::Known, 0));
    coverage.handle_stored(NOW, Some(12));
    assert_eq!((coverage.seen(), asks(&coverage, NOW)), (12, None));
}

#[test]
fn what_an_audit_knows_of_is_read_though_nothing_came_behind_it() {
    let mut coverage = Coverage::begin(4);
    coverage.handle_known(4);
    assert_eq!(asks(&coverage, NOW), None);
    coverage.handle_known(6);
    assert_eq!(asks(&coverage, NOW), Some(5));
}

#[test]
fn that_nothing_is_there_is_believed_of_many_answers_only() {
    let mut coverage = Coverage::begin(4);
    coverage.handle_known(6);
    let mut now = NOW;
    for tries in 0..=AUDIT_TRIES {
        assert_eq!(asks(&coverage, now), Some(5), "after {tries} tries");
        coverage.handle_stored(now, None);
        now = coverage.next_due().unwrap_or(now).max(now);
        if tries % 3 == 1 && coverage.next_due().is_some() {
            coverage.handle_failure(now);
            assert_eq!(asks(&coverage, now), None, "it waits");
            now += COVERAGE_RETRY;
        }
    }
    assert_eq!((coverage.seen(), asks(&coverage, now)), (6, None));
}
