use super::*;

#[test]
fn a_lost_connection_does_not_stop_the_listener_and_no_descriptors_do() {
    let classified = |code| classify(&io::Error::from_raw_os_error(code));
    assert_eq!(classified(libc::ECONNABORTED), AcceptError::Transient);
    assert_eq!(classified(libc::EMFILE), AcceptError::Exhausted);
    assert_eq!(classified(libc::ENFILE), AcceptError::Exhausted);
    assert_eq!(classified(libc::EINVAL), AcceptError::Exhausted);
    assert_eq!(classified(libc::EAGAIN), AcceptError::WouldBlock);
}
