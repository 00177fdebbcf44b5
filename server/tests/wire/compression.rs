//! permessage-deflate against the session code in its echo mode: what is agreed on, what comes
//! back, what is refused. docs/PROTOCOL.md names the faults.

#[allow(dead_code)]
use std::net::TcpStream;
use std::process::{Command, Stdio};

use crate::support::tools;
use crate::support::ws::{
    BINARY, CLOSE, CONTINUATION, Client, FIN, Frame, PING, PONG, TEXT, frame, upgrade_request,
};
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};
use uringcast_engine::{Config, Engine};

/// The bit that marks a compressed message.
const RSV1: u8 = 0x40;
const OFFER: &str = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n";
const MAX: usize = 10_000;

fn start(change: impl FnOnce(&mut Config)) -> Engine {
    let mut config = crate::echo::config(([127, 0, 0, 1], 0).into());
    config.services[0].max_message = MAX;
    change(&mut config);
    Engine::start(config).expect("it starts")
}

/// Upgrades with further headers; the head of the answer.
fn offer(engine: &Engine, headers: &str) -> (Client, String) {
    let address = engine.local_addrs()[0];
    let stream = TcpStream::connect(address).expect("connected");
    let mut client = Client::request_as(stream, None, &upgrade_request(address, headers));
    let head = client.head();
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    (client, head.to_ascii_lowercase())
}

fn deflate(plain: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(2 * plain.len() + 100);
    let mut compress = Compress::new(Compression::best(), false);
    compress.compress_vec(plain, &mut out, FlushCompress::Sync).expect("compressed");
    out.truncate(out.len() - 4);
    out
}

fn inflate(frame: &Frame) -> Vec<u8> {
    let payload = [&frame.payload[..], &[0, 0, 0xff, 0xff]].concat();
    let mut out = Vec::with_capacity(2 * MAX);
    let mut inflater = Decompress::new(false);
    inflater.decompress_vec(&payload, &mut out, FlushDecompress::Sync).expect("inflated");
    assert_eq!(inflater.total_in(), payload.len() as u64, "all of it");
    out
}

#[test]
fn compression_is_agreed_to_only_where_a_class_has_it() {
    const ANSWER: &str =
        "sec-websocket-extensions: permessage-deflate; client_no_context_takeover\r\n";
    let engine = start(|_| {});
    assert!(offer(&engine, OFFER).1.contains(ANSWER));
    let two = "Sec-WebSocket-Extensions: permessage-deflate; no=1\r\n\
               Sec-WebSocket-Extensions: x, permessage-deflate; server_max_window_bits=10\r\n";
    let (_, head) = offer(&engine, two);
    assert!(head.contains("client_no_context_takeover; server_max_window_bits=10\r\n"), "{head}");
    assert!(!offer(&engine, "").1.contains("extensions"));
    let plain = start(|config| config.services[0].classes.clear());
    let (mut client, head) = offer(&plain, OFFER);
    assert!(!head.contains("extensions"), "{head}");
    client.send(TEXT, b"as it is");
    assert_eq!(client.frame().expect("an echo").first, FIN | TEXT);
}

#[test]
fn messages_come_back_compressed_however_they_were_sent() {
    let engine = start(|_| {});
    let (mut client, _) = offer(&engine, OFFER);
    for len in [0, 1, 300, MAX] {
        let text: Vec<u8> = (0..len).map(|at| b"{\"price\":123,"[at % 13]).collect();
        let compressed = deflate(&text);
        let (first, rest) = compressed.split_at(compressed.len() / 2);
        let in_parts = [
            frame(RSV1 | BINARY, first),
            frame(FIN | PING, b"between"),
            frame(FIN | CONTINUATION, rest),
        ];
        client.raw(&frame(FIN | RSV1 | TEXT, &compressed));
        client.send(TEXT, &text);
        client.raw(&in_parts.concat());
        for first in [TEXT, TEXT, PONG, BINARY] {
            let frame = client.frame().expect("an echo");
            if first == PONG {
                assert_eq!(frame, Frame { first: FIN | PONG, payload: b"between".to_vec() });
            } else {
                assert_eq!(frame.first, FIN | RSV1 | first);
                assert!(inflate(&frame) == text);
            }
        }
    }
}

/// Sends bytes on a connection with compression each, and expects this close code.
fn each_closes(faults: &[(&str, Vec<u8>)], code: u16, text: &str) {
    let engine = start(|_| {});
    for (what, bytes) in faults {
        let (mut client, _) = offer(&engine, OFFER);
        client.raw(bytes);
        let (got, reason) = client.closed();
        assert_eq!((got, reason.as_str()), (code, text), "{what}");
    }
    let (mut witness, _) = offer(&engine, OFFER);
    witness.raw(&frame(FIN | RSV1 | TEXT, &deflate(b"still served")));
    assert_eq!(inflate(&witness.frame().expect("an echo")), b"still served");
}

#[test]
fn what_cannot_be_inflated_is_closed_with_1007() {
    let whole = deflate(&[b'x'; 300]);
    let parts = [frame(RSV1 | TEXT, &[0xff]), frame(FIN | CONTINUATION, &[0xff; 9])].concat();
    let faults = [
        ("no deflate stream", frame(FIN | RSV1 | TEXT, b"{\"type\":\"ping\"}")),
        ("in fragments", parts),
        ("cut off", frame(FIN | RSV1 | TEXT, &whole[..whole.len() / 2])),
    ];
    each_closes(&faults, 1007, "Message cannot be inflated");
    let text = deflate(b"{\"\xff\"}");
    each_closes(&[("not UTF-8", frame(FIN | RSV1 | TEXT, &text))], 1007, "Invalid UTF-8");
}

#[test]
fn a_message_that_inflates_beyond_the_limit_is_closed_with_1009() {
    let faults = [
        ("one byte too many", frame(FIN | RSV1 | TEXT, &deflate(&[b' '; MAX + 1]))),
        ("a bomb", frame(FIN | RSV1 | BINARY, &deflate(&vec![0; 8 << 20]))),
    ];
    each_closes(&faults, 1009, "Message too big");
}

#[test]
fn the_bit_of_compressed_messages_is_refused_elsewhere() {
    let compressed = deflate(b"text");
    let continued = [frame(RSV1 | TEXT, b""), frame(FIN | RSV1 | CONTINUATION, &compressed)];
    let faults = [
        ("a ping", frame(FIN | RSV1 | PING, b"")),
        ("a close frame", frame(FIN | RSV1 | CLOSE, b"\x03\xe8")),
        ("a continuation", continued.concat()),
    ];
    each_closes(&faults, 1002, "reserved bits are set");
    let engine = start(|_| {});
    let (mut client, _) = offer(&engine, "");
    client.raw(&frame(FIN | RSV1 | TEXT, &compressed));
    assert_eq!(client.closed().0, 1002, "nothing was agreed on");
}

#[test]
fn the_python_client_gets_all_back_with_every_offer() {
    const TEST: &str = "the_python_client_gets_all_back_with_every_offer";
    let Some(python) = tools::python(TEST, "python") else { return };
    let engine = start(|config| config.services[0].max_message = 8 << 20);
    let mut command = Command::new(python);
    command.arg(tools::root().join("server/tests/scripts/deflate_client.py"));
    command.env("SERVER_URL", format!("ws://{}/", engine.local_addrs()[0]));
    let output = command.stdin(Stdio::null()).output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && output.stdout.ends_with(b"ok\n"), "{said}");
}
