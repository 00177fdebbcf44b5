use super::*;

#[test]
fn this_machine_passes() {
    assert_eq!(missing_operations().unwrap(), [""; 0]);
    ring(1_000, 1).unwrap();
}

#[test]
fn a_ring_that_no_limit_allows_is_refused_with_the_remedy() {
    let text = ring(usize::MAX, 1).unwrap_err().to_string();
    assert!(text.contains("RLIMIT_NOFILE"), "{text}");
}

#[test]
fn open_files_leave_room_for_uneven_shards_and_handshakes() {
    let (least, enough) = open_files(100_000, 4);
    assert_eq!((least, enough), (25_000, 31_250 + MAX_HANDSHAKES));
    let (least, enough) = open_files(100, 1);
    assert_eq!((least, enough), (100, 100 + MAX_HANDSHAKES));
}
