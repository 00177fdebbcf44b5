use super::*;
use proptest::prelude::*;
use std::collections::HashSet;

#[test]
fn a_message_is_complete_with_its_last_receiver_at_the_latest_time() {
    let mut window = Window::default();
    let needed = |sequence| if sequence == 1 { 0 } else { 2 };
    assert_eq!(window.receive(0, 50, needed), None);
    assert_eq!(window.receive(2, 60, needed), None);
    assert_eq!(window.receive(0, 40, needed), Some(50));
    assert_eq!(window.receive(2, 70, needed), Some(70));
    assert!(window.entries.is_empty(), "complete messages are forgotten");
    assert_eq!(window.receive(0, 80, needed), None);
}

#[test]
fn an_incomplete_message_does_not_hold_memory_for_ever() {
    let mut window = Window::default();
    window.receive(0, 1, |_| 2);
    assert_eq!(window.receive(3 * WINDOW, 1, |_| 2), None);
    assert!(window.entries.len() as u64 <= WINDOW);
    assert_eq!(window.receive(3 * WINDOW, 2, |_| 2), Some(2));
}

proptest! {
    #[test]
    fn the_check_agrees_with_a_set_within_its_memory(
        steps in proptest::collection::vec(-40..5i64, 1..200),
    ) {
        let (mut check, mut seen, mut newest) = (OrderCheck::default(), HashSet::new(), 0i64);
        for step in steps {
            let index = (newest + step).max(0);
            let arrival = check.record(index as u64);
            let expected = if !seen.insert(index) {
                Arrival::Duplicate
            } else if index < newest {
                Arrival::Late
            } else {
                Arrival::New { skipped: (index - newest) as u64 }
            };
            prop_assert_eq!(arrival, expected);
            newest = newest.max(index + 1);
        }
    }
}
