//! Shares of the HTTP ports: nobody takes the places, the memory or the descriptors of others.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use support::http::{self, Answer};
use support::{PATIENCE, Server, until};

const GIVEN_UP: &str = "uringcast_http_given_up_total";
const RAW: &str = "POST /v1/publish/raw?channel=c&event=e";
const CI: &str = "X-API-Key: 0123456789abcdef\r\n";
const OTHER: &str = "X-API-Key: fedcba9876543210\r\n";

/// Connections that have sent this, and read nothing.
fn flood(address: SocketAddr, count: usize, sent: &str) -> Vec<TcpStream> {
    let connect = |_| {
        let mut stream = TcpStream::connect(address).unwrap();
        // The server may have ended the connection already.
        let _ = stream.write_all(sent.as_bytes());
        stream
    };
    (0..count).map(connect).collect()
}

/// A server with two keys.
fn with_keys() -> (tempfile::TempDir, Server) {
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys");
    std::fs::write(&keys, "ci 0123456789abcdef\nother fedcba9876543210\n").unwrap();
    let server = Server::start(&format!("--api-keys-file={}", keys.display()));
    (folder, server)
}

fn publish(server: &Server, key: &str) -> Answer {
    http::send(server.control, RAW, key, "{}")
}

/// The status of the answer to a message on a connection that is kept.
fn publish_kept(server: &Server, key: &str) -> (u16, TcpStream) {
    let media = "Content-Type: application/json\r\nContent-Length: 2\r\n";
    let request = format!("{RAW} HTTP/1.1\r\nHost: localhost\r\n{media}{key}\r\n{{}}");
    let mut stream = TcpStream::connect(server.control).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut answer = [0; 1024];
    let length = stream.read(&mut answer).unwrap();
    (Answer::parse(&answer[..length]).status, stream)
}

#[test]
fn connections_that_read_no_answer_lock_neither_health_nor_publishers_out() {
    for key in [None, Some(CI)] {
        let (_folder, server) = with_keys();
        let anonymous = Server::start("");
        let server = if key.is_some() { &server } else { &anonymous };
        let many = "GET /v1/openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(100);
        let flooders = [server.control, server.metrics].map(|port| flood(port, 700, &many));
        assert_eq!(http::get(server.control, "/health").status, 200);
        assert_eq!(http::get(server.control, "/ready").status, 200);
        assert_eq!(publish(server, key.unwrap_or_default()).status, 202);
        server.wait_metric(GIVEN_UP, "reason=\"new\"", 1_000.0);
        drop(flooders);
    }
}

#[test]
fn idle_streams_of_one_key_leave_places_to_another_and_go_for_newer_ones() {
    let (_folder, server) = with_keys();
    let line = "{\"channel\":\"c\",\"event\":\"e\"}\n";
    let length = line.len();
    let head = "POST /v1/publish HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n";
    let media = "Content-Type: application/x-ndjson\r\n";
    let stream = format!("{head}{media}{CI}\r\n{length:x}\r\n{line}\r\n");
    let streams = flood(server.control, 512, &stream);
    until("all streams", || {
        (server.metric("websocket_broadcast_total", "") >= 512.0).then_some(())
    });
    let (status, _kept) = publish_kept(&server, OTHER);
    assert_eq!(status, 202, "it has less than its share");
    assert_eq!(http::get(server.control, "/health").status, 200);
    let _own = until("a place for the same key", || {
        let (status, kept) = publish_kept(&server, CI);
        (status == 202).then_some(kept)
    });
    server.wait_metric(GIVEN_UP, "reason=\"idle\"", 2.0);
    drop(streams);
}

#[test]
fn connections_that_are_kept_and_idle_go_first() {
    let server = Server::start("");
    let body = "Host: localhost\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
    let kept = flood(server.control, 640, &format!("{RAW} HTTP/1.1\r\n{body}"));
    let place = || Some(publish(&server, "")).filter(|answer| answer.status == 202);
    until("a place", place);
    server.wait_metric(GIVEN_UP, "reason=\"idle\"", 1.0);
    drop(kept);
}

#[test]
fn a_peer_that_takes_nothing_of_its_answers_is_cut() {
    let server = Server::start("");
    let mut stream = TcpStream::connect(server.control).unwrap();
    stream.set_write_timeout(Some(Duration::from_millis(100))).unwrap();
    let request = b"GET /v1/openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n";
    // What is read of them stops once the answers are not taken.
    until("the end of the connection", || match stream.write(request) {
        Ok(_) => None,
        Err(error) if error.kind() == ErrorKind::WouldBlock => None,
        Err(error) => Some(error),
    });
}
