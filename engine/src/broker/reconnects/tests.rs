use std::time::Duration;

use super::*;

const SPREAD: Duration = Duration::from_secs(5);

#[test]
fn slots_are_even_however_many_there_are() {
    for shards in [1, 2, 7] {
        for count in [1_usize, 3, 10, 200, 1_000, 10_000] {
            let mut all: Vec<Duration> = (0..shards)
                .flat_map(|shard| {
                    let mut one = Reconnects::new(ShardId(shard as u8), shards);
                    (0..count).map(|_| one.next_slot(SPREAD)).collect::<Vec<_>>()
                })
                .collect();
            all.sort();
            assert!(all.iter().all(|slot| *slot < SPREAD));
            // In each tenth of the time as many, but for a few of each shard.
            for part in 1..=10 {
                let until = SPREAD * part / 10;
                let here = all.partition_point(|slot| *slot < until);
                let fair = count * shards * part as usize / 10;
                assert!(here.abs_diff(fair) <= 4 * shards, "{shards} {count} {part}: {here}");
            }
        }
    }
}

#[test]
fn a_share_is_exact_over_all_that_are_looked_at() {
    for percent in [1, 10, 33, 50, 99, 100] {
        let mut one = Reconnects::new(ShardId(0), 1);
        for round in 1..=5 {
            let taken = (0..1_000).filter(|_| one.takes_share(percent)).count();
            assert_eq!(taken, 10 * usize::from(percent), "{percent} in round {round}");
        }
    }
}
