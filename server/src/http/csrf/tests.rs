use axum::http::{HeaderMap, header};

use super::*;

fn own(host: &str, origin: &str, has_key: bool) -> bool {
    let mut headers = HeaderMap::new();
    for (name, value) in [(header::HOST, host), (header::ORIGIN, origin)] {
        if !value.is_empty() {
            headers.append(name, value.parse().unwrap());
        }
    }
    is_same_origin(&RuleHeaders::of(&headers), has_key)
}

#[test]
fn only_a_page_of_this_very_host_and_port_may_ask() {
    for (host, origin) in [
        ("127.0.0.1:8766", "http://127.0.0.1:8766"),
        ("localhost:8766", "http://localhost:8766"),
        ("[::1]:8766", "http://[::1]:8766"),
        ("10.1.2.3", "https://10.1.2.3"),
        ("127.0.0.1:8766", ""),
        ("", ""),
    ] {
        assert!(own(host, origin, false) && own(host, origin, true), "{host} {origin}");
    }
    for (host, origin) in [
        ("127.0.0.1:8766", "http://127.0.0.1:9000"),
        ("127.0.0.1:8766", "http://localhost:8766"),
        ("127.0.0.1:8766", "https://evil.example"),
        ("127.0.0.1:8766", "null"),
        ("", "null"),
        ("", "http://127.0.0.1:8766"),
    ] {
        assert!(!own(host, origin, false) && !own(host, origin, true), "{host} {origin}");
    }
}

#[test]
fn a_name_that_was_turned_to_loopback_gets_nowhere_without_the_key() {
    for origin in ["", "http://evil.example:8766"] {
        assert!(!own("evil.example:8766", origin, false), "{origin}");
        assert!(own("evil.example:8766", origin, true), "it still lacks the key");
    }
    assert!(!own("127.0.0.1.evil.example", "", false));
    assert!(!own("localhost.evil.example", "", false));
}

#[test]
fn headers_that_come_twice_are_not_believed() {
    for name in [header::HOST, header::ORIGIN] {
        let mut headers = HeaderMap::new();
        headers.append(header::HOST, "127.0.0.1".parse().unwrap());
        headers.append(&name, "http://127.0.0.1".parse().unwrap());
        headers.append(name, "http://127.0.0.1".parse().unwrap());
        assert!(!is_same_origin(&RuleHeaders::of(&headers), true));
    }
}
