use super::*;

#[test]
fn only_its_own_path_opens_it_and_it_is_not_shown() {
    let key = ProbeKey::new(0x1234_5678);
    assert!(key.opens(&key.path()));
    for path in ["/", "/.canary/", "/.canary/0", &key.path()[1..], "/.canary/x1234"] {
        assert!(!key.opens(path), "{path}");
    }
    assert!(!key.opens(&ProbeKey::new(0x1234_5679).path()));
    assert!(!format!("{key:?}").contains("1234"));
}
