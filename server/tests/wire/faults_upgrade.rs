//! Peers that never become a WebSocket connection, and what they receive. The table in
//! docs/PROTOCOL.md names these tests.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use crate::support::http::Answer;
use crate::support::ws::{Client, upgrade_request};
use crate::support::{PATIENCE, Server};

const ERRORS: &str = "websocket_connection_errors_total";

/// Sends bytes and returns everything that comes back until the server closes.
fn exchange(server: &Server, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(server.clients[0]).expect("connected");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    // The server may answer and close before it has read everything.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    answer
}

/// Expects an HTTP answer that ends the connection, counted as a refused upgrade.
fn refused(request: &str) -> Answer {
    let server = Server::start("");
    let answer = Answer::parse(&exchange(&server, request.as_bytes()));
    assert!(answer.head.to_lowercase().contains("connection: close"), "{}", answer.head);
    server.wait_metric(ERRORS, "upgrade", 1.0);
    Client::connect(&server).assert_alive();
    answer
}

#[test]
fn a_plain_http_request_is_answered_426() {
    let answer = refused("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(answer.status, 426);
    assert!(answer.head.to_lowercase().contains("upgrade: websocket"), "{}", answer.head);
    assert!(answer.body.contains("WebSocket"), "{}", answer.body);
}

#[test]
fn health_and_readiness_are_answered_on_the_clients_port() {
    let server = Server::start("");
    for (path, status) in [("/health", "ok"), ("/ready", "ready")] {
        let answer = crate::support::http::get(server.clients[0], path);
        let body: serde_json::Value = serde_json::from_str(&answer.body).expect("JSON");
        assert_eq!((answer.status, &body["status"]), (200, &status.into()));
    }
    assert_eq!(server.settled(ERRORS, ""), 0.0);
}

#[test]
fn head_of_a_health_path_is_answered_and_no_error() {
    let server = Server::start("");
    for path in ["/health", "/ready"] {
        let request = format!("HEAD {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let answer = Answer::parse(&exchange(&server, request.as_bytes()));
        assert_eq!((answer.status, &*answer.body), (200, ""), "{}", answer.head);
    }
    assert_eq!(server.settled(ERRORS, ""), 0.0);
}

#[test]
fn a_request_may_have_128_headers() {
    let server = Server::start("");
    let more = (0..123).map(|n| format!("X-Of-A-Proxy-{n}: a\r\n")).collect::<String>();
    let request = upgrade_request(server.clients[0], &more);
    let stream = TcpStream::connect(server.clients[0]).expect("connected");
    let mut client = Client::request_as(stream, None, &request);
    assert!(client.head().starts_with("HTTP/1.1 101 "));
}

#[test]
fn another_websocket_version_is_answered_426() {
    let request = upgrade_request(([127, 0, 0, 1], 1).into(), "").replace("13", "8");
    let answer = refused(&request);
    assert_eq!(answer.status, 426);
    let head = answer.head.to_lowercase();
    assert!(head.contains("sec-websocket-version: 13"), "{head}");
}

#[test]
fn an_upgrade_without_a_key_is_answered_400() {
    let request = upgrade_request(([127, 0, 0, 1], 1).into(), "");
    let answer = refused(&request.replace("Sec-WebSocket-Key", "X-Key"));
    assert_eq!(answer.status, 400);
    assert!(answer.body.contains("Sec-WebSocket-Key"), "{}", answer.body);
}

#[test]
fn two_tokens_are_answered_400() {
    let headers = "Authorization: Bearer a\r\nAuthorization: Bearer b\r\n";
    let request = upgrade_request(([127, 0, 0, 1], 1).into(), headers);
    let answer = refused(&request.replace("GET / ", "GET /?token=c "));
    assert_eq!(answer.status, 400);
    assert!(answer.body.contains("Authorization"), "{}", answer.body);
}

#[test]
fn a_post_is_answered_405() {
    let answer = refused("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(answer.status, 405);
}

#[test]
fn what_is_not_http_is_answered_400() {
    assert_eq!(refused("\u{16}\u{3}\u{1}\u{0}ABC\r\n\r\n").status, 400);
}

#[test]
fn headers_of_100_kilobytes_are_answered_431() {
    let padding = format!("X-Padding: {}\r\n", "x".repeat(100_000));
    assert_eq!(refused(&upgrade_request(([127, 0, 0, 1], 1).into(), &padding)).status, 431);
}

#[test]
fn more_headers_than_allowed_are_answered_431() {
    let many: String = (0..124).map(|n| format!("X-{n}: 1\r\n")).collect();
    assert_eq!(refused(&upgrade_request(([127, 0, 0, 1], 1).into(), &many)).status, 431);
}

#[test]
fn half_a_handshake_is_cut_after_ten_seconds() {
    let server = Server::start("");
    let request = upgrade_request(server.clients[0], "");
    let halves = [&request[..0], &request[..request.len() / 2]];
    let mut streams = halves.map(|half| {
        let mut stream = TcpStream::connect(server.clients[0]).expect("connected");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream.write_all(half.as_bytes()).expect("written");
        stream
    });
    for stream in &mut streams {
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert_eq!(String::from_utf8_lossy(&answer), "", "a half is no request");
    }
    server.wait_metric(ERRORS, "timeout", 2.0);
    Client::connect(&server).assert_alive();
}

#[test]
fn a_peer_that_leaves_within_the_handshake_is_forgotten() {
    let server = Server::start("");
    let request = upgrade_request(server.clients[0], "");
    let mut stream = TcpStream::connect(server.clients[0]).expect("connected");
    stream.write_all(&request.as_bytes()[..20]).expect("written");
    stream.shutdown(Shutdown::Write).expect("half closed");
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    assert_eq!(answer, b"");
    Client::connect(&server).assert_alive();
}

#[test]
fn a_handshake_byte_by_byte_is_accepted() {
    let server = Server::start("");
    let mut stream = TcpStream::connect(server.clients[0]).expect("connected");
    stream.set_nodelay(true).expect("no delay");
    let request = upgrade_request(server.clients[0], "");
    for byte in request.as_bytes() {
        stream.write_all(&[*byte]).expect("written");
    }
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let mut start = [0; 12];
    stream.read_exact(&mut start).expect("an answer");
    assert_eq!(&start, b"HTTP/1.1 101");
}

#[test]
fn what_is_not_tls_is_refused_on_a_wss_port() {
    let server = Server::start("--auto-cert");
    let plain = exchange(&server, upgrade_request(server.clients[0], "").as_bytes());
    assert!(!plain.starts_with(b"HTTP/"), "it must not serve without TLS");
    server.wait_metric(ERRORS, "tls_handshake", 1.0);
}

#[test]
fn half_a_tls_handshake_is_cut_after_ten_seconds() {
    let server = Server::start("--auto-cert");
    // The head of a ClientHello whose rest is never sent.
    let answer = exchange(&server, &[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]);
    assert!(answer.len() < 16, "nothing but an alert can be sent: {answer:?}");
    server.wait_metric(ERRORS, "timeout", 1.0);
}
