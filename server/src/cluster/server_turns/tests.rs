use super::*;

fn servers(connected: &[usize]) -> Vec<(ServerAddr, bool)> {
    let address = |n| format!("nats://n{n}:4222").parse().expect("an address");
    (0..3).map(|n| (address(n), connected.contains(&n))).collect()
}

#[test]
fn a_node_comes_to_every_other_server_before_it_is_at_the_same_again() {
    for chance in 0..6 {
        let mut turns = ServerTurns::default();
        let known = servers(&[1]);
        let mut tried: Vec<_> = (0..5).filter_map(|_| turns.next(&known, chance)).collect();
        let again = tried.split_off(3);
        assert_eq!(tried[2], known[1].0, "the one that it had is the last");
        assert!(tried[0] != tried[1] && !tried[..2].contains(&tried[2]), "{tried:?}");
        assert_eq!(again, tried[..2]);
    }
}

#[test]
fn nodes_that_lose_the_same_server_spread_over_the_others() {
    let known = servers(&[1]);
    let first = |chance| ServerTurns::default().next(&known, chance);
    assert_ne!(first(0), first(1));
}

#[test]
fn the_first_time_the_library_tries_all() {
    assert_eq!(ServerTurns::default().next(&servers(&[]), 0), None);
}
