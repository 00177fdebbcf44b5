use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

proptest! {
    /// Against exact counts: nothing frequent is missing, and the bounds hold.
    #[test]
    fn a_sketch_keeps_what_is_frequent(hits in prop::collection::vec(0..400u32, 0..3_000)) {
        let mut sketch = Sketch::new();
        let mut exact: HashMap<u32, u32> = HashMap::new();
        for key in hits.iter().map(|key| key * key / 400) {
            sketch.hit(key);
            *exact.entry(key).or_default() += 1;
        }
        let kept: HashMap<u32, (u32, u32)> = (0..sketch.len)
            .map(|i| (sketch.keys[i], (sketch.counts[i], sketch.over[i])))
            .collect();
        prop_assert_eq!(kept.len(), exact.len().min(HOT_COUNTERS));
        for (key, n) in exact {
            match kept.get(&key) {
                Some(&(count, over)) => prop_assert!(count - over <= n && n <= count),
                None => prop_assert!(n as usize <= hits.len() / HOT_COUNTERS),
            }
        }
        let top = sketch.take();
        prop_assert!(top.len() <= HOT_CHANNELS && top.is_sorted_by_key(|one| u32::MAX - one.1));
        prop_assert_eq!(sketch.len, 0);
    }
}

#[test]
fn the_slowest_list_keeps_those_who_are_owed_most() {
    let mut list = Vec::new();
    for owed in [5, 900, 3, 70, 70, 1, 2, 4, 6, 8, 1_000] {
        keep_slowest(&mut list, owed, || SlowConsumer {
            id: Uuid::nil(),
            peer: SocketAddr::from(([127, 0, 0, 1], 1)),
            service: ServiceId::default(),
            owed,
            behind: Duration::ZERO,
            state: Lag::Waiting,
            skipped: Skipped::default(),
        });
    }
    let owed: Vec<u64> = list.iter().map(|one| one.owed).collect();
    assert_eq!(owed, [1_000, 900, 70, 70, 8, 6, 5, 4]);
}
