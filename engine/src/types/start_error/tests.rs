use super::*;

#[test]
fn a_refused_ring_names_its_remedy() {
    for (errno, word) in [
        (Errno::NOSYS, "6.0"),
        (Errno::PERM, "kernel.io_uring_disabled"),
        (Errno::PERM, "seccomp"),
        (Errno::NOMEM, "RLIMIT_MEMLOCK"),
        (Errno::MFILE, "RLIMIT_NOFILE"),
        (Errno::INVAL, "6.0"),
    ] {
        let text = StartError::ring(errno.into()).to_string();
        assert!(text.contains(word), "{text:?} lacks {word}");
        assert!(text.starts_with("cannot use io_uring: "), "{text}");
    }
}
