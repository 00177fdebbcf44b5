use super::*;

fn at(milliseconds: u64) -> Duration {
    Duration::from_secs(100) + Duration::from_millis(milliseconds)
}

#[test]
fn nodes_agree_once_all_know_the_same() {
    let [one, two] = [NodeId(1), NodeId(2)];
    let [mut here, mut there] = [Members::new(one), Members::new(two)];
    assert!(here.begin(at(0)) && there.begin(at(0)) && !here.begin(at(0)));
    assert!(!here.agree(at(0)), "others may be there");
    let quiet = at(PRESENCE_QUIET.as_millis() as u64);
    assert!(here.agree(quiet), "nobody is");
    assert!(here.handle_beat(quiet, two, there.view()));
    assert!(!here.agree(quiet), "the other one does not know this one");
    assert!(there.handle_beat(quiet, one, here.view()));
    assert!(!here.handle_beat(quiet, two, there.view()));
    assert!(here.agree(quiet));
    for hash in 0..100 {
        assert_eq!(here.home(hash), there.home(hash));
    }
    assert!((0..100).any(|hash| here.home(hash) == one));
    assert!((0..100).any(|hash| here.home(hash) == two));
    assert!(here.handle_bye(quiet, two) && !here.handle_bye(quiet, two));
    assert!((0..100).all(|hash| here.home(hash) == one));
}

#[test]
fn who_is_silent_is_gone_unless_this_node_could_not_hear() {
    let mut here = Members::new(NodeId(1));
    here.begin(at(0));
    here.handle_beat(at(0), NodeId(2), 7);
    let mut look = |milliseconds: u64| here.handle_timers(at(milliseconds));
    (1..49).for_each(|tenth| assert!(look(tenth * 100).is_empty()));
    assert_eq!(look(5_000), [NodeId(2)]);
    here.handle_beat(at(5_100), NodeId(2), 7);
    assert!(here.handle_timers(at(20_000)).is_empty(), "it stood still itself");
    here.set_connected(at(20_100), false);
    for second in 21..40 {
        assert!(here.handle_timers(at(second * 1_000)).is_empty(), "it has no connection");
        assert!(!here.take_beat(at(second * 1_000)));
    }
    here.set_connected(at(40_000), true);
    assert!(here.take_beat(at(40_000)) && !here.take_beat(at(40_500)));
    assert!(here.handle_timers(at(40_500)).is_empty());
}

#[test]
fn few_channels_have_another_home_when_a_node_comes() {
    let mut here = Members::new(NodeId(1));
    here.begin(at(0));
    (2..10).for_each(|node| assert!(here.handle_beat(at(0), NodeId(node), 0)));
    let hashes = || (0..1_000_u64).map(|n| fnv1a(n.to_be_bytes().into_iter()));
    let before: Vec<_> = hashes().map(|hash| here.home(hash)).collect();
    here.handle_beat(at(0), NodeId(77), 0);
    let moved = hashes().zip(before).filter(|(hash, before)| here.home(*hash) != *before);
    let moved = moved.count();
    assert!((50..200).contains(&moved), "{moved} of 1000");
}

#[test]
fn nodes_beyond_the_bound_have_no_part() {
    let mut here = Members::new(NodeId(u64::MAX));
    here.begin(at(0));
    let most = PRESENCE_NODES as u64;
    (0..most).for_each(|node| assert!(here.handle_beat(at(0), NodeId(node), 0)));
    assert!(!here.handle_beat(at(0), NodeId(most), 0) && !here.has(NodeId(most)));
}
