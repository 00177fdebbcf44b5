use super::*;

#[test]
fn a_listener_shares_an_address_and_all_addresses() {
    let shares = |a: &str, b: &str| shares(a.parse().unwrap(), b.parse().unwrap());
    for (ours, other) in [
        ("127.0.0.1:1", "127.0.0.1:1"),
        ("0.0.0.0:1", "127.0.0.1:1"),
        ("127.0.0.1:1", "0.0.0.0:1"),
        ("[::]:1", "[::1]:1"),
    ] {
        assert!(shares(ours, other), "{ours} {other}");
    }
    for (ours, other) in [
        ("127.0.0.1:1", "127.0.0.1:2"),
        ("127.0.0.1:1", "127.0.0.2:1"),
        ("0.0.0.0:1", "[::]:1"),
        ("[::1]:1", "127.0.0.1:1"),
    ] {
        assert!(!shares(ours, other), "{ours} {other}");
    }
}
