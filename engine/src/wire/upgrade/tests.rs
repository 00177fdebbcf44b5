use super::*;

const GOOD: &str = "GET /ws?a=1 HTTP/1.1\r\nHost: example:8690\r\nConnection: Upgrade\r\n\
    Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

fn accepted(request: &str) -> Accepted {
    match parse(request.as_bytes(), true, &[], false) {
        Upgrade::Accept(accepted) => accepted,
        other => panic!("{request:?}: {other:?}"),
    }
}

/// The refusal of a request and the response to it, which must be whole.
fn refused(request: &[u8]) -> (UpgradeError, String) {
    let Upgrade::Answer { response, refusal: Some(refusal) } = parse(request, true, &[], false)
    else {
        panic!("{:?} is to be refused", String::from_utf8_lossy(request));
    };
    let response = String::from_utf8(response).unwrap();
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with(&format!("HTTP/1.1 {}", refusal.status())), "{head}");
    assert!(head.contains("\r\nConnection: close\r\n"));
    assert!(head.contains(&format!("\r\nContent-Length: {}", body.len())));
    (refusal, response)
}

fn refusal(request: &str) -> UpgradeError {
    refused(request.as_bytes()).0
}

fn status(request: &str, ready: bool) -> (String, Value) {
    let Upgrade::Answer { response, refusal: None } = parse(request.as_bytes(), ready, &[], false)
    else {
        panic!("{request:?} is a health path");
    };
    let response = String::from_utf8(response).unwrap();
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    (head.lines().next().unwrap().into(), serde_json::from_str(body).unwrap())
}

use serde_json::{Value, json};

#[test]
fn a_good_request_is_upgraded() {
    let stream = format!("{GOOD}\u{1}\u{2}");
    let accepted = accepted(&stream);
    // The key and its answer are those of RFC 6455, section 1.3.
    let response = String::from_utf8(accepted.response).unwrap().to_ascii_lowercase();
    assert!(response.starts_with("http/1.1 101 switching protocols\r\n"));
    assert!(response.contains("\r\nsec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=\r\n"));
    assert!(response.contains("\r\nupgrade: websocket\r\n"));
    assert!(response.ends_with("\r\n\r\n"));
    assert!(!response.contains("protocol:") && !response.contains("extensions"));
    assert_eq!(accepted.consumed, GOOD.len(), "what follows belongs to WebSocket");
    assert_eq!(accepted.path, "/ws");
    assert!(accepted.origin.is_none() && accepted.token.is_none());
}

#[test]
fn any_path_upgrades_the_health_paths_too() {
    for path in ["/", "/a/b", "/health", "/ready", "http://example/x"] {
        accepted(&GOOD.replace("/ws?a=1", path));
    }
}

#[test]
fn every_start_of_a_good_request_needs_more() {
    for end in 0..GOOD.len() {
        let upgrade = parse(&GOOD.as_bytes()[..end], true, &[], false);
        assert!(matches!(upgrade, Upgrade::NeedMore), "{end}: {upgrade:?}");
    }
}

#[test]
fn headers_are_read_generously() {
    accepted(&GOOD.replace("Connection: Upgrade", "Connection: keep-alive, UPGRADE"));
    accepted(&GOOD.replace("Connection: Upgrade", "connection: keep-alive\r\nConnection: upgrade"));
    accepted(&GOOD.replace("Upgrade: websocket", "UPGRADE: WebSocket"));
    let offers = "Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Extensions: x\r\nHost:";
    accepted(&GOOD.replace("Host:", offers));
}

#[test]
fn the_origin_is_passed_on() {
    let with = GOOD.replace("Host:", "Origin: https://app.example\r\nHost:");
    assert_eq!(accepted(&with).origin.as_deref(), Some("https://app.example"));
    let twice = with.replace("Host:", "Origin: https://other.example\r\nHost:");
    assert_eq!(refusal(&twice), UpgradeError::Origin);
    assert_eq!(
        refusal(&with.replace("app", "äpp")),
        UpgradeError::Origin,
        "never taken for absent"
    );
}

#[test]
fn a_token_comes_in_a_header_or_in_the_query() {
    let token = |request: &str| accepted(request).token.map(|token| token.expose().to_owned());
    let header = GOOD.replace("Host:", "Authorization: bearer a.b-c\r\nHost:");
    assert_eq!(token(&header).as_deref(), Some("a.b-c"));
    let query = GOOD.replace("?a=1", "?a=1&token=x%2By&b=2");
    assert_eq!(token(&query).as_deref(), Some("x+y"));
    assert_eq!(token(&header.replace("?a=1", "?token=x")).as_deref(), Some("a.b-c"));
    assert_eq!(token(&header.replace("bearer", "basic")), None);
    assert!(!format!("{:?}", parse(query.as_bytes(), true, &[], false)).contains("x+y"));
}

#[test]
fn an_offered_subprotocol_that_is_served_is_agreed_to() {
    let served = ["uringcast.v1".to_owned(), "uringcast.v2".to_owned()];
    let answer = |offer: &str| {
        let request = GOOD.replace("Host:", &format!("Sec-WebSocket-Protocol: {offer}\r\nHost:"));
        let Upgrade::Accept(accepted) = parse(request.as_bytes(), true, &served, false) else {
            panic!("{offer}");
        };
        let response = String::from_utf8(accepted.response).unwrap().to_ascii_lowercase();
        let agreed =
            response.lines().find_map(|line| line.strip_prefix("sec-websocket-protocol: "));
        let token = accepted.token.map(|token| token.expose().to_owned());
        (agreed.map(str::to_owned), token)
    };
    let agreed = |name: &str| Some(name.to_owned());
    assert_eq!(answer("uringcast.v1"), (agreed("uringcast.v1"), None));
    assert_eq!(answer("chat, uringcast.v2,uringcast.v1"), (agreed("uringcast.v2"), None));
    let lines = "bearer.a.b-c\r\nSec-WebSocket-Protocol: uringcast.v1";
    for offer in ["uringcast.v1, bearer.a.b-c", lines] {
        let expected = (agreed("uringcast.v1"), Some("a.b-c".to_owned()));
        assert_eq!(answer(offer), expected, "the token is never named");
    }
    assert_eq!(answer("chat"), (None, None));
    // Names of subprotocols are compared as they are: RFC 6455, 1.9.
    assert_eq!(answer("Uringcast.v1"), (None, None));
}

/// A proxy and this server might take different ones.
#[test]
fn of_two_tokens_none_is_taken() {
    let header = GOOD.replace("Host:", "Authorization: Bearer a\r\nHost:");
    let query = GOOD.replace("?a=1", "?token=q");
    for request in [
        header.replace("Host:", "Authorization: Bearer b\r\nHost:"),
        query.replace("Host:", "Authorization: Bearer a\r\nAuthorization: Bearer b\r\nHost:"),
        query.replace("Host:", "Authorization: Bearer \u{e4}\r\nHost:"),
        GOOD.replace("?a=1", "?token=a&token=b"),
    ] {
        assert_eq!(refusal(&request), UpgradeError::Token, "{request}");
    }
    // A Bearer without a token is a bad token, not a missing one.
    let empty = query.replace("Host:", "Authorization: Bearer\r\nHost:");
    assert_eq!(accepted(&empty).token.unwrap().expose(), "");
}

#[test]
fn a_plain_request_is_told_to_upgrade() {
    for request in [
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        &GOOD.replace("HTTP/1.1", "HTTP/1.0"),
        &GOOD.replace("Upgrade: websocket", "Upgrade: h2c"),
        &GOOD.replace("Connection: Upgrade", "Connection: keep-alive"),
    ] {
        let (refusal, response) = refused(request.as_bytes());
        assert_eq!((refusal, refusal.status().as_u16()), (UpgradeError::NoUpgrade, 426));
        assert!(response.contains("\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"));
    }
}

#[test]
fn another_version_is_told_ours() {
    for version in ["12", "14", "13, 8", ""] {
        let request = GOOD.replace("Version: 13", &format!("Version: {version}"));
        let (refusal, response) = refused(request.as_bytes());
        assert_eq!((refusal, refusal.status().as_u16()), (UpgradeError::Version, 426));
        assert!(response.contains("\r\nSec-WebSocket-Version: 13\r\n"));
    }
    assert_eq!(refusal(&GOOD.replace("Sec-WebSocket-Version: 13\r\n", "")), UpgradeError::Version);
}

#[test]
fn a_missing_or_impossible_key_is_refused() {
    let line = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    for other in ["", "Sec-WebSocket-Key: short\r\n", "Sec-WebSocket-Key: \r\n", &line.repeat(2)] {
        assert_eq!(refusal(&GOOD.replace(line, other)), UpgradeError::Key);
    }
    assert_eq!(refusal(&GOOD.replace("Host: example:8690\r\n", "")), UpgradeError::Host);
}

#[test]
fn other_methods_are_refused() {
    let (refusal, response) = refused(GOOD.replace("GET", "POST").as_bytes());
    assert_eq!((refusal, refusal.status().as_u16()), (UpgradeError::Method, 405));
    assert!(response.contains("\r\nAllow: GET\r\n"));
}

#[test]
fn what_is_not_http_is_malformed() {
    for bytes in [
        &b"\x00\x01\x02"[..],
        b"GET / HTTP/2.0\r\n\r\n",
        b"GET  / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\nA: \x00\r\n\r\n",
        b"\x00",
        b"GET /%ff HTTP/1.1\r\n\r\n",
        b"GET /?token=%E4 HTTP/1.1\r\n\r\n",
    ] {
        assert_eq!(refused(bytes).0, UpgradeError::Malformed);
    }
    assert_eq!(UpgradeError::Malformed.status().as_u16(), 400);
}

#[test]
fn what_another_setting_would_explain_is_named() {
    let hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
    assert_eq!(refused(hello).0, UpgradeError::Tls);
    let binary = b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c";
    for header in [&b"PROXY TCP4 192.0.2.7 192.0.2.1 1 2\r\nGET / HTTP/1.1\r\n"[..], binary] {
        assert_eq!(refused(header).0, UpgradeError::ProxyHeader);
    }
}

#[test]
fn large_requests_are_refused_before_they_end() {
    let endless = format!("GET / HTTP/1.1\r\nCookie: {}", "x".repeat(MAX_UPGRADE_REQUEST));
    assert_eq!(refusal(&endless[..MAX_UPGRADE_REQUEST]), UpgradeError::TooLarge);
    let below = parse(&endless.as_bytes()[..MAX_UPGRADE_REQUEST - 1], true, &[], false);
    assert!(matches!(below, Upgrade::NeedMore));
    assert_eq!(refusal(&format!("{endless}\r\n\r\n")), UpgradeError::TooLarge);
    let most = "A: b\r\n".repeat(MAX_UPGRADE_HEADERS - 5);
    accepted(&GOOD.replace("Host:", &format!("{most}Host:")));
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(MAX_UPGRADE_HEADERS + 1));
    assert_eq!(refusal(&many), UpgradeError::TooLarge);
    assert_eq!(UpgradeError::TooLarge.status().as_u16(), 431);
}

#[test]
fn responses_never_repeat_the_request() {
    for request in [
        "SECRET / HTTP/1.1\r\n\r\n",
        "GET /SECRET HTTP/1.1\r\nSECRET: SECRET\r\n\r\n",
        "GET / SECRET\r\n\r\n",
    ] {
        assert!(!refused(request.as_bytes()).1.contains("SECRET"));
    }
}

#[test]
fn the_health_paths_answer_json() {
    let get = |path: &str, version: &str| format!("GET {path} HTTP/{version}\r\nHost: a\r\n\r\n");
    let ok = ("HTTP/1.1 200 OK".to_owned(), json!({"status": "ok"}));
    assert_eq!(status(&get("/health", "1.1"), false), ok);
    assert_eq!(status(&get("/health?x", "1.0"), true), ok);
    let ready = ("HTTP/1.1 200 OK".to_owned(), json!({"status": "ready"}));
    assert_eq!(status(&get("/ready", "1.1"), true), ready);
    let (line, body) = status(&get("/ready", "1.1"), false);
    assert_eq!(line, "HTTP/1.1 503 Service Unavailable");
    assert_eq!(body, json!({"status": "not ready"}));
}

#[test]
fn head_of_a_health_path_is_answered_like_get_without_the_body() {
    let head = |path: &str, ready| {
        let request = format!("HEAD {path} HTTP/1.1\r\nHost: a\r\n\r\n");
        let Upgrade::Answer { response, refusal } = parse(request.as_bytes(), ready, &[], false)
        else {
            panic!("{path}");
        };
        (String::from_utf8(response).unwrap(), refusal)
    };
    for (path, ready, status, length) in
        [("/health", true, 200, 15), ("/ready", true, 200, 18), ("/ready", false, 503, 22)]
    {
        let (response, refusal) = head(path, ready);
        assert!(response.starts_with(&format!("HTTP/1.1 {status} ")), "{response}");
        assert!(response.contains(&format!("\r\nContent-Length: {length}\r\n")), "{response}");
        assert!(response.ends_with("\r\n\r\n") && refusal.is_none());
    }
    let (response, refusal) = head("/", true);
    assert_eq!(refusal, Some(UpgradeError::Method));
    assert!(response.starts_with("HTTP/1.1 405 ") && response.ends_with("\r\n\r\n"));
}
