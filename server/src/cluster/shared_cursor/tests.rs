use super::*;

const NOW: Duration = Duration::from_secs(1);

fn at(read: u64) -> SharedCursor {
    let mut cursor = SharedCursor::default();
    assert_eq!(cursor.begin(NOW, 7, read), Found::Other);
    (1..=read).for_each(|seq| assert!(cursor.advance(seq)));
    cursor
}

#[test]
fn only_the_next_message_is_taken_as_it_comes() {
    let cursor = at(3);
    let arrivals = [3, 4, 5].map(|seq| cursor.arrival(seq));
    assert_eq!(arrivals, [Arrival::Known, Arrival::Next, Arrival::Early]);
}

#[test]
fn a_read_may_leave_out_what_others_have_replaced() {
    let mut cursor = at(3);
    assert!(cursor.advance(9));
    assert_eq!((cursor.next(), cursor.arrival(10)), (10, Arrival::Next));
}

#[test]
fn what_is_read_again_is_not_new() {
    let mut cursor = at(3);
    cursor.rewind();
    assert_eq!(cursor.next(), 1);
    assert!(!cursor.advance(2) && !cursor.advance(3) && cursor.advance(4));
}

#[test]
fn another_stream_is_new_from_its_beginning() {
    let mut cursor = at(3);
    let found = [(7, 3), (7, 5), (8, 2)].map(|(life, last)| cursor.begin(NOW, life, last));
    assert_eq!(found, [Found::Same, Found::Same, Found::Other]);
    assert!(cursor.advance(1));
}

#[test]
fn a_stream_that_was_rolled_back_is_read_again_and_what_it_has_is_not_new() {
    let mut cursor = at(5);
    assert_eq!(cursor.begin(NOW, 7, 2), Found::Lacking);
    // A leader that was behind.
    assert_eq!(cursor.begin(NOW + ROLLBACK_PATIENCE, 7, 5), Found::Same);
    assert_eq!(cursor.begin(NOW + ROLLBACK_PATIENCE, 7, 2), Found::Lacking);
    cursor.handle_silence();
    let later = NOW + ROLLBACK_PATIENCE * 2;
    assert_eq!(cursor.begin(later, 7, 2), Found::Lacking);
    assert_eq!(cursor.begin(later + ROLLBACK_PATIENCE, 7, 2), Found::Other);
    assert_eq!(cursor.next(), 1);
    assert!(!cursor.advance(2) && cursor.advance(3));
}
