use super::*;
use proptest::prelude::*;

/// The rates that are tried where all up to a limit hold.
fn tried(first: f64, most: f64, limit: f64) -> (Vec<f64>, RateSearch) {
    let mut search = RateSearch::new(first, most);
    let mut tried = Vec::new();
    while let Some(rate) = search.next() {
        tried.push(rate);
        let held = rate <= limit;
        let outcome = if held { StepOutcome::Held } else { StepOutcome::Failed(String::new()) };
        search.tell(rate, &outcome);
    }
    (tried, search)
}

#[test]
fn it_doubles_and_then_halves_what_is_left() {
    let (found, search) = tried(100.0, 1e9, 530.0);
    assert_eq!(found, [100.0, 200.0, 400.0, 800.0, 600.0, 500.0, 550.0, 525.0]);
    assert_eq!(search.held, Some(525.0));
    assert_eq!(tried(100.0, 300.0, 1e9).0, [100.0, 200.0, 300.0], "not above the most");
}

#[test]
fn where_the_first_rate_fails_it_goes_down_and_gives_up() {
    assert_eq!(tried(64.0, 1e9, 17.0).1.held, Some(17.0));
    let (found, search) = tried(64.0, 1e9, 0.5);
    assert_eq!((found.len(), search.held), (7, None));
}

#[test]
fn it_ends_when_the_tool_itself_is_late() {
    let mut search = RateSearch::new(100.0, 1e9);
    search.tell(100.0, &StepOutcome::Held);
    search.tell(200.0, &StepOutcome::GeneratorBound(String::new()));
    assert_eq!((search.next(), search.is_generator_bound()), (None, true));
}

proptest! {
    #[test]
    fn what_is_found_is_the_limit_within_the_precision(
        first in 1.0..1e4f64, limit in 1.0..1e6f64,
    ) {
        prop_assume!(limit > first * LEAST * 2.0);
        let (found, search) = tried(first, 1e9, limit);
        let held = search.held.unwrap();
        prop_assert!(held <= limit && limit <= held * PRECISION, "{held} of {limit}");
        prop_assert!(found.len() < 50);
    }
}
