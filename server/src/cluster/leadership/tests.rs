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
fn a_server_that_stays_silent_is_left_and_one_that_answers_is_not() {
    let mut choice = ServerChoice::default();
    choice.handle(at(1_000), Leadership::Silent);
    choice.handle(at(3_000), Leadership::Silent);
    assert!(!choice.take_move(at(4_999)));
    assert!(choice.take_move(at(5_000)));
    choice.handle(at(20_000), Leadership::Silent);
    choice.handle(at(21_000), Leadership::None);
    choice.handle(at(22_000), Leadership::Silent);
    assert!(!choice.take_move(at(25_999)), "it has answered between");
    choice.handle(at(25_999), Leadership::There);
    assert!(!choice.take_move(at(60_000)));
}
