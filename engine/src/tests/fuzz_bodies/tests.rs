//! The committed corpora as tests, and the seeds that they began with.

use std::fs;
use std::path::{Path, PathBuf};

use flate2::{Compress, Compression, FlushCompress};

use proptest::collection::vec;
use proptest::prelude::*;

use crate::handover::tests::{sample, some_state};
use crate::shard::hello;

fn corpus(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target)
}

/// Runs a body over its corpus. `UPDATE_CORPORA` puts the seeds there first.
fn run(target: &str, body: fn(&[u8]), seeds: Vec<(&str, Vec<u8>)>) {
    if std::env::var_os("UPDATE_CORPORA").is_some() {
        fs::create_dir_all(corpus(target)).expect("the corpus is writable");
        for (name, seed) in seeds {
            fs::write(corpus(target).join(name), seed).expect("the corpus is writable");
        }
    }
    let mut count = 0;
    for file in fs::read_dir(corpus(target)).expect("a corpus") {
        let path = file.expect("a directory entry").path();
        println!("{}", path.display());
        body(&fs::read(path).expect("a readable file"));
        count += 1;
    }
    assert!(count > 0, "the corpus of {target} is empty");
}

macro_rules! corpora {
    ($($target:ident: $seeds:expr,)*) => {$(
        #[test]
        fn $target() {
            run(stringify!($target), super::$target, $seeds);
        }
    )*};
}

corpora! {
    frame_reader: streams(),
    upgrade_request: upgrades(),
    client_hello: vec![("rustls", hello(0))],
    proxy_header: proxy_headers(),
    record_layer: record_steps(),
    record_exchange: exchange_steps(),
    envelope: envelopes(),
    inflate: messages(),
    handover_state: states(),
}

fn states() -> Vec<(&'static str, Vec<u8>)> {
    let any = |seed| some_state(&mut fastrand::Rng::with_seed(seed)).encode().to_vec();
    vec![("every-field", sample().encode().to_vec()), ("one", any(1)), ("another", any(2))]
}

/// A client's frame.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [1, 2, 3, 4];
    let mut frame = vec![first];
    match payload.len() {
        length @ ..126 => frame.push(0x80 | length as u8),
        length => {
            frame.push(0x80 | 126);
            frame.extend((length as u16).to_be_bytes());
        }
    }
    frame.extend(MASK);
    frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

fn streams() -> Vec<(&'static str, Vec<u8>)> {
    let cut =
        |sizes: &[u8], frames: &[Vec<u8>]| [&[sizes.len() as u8], sizes, &frames.concat()].concat();
    let euro = "€".as_bytes();
    vec![
        ("text", cut(&[], &[frame(0x81, b"{\"type\":\"ping\"}")])),
        ("two-texts-in-bytes", cut(&[0], &[frame(0x81, b"a"), frame(0x81, euro)])),
        ("binary-126", cut(&[3], &[frame(0x82, &[7; 126])])),
        ("fragments", cut(&[4, 1], &[frame(1, b"a"), frame(0, euro), frame(0x80, b"b")])),
        ("cut-character", cut(&[], &[frame(1, &euro[..1]), frame(0x80, &euro[1..])])),
        ("ping-within", cut(&[8], &[frame(2, b"a"), frame(0x89, b"p"), frame(0x80, b"b")])),
        ("empty-frames", cut(&[2], &[frame(1, b""), frame(0, b""), frame(0x80, b"")])),
        ("pong", cut(&[], &[frame(0x8a, b"")])),
        ("close", cut(&[5], &[frame(0x88, b"\x03\xe8bye"), frame(0x81, b"late")])),
        ("close-bad-gateway", cut(&[], &[frame(0x88, b"\x03\xf6")])),
        ("close-empty", cut(&[], &[frame(0x88, b"")])),
        ("close-like-tungstenite", cut(&[], &[frame(0x88, super::VIOLATION)])),
        ("close-forbidden", cut(&[], &[frame(0x88, &[0x03, 0xed])])),
        ("not-utf8", cut(&[6], &[frame(0x81, b"\xff")])),
        ("too-big", cut(&[7], &[frame(0x82, &[7; 301])])),
        ("too-big-in-all", cut(&[], &[frame(2, &[7; 200]), frame(0x80, &[7; 200])])),
        (
            "too-big-without-payload",
            cut(&[], &[frame(2, &[7; 200]), vec![0x80, 0xfe, 0, 200, 1, 2, 3, 4]]),
        ),
        ("not-masked", cut(&[], &[vec![0x81, 1, b'a']])),
        ("reserved-bit", cut(&[], &[frame(0xc1, b"a")])),
        ("reserved-bit-without-payload", cut(&[], &[vec![0xc1, 0x81, 4, 0x60, 1, 0]])),
        ("reserved-opcode", cut(&[], &[frame(0x83, b"a")])),
        ("continuation-of-nothing", cut(&[], &[frame(0x80, b"a")])),
        ("long-form", cut(&[1], &[vec![0x82, 0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 9]])),
        ("fragmented-ping", cut(&[], &[frame(0x09, b"p")])),
    ]
}

fn upgrades() -> Vec<(&'static str, Vec<u8>)> {
    const HEAD: &str = "Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let get = |path: &str, more: &str| {
        format!("GET {path} HTTP/1.1\r\nHost: a\r\n{more}\r\n").into_bytes()
    };
    let good = |path: &str, more: &str| get(path, &format!("{HEAD}{more}"));
    let headers = "X: y\r\n".repeat(150);
    vec![
        ("upgrade", good("/", "")),
        ("upgrade-and-frame", [good("/", ""), frame(0x81, b"a")].concat()),
        ("token-in-query", good("/ws?a=b&token=a%2Eb", "")),
        ("bearer", good("/ws", "Authorization: Bearer a.b.c\r\n")),
        ("origin", good("/", "Origin: https://a.example\r\n")),
        ("two-origins", good("/", "Origin: a\r\nOrigin: b\r\n")),
        ("forwarded", good("/", "X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-For: ::1\r\n")),
        ("version-8", String::from_utf8_lossy(&good("/", "")).replace(": 13", ": 8").into()),
        ("no-upgrade", get("/", "")),
        ("health", get("/health", "")),
        ("health-head", b"HEAD /health HTTP/1.1\r\nHost: a\r\n\r\n".to_vec()),
        ("subprotocol", good("/", "Sec-WebSocket-Protocol: a, uringcast.v1, bearer.a.b\r\n")),
        ("ready", get("/ready", "")),
        ("post", b"POST / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec()),
        ("http-1.0", b"GET / HTTP/1.0\r\n\r\n".to_vec()),
        ("bare-newlines", b"GET / HTTP/1.1\nHost: a\n\n".to_vec()),
        ("absolute", good("http://a/b?c", "")),
        ("many-headers", get("/", &headers)),
        ("incomplete", b"GET / HTTP/1.1\r\nHost: a\r\nUpgr".to_vec()),
        ("tls", b"\x16\x03\x01\x02\0\x01".to_vec()),
    ]
}

fn proxy_headers() -> Vec<(&'static str, Vec<u8>)> {
    const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
    let v2 = |rest: &[u8]| [V2, rest].concat();
    let ipv4 = b"\xcb\0\x71\x07\x0a\0\0\x01\xce\xd9\x01\xbb";
    let ipv6 = [&[0x20, 1, 0x0d, 0xb8][..], &[0; 12], &[0x20, 1, 0x0d, 0xb8], &[1; 12], &[1; 4]];
    vec![
        ("v1-tcp4", b"PROXY TCP4 203.0.113.7 10.0.0.1 52953 443\r\nGET / ".to_vec()),
        ("v1-tcp6", b"PROXY TCP6 2001:db8::1 ::1 1 2\r\n".to_vec()),
        ("v1-unknown", b"PROXY UNKNOWN\r\n".to_vec()),
        ("v1-unknown-longest", b"PROXY UNKNOWN ffff:f:f ffff:f:f 65535 65535\r\n".to_vec()),
        ("v1-unknown-too-long", [b"PROXY UNKNOWN ", &[b'f'; 144][..], b"\r\n"].concat()),
        ("v1-port", b"PROXY TCP4 203.0.113.7 10.0.0.1 99999 443\r\n".to_vec()),
        ("v2-tcp4", v2(&[b"\x21\x11\0\x0c", &ipv4[..], b"GET / "].concat())),
        ("v2-tcp6", v2(&[b"\x21\x21\0\x24", &ipv6.concat()[..]].concat())),
        ("v2-udp4", v2(&[b"\x21\x12\0\x0c", &ipv4[..]].concat())),
        ("v2-unix", v2(&[b"\x21\x31\0\xd8", &[b'/'; 216][..]].concat())),
        ("v2-local", v2(b"\x20\0\0\0")),
        ("v2-local-tcp4", v2(b"\x20\x11\0\0GET /")),
        ("v2-local-tcp6", v2(&[b"\x20\x21\0\x0c", &ipv4[..]].concat())),
        ("v2-local-unknown", v2(b"\x20\xf7\0\x01a")),
        ("v2-unspecified", v2(b"\x21\0\0\x04abcd")),
        ("v2-tcp6-short", v2(&[b"\x21\x21\0\x0c", &ipv4[..]].concat())),
        ("v2-tls", v2(&[b"\x21\x11\0\x14", &ipv4[..], b"\x20\0\x05\x01\0\0\0\0"].concat())),
        ("v2-tlv-cut", v2(&[b"\x21\x11\0\x10", &ipv4[..], b"\x20\0\x05\x01"].concat())),
        ("v2-tlv", v2(&[b"\x21\x11\0\x11", &ipv4[..], b"\x04\0\x02ab"].concat())),
        ("v2-short", v2(&[b"\x21\x11\0\x04", &ipv4[..]].concat())),
        ("v2-version-3", v2(b"\x31\x11\0\0")),
        ("forwarded", b"1.1.1.1, 203.0.113.7:80 ,10.0.0.2".to_vec()),
        ("forwarded-6", b"[2001:db9::7]:4711,[::1]".to_vec()),
        ("forwarded-unknown", b"203.0.113.7, unknown".to_vec()),
    ]
}

/// The kinds of steps are those of `Pair::step`.
fn record_steps() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("data", b"\x00\x00\x00\x05hello\x07\xff\xff\x06\x00\x05".to_vec()),
        ("aes-128", b"\x01\x00\x00\x05hello\x06\x00\x05".to_vec()),
        ("chacha20", b"\x02\x00\x00\x05hello\x06\x00\x05".to_vec()),
        ("padding", b"\x00\x00\x20\x05hello\x00\x20\x00".to_vec()),
        ("in-pieces", b"\x00\x00\x00\x05hello\x07\x00\x03\x07\x00\x04\x07\x00\x10".to_vec()),
        ("largest", b"\x00\x01\x40\x00\x00\x00\x06\x40\x00\x06\x40\x01".to_vec()),
        ("too-large", b"\x00\x01\x40\x01\x00\x00".to_vec()),
        ("too-large-cut", b"\x00\x01\x41\x00\x00\x00\x07\x00\x0a".to_vec()),
        ("too-large-by-padding", b"\x00\x01\x00\x01\x40\x00".to_vec()),
        ("key-update", b"\x00\x03\x00\x00\x00\x01a\x07\xff\xff\x06\x00\x01".to_vec()),
        ("key-update-asks", b"\x00\x03\x01\x03\x01\x07\xff\xff\x06\x00\x01\x03\x01".to_vec()),
        ("key-update-asks-and-nothing-is-sent", b"\x00\x03\x01\x07\xff\xff\x06\x00\x00".to_vec()),
        (
            "key-update-odd",
            b"\x00\x02\x16\x05\x18\x00\x00\x01\x02\x07\xff\xff\x06\x00\x01".to_vec(),
        ),
        ("key-update-longer", b"\x00\x02\x16\x05\x18\x00\x00\xff\xf7".to_vec()),
        ("key-update-cut", b"\x00\x02\x16\x02\x18\x00\x02\x16\x03\x00\x01\x00".to_vec()),
        ("key-update-cut-by-padding", b"\x00\x02\x00\x03\x18\x00\x16".to_vec()),
        ("empty-handshake", b"\x00\x02\x16\x00\x00\x00\x01x".to_vec()),
        ("close-notify-level-3", b"\x00\x02\x15\x02\x03\x00".to_vec()),
        ("close-notify", b"\x00\x02\x15\x02\x01\x00\x00\x00\x01x\x07\xff\xff\x06\x00\x01".to_vec()),
        ("user-canceled", b"\x00\x02\x15\x02\x01\x5a\x00\x00\x01x".to_vec()),
        ("fatal-alert", b"\x00\x02\x15\x02\x02\x14\x07\xff\xff\x06\x00\x01".to_vec()),
        ("empty-alert", b"\x00\x02\x15\x00".to_vec()),
        ("no-type", b"\x00\x02\x00\x00".to_vec()),
        ("change-cipher-spec", b"\x00\x02\x14\x01\x01".to_vec()),
        ("client-hello", b"\x00\x02\x16\x04\x01\x00\x00\x00".to_vec()),
        ("broken-length", b"\x00\x05\x00\x01\x00\x07\x00\x0a".to_vec()),
        ("broken", b"\x00\x00\x00\x01a\x05\x00\x07\x03\x07\xff\xff\x06\x00\x01".to_vec()),
        ("not-sealed", b"\x00\x04\x06\x14\x03\x03\x00\x01\x01".to_vec()),
        ("not-sealed-cut", b"\x00\x04\x04\x00\x06\x40\x01".to_vec()),
        ("plain-alert", b"\x00\x04\x07\x15\x03\x03\x00\x02\x01\x00".to_vec()),
    ]
}

fn exchange_steps() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("both-ways", b"\x00\x00\x00\x05\x03\xff\xff\x02\x00\x05".to_vec()),
        ("chacha20", b"\x02\x00\x00\x05\x03\x00\x07\x03\xff\xff\x02\x00\x05".to_vec()),
        ("large", b"\x01\x00\xff\xff\x02\xff\xff\x03\x40\x00\x03\xff\xff".to_vec()),
        (
            "new-keys",
            b"\x00\x01\0\0\x00\x00\x05\x03\xff\xff\x02\x00\x05\x01\0\0\x03\xff\xff".to_vec(),
        ),
        ("empty", b"\x00\x00\0\0\x02\0\0".to_vec()),
    ]
}

/// Limits and compressed messages: of one block and several, stored, ended, cut, too large.
fn messages() -> Vec<(&'static str, Vec<u8>)> {
    let with = |limit: u16, message: &[u8]| [&limit.to_be_bytes(), message].concat();
    let text = |limit: u16, plain: &[u8]| with(limit, &deflated(plain));
    vec![
        ("text", text(300, br#"{"type":"subscribe","data":{"channel":"orders:7"}}"#)),
        ("repeats", text(2_000, &[b'x'; 1_500])),
        ("too-big", text(100, &[b'x'; 1_500])),
        ("empty", with(10, &[])),
        ("empty-block", with(10, &[2, 0])),
        ("stored", with(10, b"\x00\x03\x00\xfc\xffabc\x00")),
        ("final-stored", with(10, b"\x01\x03\x00\xfc\xffabc")),
        ("final-then-more", with(10, b"\x01\x03\x00\xfc\xffabc\x01\x01\x00\xfe\xffd\x00")),
        ("cut", with(300, &deflated(b"a message that is cut")[..9])),
        ("reserved-block", with(10, b"\x06\x00")),
        ("far-back", with(300, b"\x4b\x04\x42\x20\x00")),
    ]
}

proptest! {
    #[test]
    fn messages_that_are_changed_anywhere_are_read_alike(
        plain in vec("[a-c]{1,9}", 0..60),
        limit in 0..600u16,
        flips in vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut message = deflated(plain.concat().as_bytes());
        for (place, with) in flips {
            let place = place.index(message.len());
            message[place] ^= with;
        }
        message.truncate(cut.index(2 * message.len() + 1));
        super::inflate(&[&limit.to_be_bytes(), &*message].concat());
    }
}

/// One compressed message, as a client sends it.
fn deflated(plain: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(plain.len() + 64);
    let mut state = Compress::new(Compression::default(), false);
    let done = state.compress_vec(plain, &mut out, FlushCompress::Sync);
    done.expect("there is room");
    out.truncate(out.len() - 4);
    out
}

/// The forms that docs/PROTOCOL.md names.
fn envelopes() -> Vec<(&'static str, Vec<u8>)> {
    let text = |text: &str| text.as_bytes().to_vec();
    let request = |event: &str, data: &str| {
        text(&format!(r#"{{"type":"request","id":"1","event":"{event}","data":{data}}}"#))
    };
    vec![
        ("subscribe", request("subscribe", r#"{"channel":"workflow:abc"}"#)),
        ("subscribe-many", request("subscribe", r#"{"channels":["a","","\u00e9"]}"#)),
        (
            "subscribe-since",
            request("subscribe", r#"{"channel":"a","since":{"epoch":"00000000000000ff","seq":5}}"#),
        ),
        ("subscribe-type", text(r#"{"type":"subscribe","data":{"room":"a"}}"#)),
        ("subscribe-room", text(r#"{"type":"event","event":"subscribe","room":"a","data":{}}"#)),
        (
            "subscribe-since-many",
            request(
                "subscribe",
                r#"{"channels":["a","b"],"since":{"b":{"epoch":"00000000000000ff","seq":5}}}"#,
            ),
        ),
        ("subscribe-presence", request("subscribe", r#"{"channel":"a","presence":true}"#)),
        ("presence", request("presence", r#"{"channel":"a"}"#)),
        ("pattern", request("subscribe", r#"{"pattern":"a:*"}"#)),
        ("unsubscribe", request("unsubscribe", r#"{"channel":"a"}"#)),
        ("publish", request("publish", r#"{"channel":"a","event":"e","data":{"x":1.50}}"#)),
        ("publish-list", request("publish", r#"{"channel":"a","event":"e","data":[]}"#)),
        ("auth", request("auth", r#"{"token":"a.b.c"}"#)),
        ("status", request("get_pool_status", r#"{"pool_id":"p1"}"#)),
        ("ping", text(r#"{"type":"ping"}"#)),
        ("pong", text(r#"{"type":"pong","correlation_id":"7"}"#)),
        ("nulls", text(r#"{"type":"ack","event":null,"room":null,"error_code":null}"#)),
        ("null-data", text(r#"{"type":"request","data":null}"#)),
        ("twice", text(r#"{"type":7,"type":"ping"}"#)),
        ("escaped-key", text(r#"{"\u0074ype":"p\u0069ng"}"#)),
        ("half-a-pair", text(r#"{"type":"ping","x":"\ud800","id":"\ud83d\ude00"}"#)),
        ("no-type", text(r#"{"id":"1"}"#)),
        ("a-list", text("[]")),
        ("two-documents", text(r#"{"type":"ping"} {}"#)),
        ("not-utf8", b"{\"type\":\"\xff\"}".to_vec()),
    ]
}
