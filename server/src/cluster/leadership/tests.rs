use super::*;

const fn at(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[test]
fn a_server_whose_leader_is_cut_off_is_left_at_once_and_then_in_turn() {
    let mut choice = ServerChoice::default();
    assert!(!choice.take_move(at(0)));
    choice.handle(at(1_000), Leadership::CutOff);
    assert!(choice.take_move(at(1_000)));
    assert!(!choice.take_move(at(1_001)), "it was left");
    choice.handle(at(2_000), Leadership::CutOff);
    assert!(!choice.take_move(at(5_999)), "the next has its time");
    assert!(choice.take_move(at(6_000)));
}

#[test]
fn a_server_that_knows_of_no_leader_for_long_is_left() {
    let mut choice = ServerChoice::default();
    choice.handle(at(1_000), Leadership::Silent);
    choice.handle(at(3_000), Leadership::None);
    assert!(!choice.take_move(at(6_999)));
    assert!(choice.take_move(at(7_000)));
    choice.handle(at(20_000), Leadership::None);
    choice.handle(at(22_000), Leadership::There);
    choice.handle(at(24_000), Leadership::Silent);
    assert!(!choice.take_move(at(29_999)), "there was a leader between");
    choice.handle(at(29_999), Leadership::There);
    assert!(!choice.take_move(at(60_000)));
}
