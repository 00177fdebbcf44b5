//! Shares of the HTTP ports: nobody takes the places, the memory or the descriptors of others.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::support::http::{self, Answer};
use crate::support::ws::Client;
use crate::support::{PATIENCE, Server, until};
use uringcast_server::limits::HTTP_SEND_BUFFER;

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
    let host = "HTTP/1.1\r\nHost: localhost\r\n";
    let media = "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
    let mut requests = [format!("GET /v1/openapi.json {host}\r\n"), format!("{RAW} {host}{media}")]
        .map(|text| {
            let stream = TcpStream::connect(server.control).unwrap();
            stream.set_nonblocking(true).unwrap();
            (stream, text.repeat(1_000), 0)
        });
    // They are read until the answers are not taken.
    until("the end of both connections", || {
        let ended = requests.iter_mut().filter_map(|(stream, text, sent)| {
            match stream.write(&text.as_bytes()[*sent..]) {
                Ok(more) => *sent = (*sent + more) % text.len(),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Some(error),
            }
            None
        });
        (ended.count() == 2).then_some(())
    });
}

/// What the server says first to this request, before any of the body is sent.
fn first_words(server: &Server, line: &str, headers: &str) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(server.control).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let head = format!("{line} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut words = [0; 12];
    stream.read_exact(&mut words).unwrap();
    (stream, String::from_utf8_lossy(&words).into_owned())
}

#[test]
fn what_will_be_refused_is_refused_before_it_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys");
    std::fs::write(&keys, "ci 0123456789abcdef\nnarrow 1111111111111111 d:*\n").unwrap();
    let server = Server::start(&format!("--api-keys-file={}", keys.display()));
    let expect = "Expect: 100-continue\r\nContent-Length: ";
    let json = "Content-Type: application/json\r\n";
    let narrow = "X-API-Key: 1111111111111111\r\n";
    for (status, line, headers) in [
        (100, RAW, format!("{CI}{json}{expect}100\r\n")),
        (413, RAW, format!("{CI}{json}{expect}16777217\r\n")),
        (413, "POST /v1/publish", format!("{CI}{json}{expect}99999999999999\r\n")),
        (413, "PUT /v1/channels/c/status", format!("{CI}{json}{expect}70000\r\n")),
        (413, "POST /v1/disconnect", format!("{CI}{json}{expect}16777217\r\n")),
        (401, RAW, format!("{json}{expect}100\r\n")),
        (403, RAW, format!("{narrow}{json}{expect}100\r\n")),
        (403, "POST /v1/disconnect", format!("{narrow}{json}{expect}100\r\n")),
        (404, "POST /v1/services/x/publish", format!("{CI}{json}{expect}100\r\n")),
        (404, "POST /v1/nothing", format!("{CI}{json}{expect}100\r\n")),
        (415, RAW, format!("{CI}{expect}100\r\n")),
        (415, RAW, format!("{CI}{json}Content-Encoding: x\r\n{expect}100\r\n")),
        (400, RAW, format!("{CI}{json}Idempotency-Key: a b\r\n{expect}100\r\n")),
        (400, "POST /v1/publish/raw?channel=c", format!("{CI}{json}{expect}100\r\n")),
    ] {
        let (_stream, words) = first_words(&server, line, &headers);
        assert_eq!(words, format!("HTTP/1.1 {status}"), "{line} {headers}");
    }
}

#[test]
fn a_head_has_16_kib_at_most() {
    let server = Server::start("");
    let head = |length: usize| format!("X-Long: {}\r\n", "x".repeat(length));
    assert_eq!(first_words(&server, "GET /health", &head(15 << 10)).1, "HTTP/1.1 200");
    assert_eq!(first_words(&server, "GET /health", &head(16 << 10)).1, "HTTP/1.1 431");
    let mut endless = TcpStream::connect(server.control).unwrap();
    endless.set_read_timeout(Some(PATIENCE)).unwrap();
    endless.write_all(format!("GET / HTTP/1.1\r\n{}", head(16 << 10)).as_bytes()).unwrap();
    let mut words = [0; 12];
    endless.read_exact(&mut words).unwrap();
    assert_eq!(&words, b"HTTP/1.1 431");
}

#[test]
fn bodies_under_way_have_a_budget_for_each_key_and_for_all() {
    let (_folder, server) = with_keys();
    let before = server.anonymous_memory();
    let large = vec![b' '; 14 << 20];
    let head = |key: &str, length: usize| {
        let media = "Content-Type: application/json\r\n";
        let head = format!("{RAW} HTTP/1.1\r\nHost: localhost\r\n{media}{key}");
        format!("{head}Content-Length: {length}\r\n\r\n")
    };
    let under_way = flood(server.control, 60, &head(CI, large.len()));
    let mut refused = Vec::new();
    let mut kept = under_way.iter().collect::<Vec<_>>();
    until("56 refusals", || {
        kept.retain(|stream| {
            stream.set_nonblocking(true).unwrap();
            let mut answer = [0; 1024];
            let mut stream = *stream;
            let Ok(length) = stream.read(&mut answer) else { return true };
            refused.push(Answer::parse(&answer[..length]));
            false
        });
        (refused.len() >= 56).then_some(())
    });
    for answer in &refused {
        assert_eq!(answer.status, 503, "{}", answer.head);
        assert!(answer.head.to_lowercase().contains("\r\nretry-after: 1\r\n"), "{}", answer.head);
        assert!(answer.body.contains("saturated"), "{}", answer.body);
    }
    assert_eq!(kept.len(), 4, "four fit into the share of a key");
    server.wait_metric(GIVEN_UP, "reason=\"bytes\"", 56.0);
    assert_eq!(publish(&server, CI).status, 202, "a small one is under the limit");
    let chunks = "Transfer-Encoding: chunked\r\nContent-Type: application/json\r\n";
    let chunked = |key: &str| {
        let (mut stream, mut answer) = (TcpStream::connect(server.control).unwrap(), String::new());
        let head = format!("{RAW} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
        // More than is left of the share of `ci`.
        let size = 9 << 20;
        write!(stream, "{head}{chunks}{key}\r\n{size:x}\r\n").unwrap();
        let _ = stream.write_all(&large[..size]);
        let _ = stream.write_all(b"\r\n0\r\n\r\n");
        stream.read_to_string(&mut answer).unwrap();
        Answer::parse(answer.as_bytes()).status
    };
    assert_eq!(chunked(CI), 503, "a body without a length counts as it comes");
    assert_eq!(chunked(OTHER), 413, "it is read, and is too long for a message");
    for mut stream in kept {
        stream.set_nonblocking(false).unwrap();
        stream.write_all(&large).unwrap();
        let mut answer = [0; 1024];
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let length = stream.read(&mut answer).unwrap();
        let status = Answer::parse(&answer[..length]).status;
        // It is too long for a message; or a slow machine has brought it too late.
        assert!([413, 408].contains(&status), "{status}");
    }
    let grown = server.anonymous_memory() - before;
    assert!(grown < 256 << 20, "{grown} bytes");
    assert_eq!(chunked(CI), 413, "all was given back");
}

/// Bytes that the kernel has of a peer's answers, those included that are on their way.
fn unsent(from: SocketAddr, to: SocketAddr) -> usize {
    let end = |port: u16| format!(":{port:04X}");
    let sockets = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let fields = sockets.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let mut of = fields.filter(|fields| {
        fields[1].ends_with(&end(from.port())) && fields[2].ends_with(&end(to.port()))
    });
    let queues = of.next().expect("the connection")[4];
    usize::from_str_radix(queues.split(':').next().unwrap(), 16).unwrap()
}

#[test]
fn answers_that_are_not_read_fill_no_more_than_a_buffer() {
    let server = Server::start("--shards=1");
    let documents = "GET /v1/openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(200);
    let silent = flood(server.control, 1, &documents).remove(0);
    let peer = silent.local_addr().unwrap();
    let taken = || Some(unsent(server.control, peer)).filter(|bytes| *bytes > HTTP_SEND_BUFFER / 2);
    until("a full buffer", taken);
    // Between these more answers would be made, if they were taken.
    (0..20).for_each(|_| assert_eq!(http::get(server.control, "/health").status, 200));
    let bytes = unsent(server.control, peer);
    assert!(bytes < 4 * HTTP_SEND_BUFFER, "{bytes} bytes");
}

/// The program may open 150 files, of which the shard, the listeners and the log have some.
#[test]
fn silent_sockets_leave_descriptors_to_health_metrics_and_files() {
    let server = Server::start_within(150, "--shards=1 --max-connections=100");
    let silent = flood(server.clients[0], 300, "");
    let handshakes = || (server.metric("uringcast_handshakes", "") >= 16.0).then_some(());
    until("handshakes under way", handshakes);
    assert_eq!(http::get(server.control, "/health").status, 200);
    assert_eq!(http::get(server.control, "/ready").status, 200);
    assert_eq!(publish(&server, "").status, 202);
    let descriptors = server.settled("websocket_connection_errors_total", "descriptors");
    assert_eq!(descriptors, 0.0, "the listener has waited instead");
    drop(silent);
    Client::connect(&server).assert_alive();

    let silent = [server.control, server.metrics].map(|port| flood(port, 300, ""));
    assert_eq!(http::get(server.control, "/health").status, 200);
    Client::connect(&server).assert_alive();
    let open = server.metric("process_open_fds", "");
    assert!(open < 130.0, "{open} open files");
    server.wait_metric(GIVEN_UP, "reason=\"new\"", 500.0);
    assert_eq!(server.metric(GIVEN_UP, "reason=\"descriptors\""), 0.0);
    drop(silent);
}
