use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Operation {
    Publish,
    Slice(usize),
    Join { deflates: bool },
    Leave(usize),
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        3 => Just(Operation::Publish),
        6 => (1..6usize).prop_map(Operation::Slice),
        3 => any::<bool>().prop_map(|deflates| Operation::Join { deflates }),
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
                        let plain = !set.pending().is_empty();
                        let pending = match plain {
                            true => set.pending(),
                            false => set.deflating_pending(),
                        };
                        let n = n.min(pending.len());
                        for connection in &pending[..n] {
                            let seen = seen.get_mut(connection).unwrap();
                            prop_assert_eq!(*seen, set.delivered().0);
                            *seen = set.target().0;
                        }
                        if plain { set.advance(n) } else { set.advance_deflating(n) };
                    }
                }
                Operation::Join { deflates } => {
                    let (place, moved) = set.insert(next, deflates.then_some(Since::COLD));
                    apply(&mut places, moved);
                    places.insert(next, place);
                    seen.insert(next, set.handed(place).0);
                    next += 1;
                }
                Operation::Leave(i) if !set.is_empty() => {
                    let connection = set.members()[i % set.len()];
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
                prop_assert_eq!(set.member(*place), *connection);
                prop_assert_eq!(set.handed(*place).0, seen[connection]);
            }
        }
    }
}
