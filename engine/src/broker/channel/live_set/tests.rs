use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Operation {
    Publish,
    Slice(usize),
    Join(Encoding),
    Leave(usize),
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        3 => Just(Operation::Publish),
        6 => (1..6usize).prop_map(Operation::Slice),
        3 => (0..Encoding::COUNT).prop_map(|n| Operation::Join(Encoding::ALL[n])),
        3 => any::<prop::sample::Index>().prop_map(|i| Operation::Leave(i.index(1 << 16))),
    ]
}

fn apply(places: &mut HashMap<u32, LivePosition>, moved: Option<Moved>) {
    if let Some(moved) = moved {
        places.insert(moved.connection, moved.position);
    }
}

proptest! {
    /// Every member sees every message since it joined, once, in order, however sweeps are
    /// cut into slices and whichever members join or leave between them.
    #[test]
    fn a_sliced_sweep_serves_every_member_once(
        ops in prop::collection::vec(operation(), 1..400),
    ) {
        let mut set = LiveSet::new(Seq(0));
        let mut head = 0;
        let mut seen: HashMap<u32, u64> = HashMap::new();
        let mut places: HashMap<u32, LivePosition> = HashMap::new();
        let mut next = 0;
        for op in ops {
            match op {
                Operation::Publish => head += 1,
                Operation::Slice(n) => {
                    if !set.is_sweeping() && head > set.delivered().0 {
                        set.start(Seq(head));
                    }
                    if set.is_sweeping() {
                        let encoding = set.pending_encodings().next().unwrap_or_default();
                        let pending = set.pending(encoding);
                        let n = n.min(pending.len());
                        for connection in &pending[..n] {
                            prop_assert_eq!(places[connection].encoding(), encoding);
                            let seen = seen.get_mut(connection).unwrap();
                            prop_assert_eq!(*seen, set.delivered().0);
                            *seen = set.target().0;
                        }
                        set.advance(encoding, n);
                    }
                }
                Operation::Join(encoding) => {
                    let since = (encoding == Encoding::Deflating).then_some(Since::COLD);
                    let (place, moved) = set.insert(next, (encoding, since));
                    apply(&mut places, moved);
                    places.insert(next, place);
                    seen.insert(next, set.handed(place).0);
                    next += 1;
                }
                Operation::Leave(i) if !set.is_empty() => {
                    let all = Encoding::ALL.into_iter().flat_map(|e| set.members(e).to_vec());
                    let connection = all.collect::<Vec<_>>()[i % set.len()];
                    for moved in set.remove(places[&connection]) {
                        apply(&mut places, moved);
                    }
                    places.remove(&connection);
                    seen.remove(&connection);
                }
                Operation::Leave(_) => {}
            }
            prop_assert_eq!(places.len(), set.len());
            for (connection, place) in &places {
                let members = set.members(place.encoding());
                prop_assert_eq!(members[place.place()], *connection);
                prop_assert_eq!(set.handed(*place).0, seen[connection]);
            }
        }
    }
}
