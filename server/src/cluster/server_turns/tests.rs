use super::*;

fn server(address: &str) -> Server {
    Server {
        addr: address.parse().expect("an address"),
        failed_attempts: 0,
        did_connect: false,
        is_discovered: false,
        last_error: None,
    }
}

fn servers(connected: &[usize]) -> Vec<Server> {
    let one = |n| Server { did_connect: connected.contains(&n), ..server(&format!("n{n}:4222")) };
    (0..3).map(one).collect()
}

#[test]
fn a_node_comes_to_every_other_server_before_it_is_at_the_same_again() {
    for chance in 0..6 {
        let mut turns = ServerTurns::default();
        let known = servers(&[1]);
        let mut tried: Vec<_> = (0..5).filter_map(|_| turns.next(&known, chance)).collect();
        let again = tried.split_off(3);
        assert_eq!(tried[2], known[1].addr, "the one that it had is the last");
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

#[test]
fn a_server_that_is_listed_by_name_is_not_met_again_by_its_address() {
    let mut known = servers(&[1]);
    let told = |n| Server { is_discovered: true, ..server(&format!("10.0.0.{n}:4222")) };
    known.extend((0..3).map(told));
    for chance in 0..6 {
        let mut turns = ServerTurns::default();
        let tried: Vec<_> = (0..3).filter_map(|_| turns.next(&known, chance)).collect();
        assert!(known[..3].iter().all(|listed| tried.contains(&listed.addr)), "{tried:?}");
    }
    // None of those answers.
    known[..3].iter_mut().for_each(|listed| listed.failed_attempts = 1);
    let mut turns = ServerTurns::default();
    let tried: Vec<_> = (0..6).filter_map(|_| turns.next(&known, 0)).collect();
    assert!(known.iter().all(|server| tried.contains(&server.addr)), "{tried:?}");
}

#[test]
fn a_node_that_has_one_address_goes_to_servers_that_it_was_told_of() {
    let told = Server { is_discovered: true, ..server("10.0.0.1:4222") };
    let known = [Server { did_connect: true, ..server("n0:4222") }, told];
    assert_eq!(ServerTurns::default().next(&known, 0).as_ref(), Some(&known[1].addr));
}
