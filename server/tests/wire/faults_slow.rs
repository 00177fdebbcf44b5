//! What happens to peers that do not read, do not answer, or are too many, and when the server
//! stops. The table in docs/PROTOCOL.md names these tests.

use std::net::TcpStream;
use std::sync::mpsc::{self, TryRecvError};
use std::thread;

use crate::support::ws::{CLOSE, Client, FIN, PING, PONG, TEXT};
use crate::support::{PATIENCE, Server};
use serde_json::json;
use socket2::{Domain, Socket, Type};

const ERRORS: &str = "websocket_connection_errors_total";

#[test]
fn one_connection_too_many_is_closed_with_1013() {
    let server = Server::start("--max-connections 2");
    let mut inside = [Client::connect(&server), Client::connect(&server)];
    let stream = TcpStream::connect(server.clients[0]).expect("connected");
    let closed = Client::upgrade(stream).closed();
    assert_eq!(closed, (1013, "Server at maximum capacity".into()));
    server.wait_metric(ERRORS, "max_connections", 1.0);
    inside.iter_mut().for_each(Client::assert_alive);

    let [first, _second] = inside;
    drop(first);
    crate::support::until("a place to be free again", || {
        let stream = TcpStream::connect(server.clients[0]).expect("connected");
        let first = Client::upgrade(stream).frame().expect("a frame").first;
        (first != FIN | CLOSE).then_some(())
    });
}

#[test]
fn a_silent_client_is_pinged_and_closed_when_it_does_not_answer() {
    let server = Server::start("--keepalive-interval 1s");
    let mut answering = Client::connect(&server);
    let mut silent = Client::connect(&server);
    let (over, is_over) = mpsc::channel::<()>();
    let answers = thread::spawn(move || {
        // A client that answers is pinged again.
        while is_over.try_recv() == Err(TryRecvError::Empty) {
            let frame = answering.frame().expect("a ping");
            assert_eq!(frame.first, FIN | PING, "{frame:?}");
            answering.send(PONG, &frame.payload);
        }
        answering
    });
    assert_eq!(silent.frame().map(|frame| frame.first), Some(FIN | PING));
    assert_eq!(silent.closed().0, 1011);
    server.wait_metric(ERRORS, "timeout", 1.0);
    server.wait_metric("websocket_connections_active", "", 1.0);
    drop(over);
    answers.join().expect("it was pinged only, and stayed");
}

#[test]
fn a_client_that_does_not_read_its_replies_is_closed_with_4103() {
    let server = Server::start("--max-outbox 4KiB --message-rate 0");
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.set_recv_buffer_size(4096).expect("a small buffer");
    socket.connect(&server.clients[0].into()).expect("connected");
    let mut client = Client::upgrade(socket.into());
    client.stream().set_write_timeout(Some(PATIENCE)).expect("a timeout");

    let ping = json!({"type": "ping", "id": "x".repeat(60_000)});
    crate::support::until("the server to give up on it", || {
        client.say(&ping);
        (server.metric(ERRORS, "outbox_full") == 1.0).then_some(())
    });
    Client::connect(&server).assert_alive();
    let who = client.stream().local_addr().expect("an address").to_string();
    let line = over_a_limit(&server);
    for part in ["connection_id=", &who, "code=4103", "max_outbox", "limit=4096", "value="] {
        assert!(line.contains(part), "{part} in {line}");
    }
    assert_eq!(server.metric("uringcast_closes_total", "reason=\"outbox_full\""), 1.0);
}

#[test]
fn a_slow_consumer_is_told_of_with_the_limit_that_its_log_came_to() {
    const LARGE: &str = "--log-bytes 256MiB";
    for (flags, setting, limit) in [
        ("--log-bytes 128KiB".into(), "log_bytes", 128 << 10),
        (format!("{LARGE} --log-frames 5"), "log_frames", 5),
        (format!("{LARGE} --shard-log-bytes 1MiB"), "shard_log_bytes", 1 << 20),
        (format!("{LARGE} --log-age 1s"), "log_age", 1),
    ] {
        let server = Server::start(&format!("--shards 1 {flags}"));
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.set_recv_buffer_size(4096).expect("a small buffer");
        socket.connect(&server.clients[0].into()).expect("connected");
        let mut client = Client::upgrade(socket.into());
        assert_eq!(client.message()["event"], "session.created");
        client.subscribe("flood");
        let large = format!(r#"{{"x":"{}"}}"#, "x".repeat(60_000));
        crate::support::until("the slow consumer to be closed", || {
            server.publish("flood", &large);
            (server.metric(ERRORS, "slow_consumer") == 1.0).then_some(())
        });
        let line = over_a_limit(&server);
        let who = client.stream().local_addr().expect("an address").to_string();
        let named = format!("limit_name=\"{setting}\" limit={limit} ");
        for part in ["connection_id=", &who, "code=1013 reason=\"slow consumer\"", &named] {
            assert!(line.contains(part), "{part} in {line}");
        }
        let number = |name: &str| {
            let word = line.split(' ').find_map(|word| word.strip_prefix(name));
            word.and_then(|word| word.parse::<u64>().ok()).expect("a number")
        };
        assert!(number("value=") > limit && number("behind=") > 1, "{line}");
        assert!(line.contains("channel=\"flood\""), "{line}");
    }
}

#[test]
fn who_comes_to_a_full_server_or_says_too_much_is_told_of_with_what_it_came_to() {
    let server = Server::start("--max-connections 1 --max-message-size 4KiB");
    let mut client = Client::connect(&server);
    let mut late = Client::upgrade(TcpStream::connect(server.clients[0]).expect("connected"));
    assert_eq!(late.closed().0, 1013);
    let line = over_a_limit(&server);
    let named = "code=1013 reason=\"Server at maximum capacity\"";
    let passed = "limit_name=\"max_connections\" limit=1 value=2";
    assert!(line.contains(named) && line.contains(passed), "{line}");

    client.send(TEXT, &[b'x'; 5_000]);
    assert_eq!(client.closed().0, 1009);
    let passed = "limit_name=\"max_message_size\" limit=4096 value=5000";
    server.logged(passed);

    let stranger = TcpStream::connect(server.clients[0]).expect("connected");
    let who = stranger.local_addr().expect("an address").to_string();
    let mut stranger = Client::request_as(stranger, None, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(stranger.head().starts_with("HTTP/1.1 426 "));
    let line = crate::support::until("a line about it", || {
        let log = server.log();
        log.lines().find(|line| line.contains("no upgrade")).map(String::from)
    });
    assert!(line.contains(&who) && line.contains("upgrade required"), "{line}");
}

/// The line about the one connection that was closed for passing a limit.
fn over_a_limit(server: &Server) -> String {
    server.logged("closing connection over a limit")
}

#[test]
fn a_client_that_does_not_answer_a_close_is_cut() {
    let server = Server::start("");
    let mut client = Client::connect(&server);
    client.raw(&[FIN | 0x3, 0x80, 0, 0, 0, 0]);
    let frame = client.frame().expect("a close frame");
    assert_eq!(frame.first, FIN | CLOSE);
    assert_eq!(client.frame(), None, "the server ends it without an answer");
    crate::support::until("no active connection", || {
        (server.metric("websocket_connections_active", "") == 0.0).then_some(())
    });
}

#[test]
fn sigterm_closes_everybody_with_1001_and_exits_0() {
    let server = Server::start("");
    let mut clients: Vec<_> = (0..20).map(|_| Client::connect(&server)).collect();
    for client in &mut clients {
        client.subscribe("global");
    }
    server.publish("global", r#"{"last":"word"}"#);
    server.terminate();
    for client in &mut clients {
        assert_eq!(client.message()["data"], json!({"last": "word"}), "what was accepted is sent");
        assert_eq!(client.closed(), (1001, "Server is shutting down".into()));
    }
    let address = server.clients[0];
    assert_eq!(server.ended().code(), Some(0));
    assert!(TcpStream::connect(address).is_err(), "nobody listens any more");
}

#[test]
fn a_client_that_ignores_the_shutdown_is_cut_at_the_deadline() {
    let server = Server::start("--drain-timeout 1s --canary-interval 200ms");
    let mut client = Client::connect(&server);
    server.wait_metric("canary_latency_seconds_count", "", 1.0);
    server.terminate();
    assert_eq!(client.frame().map(|frame| frame.first), Some(FIN | CLOSE));
    // The server's own probes, which do answer, are not counted.
    server.logged("drained closed=0 cut=1");
    assert_eq!(server.ended().code(), Some(0));
}

#[test]
fn a_second_signal_ends_the_server_at_once() {
    let server = Server::start("--drain-timeout 1h");
    let mut client = Client::connect(&server);
    server.terminate();
    assert_eq!(client.frame().map(|frame| frame.first), Some(FIN | CLOSE));
    server.terminate();
    assert_eq!(server.ended().code(), Some(128 + 15));
}
