use super::*;

fn told(seq: u64, recovered: Option<bool>) -> Confirmation {
    Confirmation { channel: "bench:0".into(), epoch: "e".into(), seq, recovered }
}

#[test]
fn a_position_moves_with_the_messages_and_is_kept_while_away() {
    let mut positions = Positions::default();
    let position = |positions: &Positions| positions.of(Channel(0)).map(|at| at.seq);
    assert_eq!(positions.confirm(Channel(0), &told(5, None)), Ok(()));
    positions.advance(Channel(0), br#"{"data":{"seq":99},"room":"bench:0","seq":7}"#);
    positions.advance(Channel(1), br#"{"seq":50}"#);
    assert_eq!(position(&positions), Some(7));
    assert_eq!(positions.confirm(Channel(0), &told(20, Some(true))), Ok(()));
    assert_eq!(position(&positions), Some(7), "8 to 20 are still to come");
    assert_eq!(positions.confirm(Channel(0), &told(30, Some(false))), Err(()));
    assert_eq!(position(&positions), Some(30), "what was missed does not come");
}

#[test]
fn a_message_without_a_number_moves_nothing() {
    assert_eq!(seq(b"{}"), None);
    assert_eq!(seq(br#"{"seq":null}"#), None);
    assert_eq!(seq(br#"{"seq": 12 }"#), Some(12));
}
