//! The floods of floods.toml: the flooder is told and held back, a counter rises, and meanwhile a
//! small channel gets all its messages. What others wait meanwhile is measured by scripts/attack.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::support::record_forger::{ALERT, APPLICATION_DATA, RecordForger};
use crate::support::ws::{BINARY, Client, FIN, TEXT, frame};
use crate::support::{Server, raise_descriptors, tls, until};
use rustls::version::TLS13;
use rustls::{ClientConfig, ClientConnection};
use serde::Deserialize;
use serde_json::{Value, json};
use socket2::SockRef;
use uringcast_engine::limits::{MAX_CONTROL_RECORDS, MAX_HANDSHAKES};

/// Bytes of a flood that find room in sockets and in a burst, with some to spare: the buffers of
/// both ends are small, and a server that reads a flood takes more within the tests' waiting.
const HELD_BACK: usize = 4 << 20;
/// Messages of the small channel while a flood is under way.
const MESSAGES: usize = 20;
/// The alert unexpected_message, fatal. RFC 8446, 6.
const UNEXPECTED_MESSAGE: [u8; 2] = [2, 10];

/// One row of the table.
#[derive(Deserialize)]
struct Flood {
    attack: String,
    sends: String,
    #[serde(default)]
    begin: Vec<(u8, String)>,
    #[serde(default)]
    frames: Vec<(u8, String)>,
    #[serde(default)]
    record: String,
    #[serde(default)]
    each: String,
    told: String,
    counter: (String, String),
}

#[derive(Deserialize)]
struct Table {
    flood: Vec<Flood>,
}

/// The rows that send this. Each must have a test below, which finds them by what they send.
fn floods(sends: &str) -> Vec<Flood> {
    let table: Table = toml::from_str(include_str!("../floods.toml")).expect("the table");
    let known = ["frames", "records", "connections"];
    assert!(table.flood.iter().all(|flood| known.contains(&flood.sends.as_str())));
    let found: Vec<Flood> = table.flood.into_iter().filter(|flood| flood.sends == sends).collect();
    assert!(!found.is_empty(), "no flood of {sends}");
    found
}

/// The row with this in a field.
fn flood(found: Vec<Flood>, is_meant: impl Fn(&Flood) -> bool) -> Flood {
    let mut meant: Vec<Flood> = found.into_iter().filter(is_meant).collect();
    assert_eq!(meant.len(), 1, "one row of the table");
    meant.remove(0)
}

/// A subscriber of the small channel.
struct Small<'a> {
    server: &'a Server,
    client: Client,
}

impl<'a> Small<'a> {
    fn of(server: &'a Server, mut client: Client) -> Small<'a> {
        client.subscribe("small");
        Small { server, client }
    }

    /// Publishes and expects every message.
    fn assert_served(&mut self) {
        for _ in 0..MESSAGES {
            let seq = self.server.publish("small", "{}");
            assert_eq!(self.client.message()["seq"], seq);
        }
    }
}

/// Waits until the counter of a flood is above what it was.
fn assert_counted(server: &Server, flood: &Flood, before: f64) {
    let (name, label) = &flood.counter;
    server.wait_metric(name, label, before + 1.0);
}

fn counted(server: &Server, flood: &Flood) -> f64 {
    server.metric(&flood.counter.0, &flood.counter.1)
}

#[test]
fn what_floods_frames_is_told_and_held_back() {
    let server = Server::start("--shards 1");
    let mut small = Small::of(&server, Client::connect(&server));
    for flood in floods("frames") {
        let before = counted(&server, &flood);
        let mut flooder = Client::connect(&server);
        let mut writer = flooder.stream().try_clone().expect("a descriptor");
        SockRef::from(&writer).set_send_buffer_size(64 << 10).expect("a small buffer");
        let bytes_of = |frames: &[(u8, String)]| -> Vec<u8> {
            frames.iter().flat_map(|(first, text)| frame(*first, text.as_bytes())).collect()
        };
        let (begin, chunk) = (bytes_of(&flood.begin), bytes_of(&flood.frames).repeat(100));
        let written = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&written);
        let writing = thread::spawn(move || {
            let mut next = &begin[..];
            while writer.write_all(next).is_ok() {
                count.fetch_add(next.len(), Ordering::Relaxed);
                next = &chunk;
            }
        });
        small.assert_served();
        loop {
            let frame = flooder.frame().unwrap_or_else(|| panic!("{}: closed", flood.attack));
            let message: Value = match frame.first == FIN | TEXT {
                true => serde_json::from_slice(&frame.payload).expect("JSON"),
                false => continue,
            };
            if message["error_code"] == flood.told.as_str() {
                break;
            }
        }
        assert_counted(&server, &flood, before);
        small.assert_served();
        let written = written.load(Ordering::Relaxed);
        assert!(written < HELD_BACK, "{}: {written} bytes were taken", flood.attack);
        flooder.stream().shutdown(Shutdown::Both).expect("it is still connected");
        writing.join().expect("it ends");
    }
}

/// A server over TLS, with a configuration of clients whose keys can be extracted.
fn secure(flags: &str) -> (Server, Arc<ClientConfig>) {
    let server = Server::start(&format!("--auto-cert --shards 1 {flags}"));
    let mut config = tls::config(&server, &TLS13, None);
    Arc::make_mut(&mut config).enable_secret_extraction = true;
    (server, config)
}

/// Floods a connection with records of a row, and expects an alert while the small channel goes on.
fn assert_alerted(record: &str, send: fn(&mut TcpStream, &mut ClientConnection)) {
    let flood = flood(floods("records"), |flood| flood.record == record);
    assert_eq!(flood.told, "alert");
    let (server, config) = secure("");
    let mut small = Small::of(&server, Client::connect_secure(&server, &config));
    let before = counted(&server, &flood);
    let (mut stream, mut tls) = Client::connect_secure(&server, &config).into_secure_parts();
    send(&mut stream, &mut tls);
    small.assert_served();
    let end = rustls::Stream::new(&mut tls, &mut stream).read_to_end(&mut Vec::new());
    let end = end.expect_err("an alert").to_string();
    assert!(end.contains("UnexpectedMessage"), "{end}");
    assert_counted(&server, &flood, before);
    small.assert_served();
}

#[test]
fn a_flood_of_key_updates_is_answered_with_an_alert() {
    assert_alerted("key_update", |stream, tls| {
        for _ in 0..=MAX_CONTROL_RECORDS {
            tls.refresh_traffic_keys().expect("new keys");
            // The server may have ended it already.
            let _ = tls.write_tls(stream);
        }
    });
}

#[test]
fn a_flood_of_key_updates_with_a_byte_of_data_each_is_answered_with_an_alert() {
    assert_alerted("key_update_and_byte", |stream, tls| {
        let mut records = Vec::new();
        // The beginning of a message that goes on.
        tls.writer().write_all(&frame(FIN | BINARY, &[0; 1_000])[..8]).expect("room");
        for _ in 0..=MAX_CONTROL_RECORDS {
            tls.refresh_traffic_keys().expect("new keys");
            tls.writer().write_all(b" ").expect("room");
            while tls.wants_write() {
                tls.write_tls(&mut records).expect("into memory");
            }
        }
        stream.write_all(&records).expect("it is still connected");
    });
}

#[test]
fn a_flood_of_key_updates_between_data_is_told_and_counts_as_messages() {
    let flood = flood(floods("records"), |flood| flood.record == "key_update_and_data");
    let (server, config) = secure("");
    let mut small = Small::of(&server, Client::connect_secure(&server, &config));
    let before = counted(&server, &flood);
    let mut flooder = Client::connect_secure(&server, &config);
    // A message that goes on.
    flooder.raw(&frame(FIN | BINARY, &vec![0; 65_000])[..8]);
    for _ in 0..300 {
        flooder.tls().refresh_traffic_keys().expect("new keys");
        // So much that no receive holds more KeyUpdates than a peer may send.
        flooder.raw(&[b' '; 200]);
    }
    small.assert_served();
    assert_eq!(flooder.message()["error_code"], flood.told.as_str());
    assert_counted(&server, &flood, before);
    small.assert_served();
}

#[test]
fn a_flood_of_empty_records_is_answered_with_an_alert() {
    let flood = flood(floods("records"), |flood| flood.record == "empty");
    assert_eq!(flood.told, "alert");
    let (server, config) = secure("");
    let mut small = Small::of(&server, Client::connect_secure(&server, &config));
    let before = counted(&server, &flood);
    let (mut stream, tls) = Client::connect_secure(&server, &config).into_secure_parts();
    let (mut sealing, mut opening) = RecordForger::both(tls);
    for _ in 0..=MAX_CONTROL_RECORDS {
        // The server may have ended it already.
        let _ = stream.write_all(&sealing.seal(APPLICATION_DATA, b""));
    }
    small.assert_served();
    let mut answer = Vec::new();
    if let Err(error) = stream.read_to_end(&mut answer) {
        assert_eq!(error.kind(), ErrorKind::ConnectionReset, "records are unread");
    }
    assert_eq!(opening.open(&answer), (ALERT, UNEXPECTED_MESSAGE.to_vec()));
    assert_counted(&server, &flood, before);
    small.assert_served();
}

/// The row of a flood of connections, and how often its counter had risen.
fn of_connections(server: &Server, each: &str, told: &str) -> (Flood, f64) {
    let flood = flood(floods("connections"), |flood| flood.each == each);
    assert_eq!(flood.told, told);
    let before = counted(server, &flood);
    (flood, before)
}

#[test]
fn a_flood_of_half_handshakes_is_cut_for_those_that_go_on() {
    raise_descriptors();
    let (server, config) = secure("");
    let mut small = Small::of(&server, Client::connect_secure(&server, &config));
    let (flood, before) = of_connections(&server, "half_handshake", "cut");
    let mut hello = Vec::new();
    tls::client(&config).write_tls(&mut hello).expect("a ClientHello");
    let half = |_| {
        let mut stream = TcpStream::connect(server.clients[0]).expect("connected");
        stream.write_all(&hello[..hello.len() / 2]).expect("written");
        stream.set_nonblocking(true).expect("set");
        stream
    };
    let mut halves: Vec<TcpStream> = (0..MAX_HANDSHAKES + 50).map(half).collect();
    small.assert_served();
    Client::connect_secure(&server, &config).assert_alive();
    let is_cut = |stream: &mut TcpStream| match stream.read(&mut [0]) {
        Err(error) => error.kind() != ErrorKind::WouldBlock,
        Ok(bytes) => bytes == 0,
    };
    assert!(halves.iter_mut().any(is_cut), "none was cut");
    assert_counted(&server, &flood, before);
    small.assert_served();
}

/// Connects and upgrades until it is refused with this status, and holds what it has got.
fn upgrade_until(server: &Server, status: &str, tls: impl Fn() -> Option<ClientConnection>) {
    let mut held = Vec::new();
    loop {
        let stream = TcpStream::connect(server.clients[0]).expect("connected");
        let mut client = Client::request_over(stream, tls());
        let head = client.head();
        if head.starts_with(&format!("HTTP/1.1 {status} ")) {
            return;
        }
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        held.push(client);
        assert!(held.len() < 100, "nothing is refused");
    }
}

#[test]
fn a_flood_of_upgrades_is_refused_beyond_an_address_s_share() {
    let server = Server::start("--max-connections-per-address 20");
    let mut small = Small::of(&server, Client::connect(&server));
    let (flood, before) = of_connections(&server, "upgrade", "429");
    upgrade_until(&server, &flood.told, || None);
    small.assert_served();
    assert_counted(&server, &flood, before);
}

#[test]
fn a_flood_of_tickets_is_refused_beyond_an_address_s_share() {
    let (server, config) = secure("--max-connections-per-address 20");
    let mut small = Small::of(&server, Client::connect_secure(&server, &config));
    let (flood, before) = of_connections(&server, "ticket", "429");
    upgrade_until(&server, &flood.told, || Some(tls::client(&config)));
    small.assert_served();
    assert_counted(&server, &flood, before);
    server.wait_metric("uringcast_tls_handshakes_resumed_total", "", 1.0);
}

#[test]
fn a_flood_of_bad_tokens_is_closed_one_by_one() {
    let secret = "an-old-oak-in-the-meadow-of-1849";
    let server = Server::start(&format!("--auth-enabled optional --jwt-secret {secret}"));
    let mut small = Small::of(&server, Client::connect(&server));
    let (flood, before) = of_connections(&server, "token", "close 4001");
    let auth = json!({"type": "request", "event": "auth", "data": {"token": "x.y.z"}});
    let mut crowd: Vec<Client> = (0..50).map(|_| Client::connect(&server)).collect();
    crowd.iter_mut().for_each(|client| client.say(&auth));
    small.assert_served();
    for client in &mut crowd {
        assert_eq!(client.message()["error_code"], "AUTH_FAILED");
        assert_eq!(format!("close {}", client.closed().0), flood.told);
    }
    assert_counted(&server, &flood, before);
    until("no place to be taken by them", || {
        (server.metric("websocket_connections_active", "") == 1.0).then_some(())
    });
}
