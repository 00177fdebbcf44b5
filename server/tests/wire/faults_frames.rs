//! A peer that breaks RFC 6455 in an open connection: a close code, a counter, and no effect on
//! other connections. The table in docs/PROTOCOL.md names these tests.

use crate::support::Server;
use crate::support::ws::{
    BINARY, CLOSE, CONTINUATION, Client, FIN, PING, PONG, TEXT, announce, frame,
};

/// The metric that counts connections ended for the peer's fault.
const ERRORS: &str = "websocket_connection_errors_total";

/// The header of a frame whose payload is never sent.
fn header(length: u64) -> Vec<u8> {
    [announce(FIN | BINARY, length, true), vec![0; 4]].concat()
}

/// Sends bytes on a new connection for each, and expects the same close code and counter.
fn each_closes(faults: &[(&str, Vec<u8>)], code: u16, counter: &str) {
    let mut server = Server::start("--max-message-size 1KiB");
    let mut witness = Client::connect(&server);
    for (what, bytes) in faults {
        let mut client = Client::connect(&server);
        client.raw(bytes);
        let (got, reason) = client.closed();
        assert_eq!(got, code, "{what}: {reason:?}");
        assert!(!reason.is_empty(), "{what}: no reason");
    }
    server.wait_metric(ERRORS, counter, faults.len() as f64);
    assert_eq!(server.settled(ERRORS, ""), faults.len() as f64, "each is counted once");
    witness.assert_alive();
    server.assert_running();
}

#[test]
fn malformed_frames_are_closed_with_1002() {
    let unmasked = [announce(FIN | TEXT, 2, false), b"{}".to_vec()].concat();
    let twice = [frame(TEXT, b"{"), frame(FIN | TEXT, b"}")].concat();
    let faults = [
        ("not masked", unmasked),
        ("reserved bit 1", frame(FIN | 0x40 | TEXT, b"{}")),
        ("reserved bit 2", frame(FIN | 0x20 | TEXT, b"{}")),
        ("reserved bit 3", frame(FIN | 0x10 | PING, b"")),
        ("reserved data opcode", frame(FIN | 0x3, b"")),
        ("reserved control opcode", frame(FIN | 0xb, b"")),
        ("fragmented ping", frame(PING, b"")),
        ("ping of 126 bytes", frame(FIN | PING, &[0; 126])),
        ("pong of 126 bytes", frame(FIN | PONG, &[0; 126])),
        ("continuation of nothing", frame(FIN | CONTINUATION, b"{}")),
        ("message within a message", twice),
        ("length with its top bit set", header(1 << 63)),
    ];
    each_closes(&faults, 1002, "protocol");
}

#[test]
fn malformed_close_frames_are_closed_with_1002() {
    let mut faults = vec![("one byte", frame(FIN | CLOSE, &[3])), ("fragment", frame(CLOSE, b""))];
    for code in [0_u16, 999, 1004, 1005, 1006, 1015, 2999, 5000] {
        faults.push(("a code nobody may send", frame(FIN | CLOSE, &code.to_be_bytes())));
    }
    each_closes(&faults, 1002, "protocol");
}

#[test]
fn text_that_is_not_utf8_is_closed_with_1007() {
    let split = [frame(TEXT, b"\xe2\x82"), frame(FIN | CONTINUATION, b"\x28")].concat();
    let faults = [
        ("a byte that never occurs", frame(FIN | TEXT, b"{\xff}")),
        ("an overlong slash", frame(FIN | TEXT, b"\xc0\xaf")),
        ("half a surrogate pair", frame(FIN | TEXT, b"\xed\xa0\x80")),
        ("beyond the last code point", frame(FIN | TEXT, b"\xf4\x90\x80\x80")),
        ("ends within a character", frame(FIN | TEXT, b"\xe2\x82")),
        ("wrong across two fragments", split),
        ("a close reason", frame(FIN | CLOSE, b"\x03\xe8\xff")),
    ];
    each_closes(&faults, 1007, "invalid_utf8");
}

#[test]
fn an_oversize_message_is_closed_with_1009() {
    let half = [b'x'; 600];
    let fragments = [frame(TEXT, &half), frame(FIN | CONTINUATION, &half)].concat();
    let faults = [
        ("one byte too many", frame(FIN | TEXT, &[b'x'; 1025])),
        ("announced, not sent", header(1 << 40)),
        ("in fragments", fragments),
    ];
    each_closes(&faults, 1009, "message_too_big");
}

#[test]
fn a_message_of_the_limit_is_taken() {
    let server = Server::start("--max-message-size 1KiB");
    let mut client = Client::connect(&server);
    let mut ping = br#"{"type":"ping","id":"full"}"#.to_vec();
    ping.resize(1024, b' ');
    client.send(TEXT, &ping);
    assert_eq!(client.message()["correlation_id"], "full");
}

#[test]
fn more_fragments_than_allowed_are_closed_with_1002() {
    let server = Server::start("--message-rate 0");
    let mut client = Client::connect(&server);
    let mut flood = frame(TEXT, b"");
    for _ in 0..=uringcast_engine::limits::MAX_FRAGMENTS {
        flood.extend(frame(CONTINUATION, b""));
    }
    client.raw(&flood);
    // What was sent behind the fault is read and dropped, so the close frame arrives.
    assert_eq!(client.closed().0, 1002);
    server.wait_metric(ERRORS, "protocol", 1.0);
}

#[test]
fn a_client_that_vanishes_is_counted_and_forgotten() {
    let server = Server::start("");
    let mut client = Client::connect(&server);
    client.subscribe("pool:gone");
    client.raw(&frame(TEXT, b"{\"type\":")[..4]);
    drop(client);
    server.wait_metric(ERRORS, "reset", 1.0);
    crate::support::until("no active connection", || {
        (server.metric("websocket_connections_active", "") == 0.0).then_some(())
    });
    server.publish("pool:gone", "{}");
}

#[test]
fn a_good_close_is_answered_with_its_code() {
    let server = Server::start("");
    for code in [1000_u16, 1001, 1011, 3000, 4999] {
        let mut client = Client::connect(&server);
        client.send(CLOSE, &[&code.to_be_bytes()[..], b"bye"].concat());
        assert_eq!(client.closed().0, code);
    }
    let mut client = Client::connect(&server);
    client.send(CLOSE, b"");
    assert_eq!(client.frame().map(|frame| frame.first), Some(FIN | CLOSE));
    assert_eq!(client.frame(), None);
    assert_eq!(server.settled(ERRORS, ""), 0.0);
}
