use super::*;

#[test]
fn what_is_dropped_is_overwritten_for_whoever_else_has_it() {
    let bytes = vec![7; ZEROS.len() + 3];
    let mut sent = SecretFile::new(&bytes).unwrap();
    let other = File::from(sent.as_fd().try_clone_to_owned().unwrap());
    assert!(*sent.read(bytes.len() as u64).unwrap() == bytes);
    assert!(other.write_at(b"x", bytes.len() as u64).is_err(), "it does not grow");
    drop(sent);
    assert_eq!(other.metadata().unwrap().len(), 0);
    // Both may drop theirs.
    drop(SecretFile::received(other.into()));
}

#[test]
fn its_bytes_are_zeros_before_they_are_cut() {
    let sent = SecretFile::new(b"keys").unwrap();
    sent.overwrite();
    let mut bytes = [1; 4];
    sent.0.read_at(&mut bytes, 0).unwrap();
    assert_eq!(bytes, [0; 4]);
}

#[test]
fn a_shorter_file_than_was_said_is_none() {
    let mut file = SecretFile::new(b"abc").unwrap();
    assert_eq!(file.read(4).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
}
