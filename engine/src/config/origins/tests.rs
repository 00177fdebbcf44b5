use super::*;

#[test]
fn pages_of_the_same_host_and_port_may_connect_and_others_may_not() {
    let same = Origins::SameHost(vec![8766]);
    for (origin, host) in [
        (None, "ws.example"),
        (Some("https://ws.example"), "ws.example"),
        (Some("https://ws.example"), "WS.example:443"),
        (Some("http://ws.example:8765"), "ws.example:8765"),
        (Some("http://127.0.0.1:8766"), "127.0.0.1:8765"),
        (Some("http://[::1]:8765"), "[::1]:8765"),
    ] {
        assert!(same.admit(origin, host), "{origin:?} {host}");
    }
    for (origin, host) in [
        ("https://evil.example", "ws.example"),
        ("https://ws.example.evil.example", "ws.example"),
        ("https://ws.example", "ws.example:8765"),
        ("http://localhost:3000", "localhost:8765"),
        ("http://localhost:8765", "127.0.0.1:8765"),
        ("null", "ws.example"),
        ("ws.example", "ws.example"),
        ("file://ws.example", "ws.example"),
        ("http://ws.example/", "ws.example/"),
    ] {
        assert!(!same.admit(Some(origin), host), "{origin} {host}");
    }
}

#[test]
fn a_list_is_all_there_is_and_any_is_any() {
    let listed = Origins::Listed(vec!["https://a.example".into()]);
    assert!(listed.admit(Some("https://a.example"), "b.example"));
    assert!(!listed.admit(Some("https://b.example"), "b.example"));
    assert!(listed.admit(None, "b.example") && Origins::Any.admit(Some("null"), "b.example"));
}
