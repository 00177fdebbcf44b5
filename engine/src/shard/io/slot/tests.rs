use super::*;

#[test]
fn a_slot_is_occupied_again_only_after_its_close_is_complete() {
    use SlotState::{Closed, Closing, Empty, EndReported, Open};
    let all = [Empty, Open, EndReported, Closing, Closed];
    let moves = |from: SlotState| all.into_iter().filter(move |to| from.may_become(*to));
    let legal = all.map(|from| moves(from).collect::<Vec<_>>());
    assert_eq!(legal[0], [Open]);
    assert_eq!(legal[1], [EndReported, Closing]);
    assert_eq!(legal[2..], [[Closing], [Closed], [Empty]]);
}

#[test]
#[should_panic(expected = "a receive goes from Off to Armed")]
fn an_illegal_move_is_a_bug() {
    Slot::default().set_receive(ReceiveState::Armed);
}
