use super::*;
use crate::phase::Phase;
use std::time::Duration;

const MS: u64 = 1_000_000;

fn timeline(phases: Vec<Phase>) -> Arc<Timeline> {
    Arc::new(Timeline::new(phases))
}

fn second() -> Phase {
    Phase::steady("", Duration::from_secs(1), 1.0)
}

/// All that is due until the end, millisecond by millisecond.
fn all(movements: &mut Movements, end_ms: u64) -> Vec<(u64, Movement)> {
    let mut found = Vec::new();
    for at in 0..=end_ms {
        while let Some(movement) = movements.due(at * MS) {
            found.push((at, movement));
        }
    }
    found
}

#[test]
fn a_share_of_all_drops_at_the_begin_and_comes_back_evenly_spread() {
    let (away, spread) = (Duration::from_millis(100), Duration::from_millis(50));
    let absence = Some(Absence { share: 0.5, away, spread });
    let phases = vec![second(), Phase { absence, ..second() }];
    let mut movements = Movements::new(&timeline(phases), 0..4, 4, 1);
    assert_eq!(movements.wait(0), Some(0));
    assert_eq!(
        all(&mut movements, 2_000),
        [
            (1_000, Movement::Drop(1)),
            (1_000, Movement::Drop(3)),
            (1_100, Movement::Return(1)),
            (1_125, Movement::Return(3)),
        ]
    );
    assert_eq!(movements.wait(0), None);
}

#[test]
fn the_threads_share_the_churn_and_each_that_leaves_is_replaced_at_once() {
    let phases = vec![Phase { churn: 20.0, ..second() }];
    let mut leaves = 0;
    for own in [0..30, 30..60] {
        let found = all(&mut Movements::new(&timeline(phases.clone()), own.clone(), 60, 1), 1_000);
        for pair in found.chunks(2) {
            let [(at, Movement::Leave(client)), (back, Movement::Return(again))] = pair else {
                panic!("{pair:?}")
            };
            assert!(own.contains(client) && client == again && at == back, "{pair:?}");
        }
        assert_eq!(found[0].0, 50);
        leaves += found.len() / 2;
    }
    assert_eq!(leaves, 20);
}

#[test]
fn a_connection_that_failed_is_tried_again_later() {
    let mut movements = Movements::new(&timeline(vec![second()]), 0..4, 4, 1);
    assert_eq!(movements.due(0), None);
    movements.retry(2, 500 * MS);
    assert_eq!(movements.wait(500 * MS), Some(RETRY));
    assert_eq!(all(&mut movements, 2_000), [(1_500, Movement::Return(2))]);
}

#[test]
fn a_share_is_spread_evenly_over_all() {
    let chosen: Vec<u32> = (0..10).filter(|client| is_chosen(*client, 0.3)).collect();
    assert_eq!(chosen, [3, 6, 9]);
    assert_eq!((0..7).filter(|client| is_chosen(*client, 1.0)).count(), 7);
    assert_eq!((0..7).filter(|client| is_chosen(*client, 0.0)).count(), 0);
}
