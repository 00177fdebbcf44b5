use http::StatusCode;

use crate::types::ChannelName;
use crate::wire::event_stream::StreamFault;
use crate::wire::upgrade::{Accepted, Upgrade, UpgradeError, parse};

const GOOD: &str = "GET /v1/sse?channel=a&channel=b HTTP/1.1\r\nHost: example:8690\r\n\
    Accept: text/event-stream\r\n\r\n";

fn accepted(request: &str) -> Accepted {
    match parse(request.as_bytes(), true, &[], false) {
        Upgrade::Accept(accepted) => accepted,
        other => panic!("{request:?}: {other:?}"),
    }
}

fn refused(request: &str) -> UpgradeError {
    match parse(request.as_bytes(), true, &[], false) {
        Upgrade::Answer { response, refusal: Some(refusal) } => {
            let response = String::from_utf8(response).unwrap();
            assert!(response.starts_with(&format!("HTTP/1.1 {}\r\n", refusal.status())));
            assert!(response.contains(refusal.reason()), "{response}");
            refusal
        }
        other => panic!("{request:?}: {other:?}"),
    }
}

#[test]
fn a_request_for_a_stream_is_left_for_the_broker_to_answer() {
    let accepted = accepted(&format!("{GOOD}x"));
    assert!(accepted.response.is_empty() && accepted.deflate.is_none());
    assert_eq!(accepted.consumed, GOOD.len());
    let stream = accepted.stream.unwrap();
    assert_eq!(stream.channels, ["a", "b"].map(|name| ChannelName::parse(name).unwrap()));
}

#[test]
fn an_upgrade_of_the_same_path_is_a_websocket() {
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nHost:";
    assert!(accepted(&GOOD.replace("Host:", upgrade)).stream.is_none());
}

#[test]
fn the_token_and_the_origin_are_those_of_an_upgrade() {
    let with = |line: &str| accepted(&GOOD.replace("Host:", &format!("{line}\r\nHost:")));
    let token = |accepted: Accepted| accepted.token.map(|token| token.expose().to_owned());
    assert_eq!(token(with("Authorization: Bearer t")).as_deref(), Some("t"));
    let query = GOOD.replace("channel=b", "channel=b&token=q");
    assert_eq!(token(accepted(&query)).as_deref(), Some("q"));
    let of_page = with("Origin: https://page.example");
    assert_eq!(of_page.origin.as_deref(), Some("https://page.example"));
    assert_eq!(of_page.stream.unwrap().origin.as_deref(), Some("https://page.example"));
    let two = query.replace("token=q", "token=q&token=r");
    assert_eq!(refused(&two), UpgradeError::Token);
}

#[test]
fn accept_is_read_as_rfc_9110_has_it() {
    for accept in [
        "*/*",
        "text/*",
        "text/html, text/event-stream;q=0.1",
        "Text/Event-Stream",
        "text/*;q=0, text/event-stream",
        "text/event-stream; charset=utf-8",
    ] {
        accepted(&GOOD.replace("Accept: text/event-stream", &format!("Accept: {accept}")));
    }
    accepted(&GOOD.replace("Accept: text/event-stream\r\n", ""));
    for accept in
        ["application/json", "text/html, */*;q=0", "text/event-stream;q=0, */*", "text/*; Q=0.0"]
    {
        let request = GOOD.replace("Accept: text/event-stream", &format!("Accept: {accept}"));
        assert_eq!(refused(&request), UpgradeError::Stream(StreamFault::NotAcceptable), "{accept}");
    }
}

#[test]
fn what_cannot_be_a_stream_is_refused() {
    let stream = |fault| UpgradeError::Stream(fault);
    let length =
        |length: &str| GOOD.replace("Host:", &format!("Content-Length: {length}\r\nHost:"));
    for (request, refusal) in [
        (GOOD.replace("HTTP/1.1", "HTTP/1.0"), stream(StreamFault::OldHttp)),
        (length("5"), stream(StreamFault::Body)),
        (GOOD.replace("Host:", "Transfer-Encoding: chunked\r\nHost:"), stream(StreamFault::Body)),
        (GOOD.replace("?channel=a&channel=b", ""), stream(StreamFault::NoChannel)),
        (GOOD.replace("Host:", "Last-Event-ID: 7\r\nHost:"), stream(StreamFault::Position)),
        (GOOD.replace("Host: example:8690\r\n", ""), UpgradeError::Host),
        (GOOD.replace("GET", "POST"), UpgradeError::Method),
        (GOOD.replace("/v1/sse?", "/v1/sse/?"), UpgradeError::NoUpgrade),
    ] {
        assert_eq!(refused(&request), refusal, "{request}");
    }
    accepted(&length("0"));
    assert_eq!(stream(StreamFault::OldHttp).status(), StatusCode::HTTP_VERSION_NOT_SUPPORTED);
    assert_eq!(stream(StreamFault::NotAcceptable).status(), StatusCode::NOT_ACCEPTABLE);
}

#[test]
fn a_preflight_request_is_left_for_who_knows_the_origins() {
    let asked = "OPTIONS /v1/sse?channel=a HTTP/1.1\r\nHost: example:8690\r\n\
        Origin: https://page\r\nAccess-Control-Request-Method: GET\r\n\r\n";
    match parse(asked.as_bytes(), true, &[], false) {
        Upgrade::Preflight { origin, host } => {
            assert_eq!((&*origin, &*host), ("https://page", "example:8690"));
        }
        other => panic!("{other:?}"),
    }
    for (request, refusal) in [
        (asked.replace("/v1/sse", "/health"), UpgradeError::Method),
        (asked.replace("Method: GET", "Method: POST"), UpgradeError::Method),
        (asked.replace("Access-Control-Request-Method: GET\r\n", ""), UpgradeError::Method),
        (asked.replace("Origin: https://page\r\n", ""), UpgradeError::Origin),
        (asked.replace("Host: example:8690\r\n", ""), UpgradeError::Host),
    ] {
        assert_eq!(refused(&request), refusal, "{request}");
    }
}
