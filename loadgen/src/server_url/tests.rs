use std::net::TcpListener;

use super::*;

fn parse(text: &str) -> Result<ServerUrl, String> {
    ServerUrl::parse(text, WEBSOCKET)
}

#[test]
fn urls_are_read_as_users_write_them() {
    for (text, host, port, path, authority) in [
        ("ws://localhost:8765", "localhost", 8765, "/", "localhost:8765"),
        ("ws://localhost:8765?token=x", "localhost", 8765, "/?token=x", "localhost:8765"),
        ("WS://LocalHost/a/b?c=%2F&d", "LocalHost", 80, "/a/b?c=%2F&d", "LocalHost"),
        (" Wss://example.org \n", "example.org", 443, "/", "example.org"),
        ("wss://example.org:80/", "example.org", 80, "/", "example.org:80"),
        ("wss://[::1]:8765/x", "::1", 8765, "/x", "[::1]:8765"),
        ("ws://[::1]", "::1", 80, "/", "[::1]"),
        ("http://127.0.0.1:1", "127.0.0.1", 1, "/", "127.0.0.1:1"),
    ] {
        let url = parse(text).unwrap();
        assert_eq!((&*url.host, url.port, &*url.path), (host, port, path), "{text}");
        assert_eq!(url.authority(), authority, "{text}");
        assert_eq!(url.secure, text.to_lowercase().contains("wss"), "{text}");
        assert_eq!(url.text, text.trim());
    }
    assert!(parse("HTTPS://x").unwrap().secure);
    assert!(ServerUrl::parse("https://x", CONTROL).unwrap().secure);
}

#[test]
fn what_is_wrong_with_a_url_is_said_with_a_remedy() {
    for (text, part) in [
        ("127.0.0.1:1", "must begin with ws:// or wss://"),
        ("ftp://x", "must begin with ws:// or wss://"),
        ("ws://", "has no host"),
        ("ws:///path", "has no host"),
        ("ws://host:0", "0 is no port"),
        ("ws://host:70000", "port"),
        ("ws://host/#part", "write # as %23"),
        ("ws://user:secret@host", "use --token"),
        ("ws://::1", "ws://[::1]"),
        ("::", "must begin with ws:// or wss://"),
    ] {
        let error = parse(text).unwrap_err();
        assert!(error.contains(part), "{text}: {error}");
        assert!(!error.contains("secret"), "{error}");
    }
}

#[test]
fn of_several_addresses_the_first_that_accepts_is_taken() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let open = listener.local_addr().unwrap();
    // Nothing can listen on port 1 of an address that the test chooses.
    let closed: SocketAddr = "127.0.0.9:1".parse().unwrap();
    assert_eq!(first_that_accepts(&[closed, open]), Ok(open));
    assert_eq!(first_that_accepts(&[closed]), Ok(closed), "a single one is not tried");
    let error = first_that_accepts(&[closed, "127.0.0.8:1".parse().unwrap()]).unwrap_err();
    assert!(error.contains("127.0.0.9:1: ") && error.contains("127.0.0.8:1: "), "{error}");
    assert_eq!(first_that_accepts(&[]), Err(String::new()));
}

#[test]
fn a_url_is_shown_without_its_secrets() {
    for (url, shown) in [
        ("ws://h:1/p", "ws://h:1/p"),
        ("ws://h?token=secret&vsn=&x", "ws://h?token=…&vsn=&x"),
        ("ws://me:secret@h/p", "ws://…@h/p"),
    ] {
        assert_eq!(masked(url), shown);
    }
}
