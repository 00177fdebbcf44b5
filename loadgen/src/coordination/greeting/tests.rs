use super::*;

#[test]
fn only_the_same_secret_side_and_numbers_are_accepted() {
    let (secret, other) = (Secret(b"0123456789abcdef".to_vec()), Secret(Vec::new()));
    let (worker, coordinator) = (nonce().unwrap(), nonce().unwrap());
    assert_ne!(worker, coordinator);
    let proof = secret.proof(Side::Coordinator, worker, coordinator);
    assert!(secret.accepts(&proof, Side::Coordinator, worker, coordinator));
    assert!(!secret.accepts(&proof, Side::Worker, worker, coordinator), "a reflected proof");
    assert!(!secret.accepts(&proof, Side::Coordinator, coordinator, worker));
    assert!(!other.accepts(&proof, Side::Coordinator, worker, coordinator));
}

#[test]
fn a_secret_is_read_without_white_space_and_never_shown() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("secret");
    std::fs::write(&path, "  an oak in the meadow\n").unwrap();
    let secret = Secret::read(Some(&path)).unwrap();
    assert_eq!(
        (secret.0.as_slice(), format!("{secret:?}")),
        (&b"an oak in the meadow"[..], "Secret".into())
    );
    std::fs::write(&path, "short").unwrap();
    let message = Secret::read(Some(&path)).unwrap_err().0;
    assert!(message.contains("5 bytes") && !message.contains("short;"), "{message}");
    assert!(Secret::read(None).unwrap().is_empty());
}
