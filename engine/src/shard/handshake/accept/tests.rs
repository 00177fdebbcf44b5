use super::*;

#[test]
fn a_lost_connection_does_not_stop_the_listener_and_no_descriptors_do() {
    let transient = |code| is_transient(&io::Error::from_raw_os_error(code));
    assert!(transient(libc::ECONNABORTED));
    assert!(!transient(libc::EMFILE));
    assert!(!transient(libc::ENFILE));
    assert!(!transient(libc::EINVAL));
    assert_eq!(io::Error::from_raw_os_error(libc::EAGAIN).kind(), ErrorKind::WouldBlock);
}
