//! Whole shards on their own threads, with real sockets.

mod atomics;
mod churn;
mod first_bytes;
pub(super) mod fixtures;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, bounded};
use rustls::StreamOwned;
use tungstenite::{Message, WebSocket};

use super::Mesh;
use super::*;
use crate::config::{Config, Service, TlsSource};
use crate::limits::MAX_HANDSHAKES;
use crate::sync::{Cost, Mailbox, Quota, mailbox};
use crate::telemetry::Snapshot;
use crate::telemetry::{ConnectionError, Count, Totals};
use crate::types::{ChannelName, Epoch, EventName, JsonObject, Publication, ServiceId, ShardId};
use crate::types::{DrainReport, Homes};
use fixtures::{tls_client, tls_configs};

/// What a command takes of a mailbox.
const ONE: Cost = Cost { entries: 1, bytes: 0 };

/// Running shards, without the engine around them.
struct Shards {
    address: SocketAddr,
    mailboxes: Vec<Mailbox<Command>>,
    threads: Vec<JoinHandle<()>>,
    snapshots: Receiver<Box<Snapshot>>,
    quotas: Arc<[Quota]>,
}

/// The parts that shards start with, and the test's ends of their channels.
struct Kit {
    parts: Vec<ShardParts>,
    mailboxes: Vec<Mailbox<Command>>,
    snapshots: Receiver<Box<Snapshot>>,
    quotas: Arc<[Quota]>,
    readiness: Receiver<Result<ShardRing, StartError>>,
}

impl Kit {
    /// For `count` shards, of which only the first listens.
    fn new(count: usize, config: Config, listener: TcpListener) -> Kit {
        let mut mesh = Mesh::new(count).unwrap();
        let quotas: Arc<[Quota]> = config.services.iter().map(|_| Quota::default()).collect();
        let per_address = quotas.iter().map(|_| Arc::default()).collect();
        let config = Arc::new(config);
        let handshakes = MAX_HANDSHAKES;
        let limits = AdmissionLimits {
            config,
            handshakes,
            quotas: Arc::clone(&quotas),
            per_address,
            inherited: Arc::default(),
        };
        let started = Instant::now();
        let (full, snapshots) = bounded(1_024);
        let (ready, readiness) = bounded(count);
        let (mut mailboxes, mut parts) = (Vec::new(), Vec::new());
        let mut listeners = vec![(ServiceId(0), listener)];
        let room = Cost { entries: 1_024, bytes: 1 << 20 };
        for shard in 0..count {
            let (sender, receiver) = mailbox(room, Arc::clone(&mesh.bells[shard]));
            mailboxes.push(sender);
            parts.push(ShardParts {
                id: ShardId(shard as u8),
                core: None,
                kernel: None,
                listeners: std::mem::take(&mut listeners),
                slots: 64,
                bell: Arc::clone(&mesh.bells[shard]),
                mailbox: receiver,
                peers: PeerShards::new(std::mem::take(&mut mesh.peers[shard])),
                limits: limits.clone(),
                verifications: bounded(1).0,
                epoch: Epoch(1),
                homes: homes(count),
                started,
                metrics: MetricsReporter::new(full.clone(), bounded(1).1),
                heartbeat: Arc::default(),
                upstream: None,
                standby: None,
                ready: ready.clone(),
            });
        }
        Kit { parts, mailboxes, snapshots, quotas, readiness }
    }
}

/// Of the shards of every test.
fn homes(shards: usize) -> Homes {
    Homes::new([7; 2], shards)
}

impl Shards {
    /// `count` shards, of which only the first listens.
    fn start(count: usize, config: Config) -> Shards {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let Kit { parts, mailboxes, snapshots, quotas, readiness } =
            Kit::new(count, config, listener);
        let start = |parts| std::thread::spawn(move || run(parts));
        let threads = parts.into_iter().map(start).collect();
        for _ in 0..count {
            readiness.recv().unwrap().unwrap();
        }
        Shards { address, mailboxes, threads, snapshots, quotas }
    }

    fn send_command(&self, shard: usize, command: Command) {
        self.mailboxes[shard].try_reserve(ONE).unwrap().send(command);
    }

    fn publish(&self, channel: &str, text: &str) {
        let publication = publication(channel, text);
        let home = homes(self.mailboxes.len()).of(&publication.channel);
        let (reply, result) = oneshot::channel();
        self.send_command(home.index(), Command::Publish { items: vec![publication], reply });
        result.recv().unwrap()[0].unwrap();
    }

    /// Ends all shards. Returns their results and counters.
    fn drain(self) -> (DrainReport, Totals) {
        self.drain_until(Duration::from_secs(30))
    }

    fn drain_until(self, patience: Duration) -> (DrainReport, Totals) {
        let mut sum = DrainReport::default();
        let deadline = Instant::now() + patience;
        for shard in 0..self.mailboxes.len() {
            let (reply, report) = oneshot::channel();
            self.send_command(shard, Command::Drain { deadline, reply });
            let report: DrainReport = report.recv().unwrap();
            sum = DrainReport { closed: sum.closed + report.closed, cut: sum.cut + report.cut };
        }
        self.threads.into_iter().for_each(|thread| thread.join().unwrap());
        let mut totals = Totals::new(self.mailboxes.len(), 1);
        self.snapshots.try_iter().for_each(|snapshot| totals.absorb(&snapshot));
        (sum, totals)
    }
}

fn publication(channel: &str, text: &str) -> Publication {
    Publication {
        channel: ChannelName::parse(channel).unwrap(),
        event: EventName::parse("said").unwrap(),
        data: JsonObject::parse(format!(r#"{{"text":"{text}"}}"#).as_bytes()).unwrap(),
        key: None,
    }
}

fn upgrade<S: Read + Write>(stream: S) -> WebSocket<S> {
    let (client, response) = tungstenite::client("ws://localhost/ws", stream).unwrap();
    assert_eq!(response.status(), 101);
    client
}

fn next(client: &mut WebSocket<impl Read + Write>) -> serde_json::Value {
    let message = client.read().unwrap();
    serde_json::from_str(message.to_text().unwrap()).unwrap()
}

fn subscribe(client: &mut WebSocket<impl Read + Write>, channel: &str) {
    assert_eq!(next(client)["event"], "session.created");
    let text = format!(r#"{{"type":"subscribe","data":{{"channel":"{channel}"}}}}"#);
    client.send(Message::text(text)).unwrap();
    assert_eq!(next(client)["data"]["status"], "subscribed");
}

/// Reads the close frame and answers it; returns its code.
fn read_close(client: &mut WebSocket<impl Read + Write>) -> u16 {
    let Message::Close(Some(frame)) = client.read().unwrap() else { panic!("no close frame") };
    let _ = client.flush();
    frame.code.into()
}

#[test]
fn a_publish_reaches_subscribers_whichever_shard_is_its_home() {
    let shards = Shards::start(2, Config::default());
    let mut client = upgrade(TcpStream::connect(shards.address).unwrap());
    let names: Vec<String> = (0..8).map(|i| format!("{i}-of-these-channels")).collect();
    let home = |name: &String| homes(2).of(&ChannelName::parse(name).unwrap()).0;
    let homes: Vec<u8> = names.iter().map(home).collect();
    assert!(homes.contains(&0) && homes.contains(&1), "both shards are homes: {homes:?}");
    subscribe(&mut client, &names[0]);
    for name in &names[1..] {
        let text = format!(r#"{{"type":"subscribe","data":{{"channel":"{name}"}}}}"#);
        client.send(Message::text(text)).unwrap();
        assert_eq!(next(&mut client)["data"]["status"], "subscribed");
    }
    for round in 0..20 {
        for name in &names {
            // One at a time: both shards park between, and each must be woken.
            shards.publish(name, &round.to_string());
            let event = next(&mut client);
            assert_eq!(event["room"], **name);
            assert_eq!(event["seq"], round + 1);
        }
    }
    let closing = std::thread::spawn(move || read_close(&mut client));
    let (report, totals) = shards.drain();
    assert_eq!(closing.join().unwrap(), 1001);
    assert_eq!(report, DrainReport { closed: 1, cut: 0 });
    assert_eq!(totals.count(Count::Accepts), 1);
    assert_eq!(totals.count(Count::Deliveries), 160);
    assert_eq!(totals.count(Count::SendCompletions), 0, "every send was whole");
}

#[test]
fn the_same_over_tls() {
    let (server, client) = tls_configs(&rustls::version::TLS13);
    let shards = Shards::start(
        1,
        Config::from(Service {
            tls: Some(TlsSource::new(server)),
            message_rate: 0,
            ..Service::default()
        }),
    );
    let stream = TcpStream::connect(shards.address).unwrap();
    let mut client = upgrade(StreamOwned::new(tls_client(client), stream));
    subscribe(&mut client, "room");
    let long = "x".repeat(100_000);
    for text in ["short", &long, "short again"] {
        shards.publish("room", text);
        assert_eq!(next(&mut client)["data"]["text"], text);
    }
    // Many records in one read, and one record in many.
    for _ in 0..300 {
        client.write(Message::text(r#"{"type":"ping"}"#)).unwrap();
        client.write(Message::Ping(vec![7; 100].into())).unwrap();
    }
    client.flush().unwrap();
    let pongs = (0..600).filter(|_| client.read().unwrap().is_text()).count();
    assert_eq!(pongs, 300);
    client.close(None).unwrap();
    while client.read().is_ok() {}
    drop(client);
    // The peer's own close: nothing is left to drain.
    let (report, totals) = shards.drain();
    assert!(report.closed <= 1 && report.cut == 0, "{report:?}");
    assert_eq!(totals.services[0].connection_errors.iter().sum::<u64>(), 0);
}

#[test]
fn a_full_server_upgrades_closes_and_gives_the_place_back() {
    let shards =
        Shards::start(1, Config::from(Service { max_connections: 1, ..Service::default() }));
    let connect = || upgrade(TcpStream::connect(shards.address).unwrap());
    let mut first = connect();
    assert_eq!(next(&mut first)["event"], "session.created");
    let mut second = connect();
    assert_eq!(read_close(&mut second), 1013);
    drop(second);
    first.close(None).unwrap();
    while first.read().is_ok() {}
    drop(first);
    // The place is free once the slot is: retry until then.
    let mut third = connect();
    while third.read().unwrap().is_close() {
        third = connect();
    }
    assert_eq!(shards.quotas[0].in_use(), 1);
    drop(third);
    let quotas = Arc::clone(&shards.quotas);
    let (report, totals) = shards.drain();
    assert_eq!((report.cut, quotas[0].in_use()), (0, 0));
    let refused = ConnectionError::MaxConnections as usize;
    assert!(totals.services[0].connection_errors[refused] >= 1);
}

#[test]
fn an_access_log_that_takes_nothing_loses_lines_and_holds_nothing_up() {
    let (ends, lines) = std::sync::mpsc::sync_channel(1);
    let shards = Shards::start(1, Config { ends: Some(ends), ..Config::default() });
    for _ in 0..3 {
        let mut client = upgrade(TcpStream::connect(shards.address).unwrap());
        client.close(None).unwrap();
        while client.read().is_ok() {}
    }
    let (_, totals) = shards.drain();
    assert_eq!((lines.try_iter().count(), totals.count(Count::AccessLogDrops)), (1, 2));
}

#[test]
fn what_is_no_upgrade_is_answered_counted_and_closed() {
    let shards = Shards::start(1, Config::default());
    let ask = |request: &[u8]| {
        let mut stream = TcpStream::connect(shards.address).unwrap();
        stream.write_all(request).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.lines().next().unwrap_or_default().to_owned()
    };
    assert_eq!(ask(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"), "HTTP/1.1 200 OK");
    assert!(ask(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").starts_with("HTTP/1.1 426"));
    let long = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "y".repeat(100_000));
    assert!(ask(long.as_bytes()).starts_with("HTTP/1.1 431"), "although it was not read whole");
    drop(TcpStream::connect(shards.address).unwrap());
    let (_, totals) = shards.drain();
    let count = |error: ConnectionError| totals.services[0].connection_errors[error as usize];
    assert_eq!(count(ConnectionError::Upgrade), 2);
    assert_eq!(count(ConnectionError::Reset), 0, "a probe of the port is no error");
}

#[test]
fn plain_text_on_a_tls_port_is_a_failed_handshake() {
    let (server, _) = tls_configs(&rustls::version::TLS13);
    let shards = Shards::start(
        1,
        Config::from(Service { tls: Some(TlsSource::new(server)), ..Service::default() }),
    );
    let mut stream = TcpStream::connect(shards.address).unwrap();
    stream.write_all(b"GET /ws HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert_eq!(answer[0], 21, "an alert record");
    drop(stream);
    let (_, totals) = shards.drain();
    let failed = ConnectionError::TlsHandshake as usize;
    assert_eq!(totals.services[0].connection_errors[failed], 1);
}

#[test]
fn bytes_that_came_with_the_request_are_not_lost() {
    let shards = Shards::start(1, Config::default());
    let mut stream = TcpStream::connect(shards.address).unwrap();
    let mut bytes = b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\
        Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
        Sec-WebSocket-Version: 13\r\n\r\n"
        .to_vec();
    // A ping with an empty mask, right behind.
    bytes.extend([0x89, 0x82, 0, 0, 0, 0, b'h', b'i']);
    stream.write_all(&bytes).unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(&[0x8a, 2, b'h', b'i']) {
        let mut piece = [0; 4_096];
        let read = stream.read(&mut piece).unwrap();
        assert!(read > 0);
        answer.extend_from_slice(&piece[..read]);
    }
    drop(stream);
    shards.drain();
}

#[test]
fn a_deadline_cuts_who_does_not_answer() {
    let shards = Shards::start(1, Config::default());
    let mut silent = upgrade(TcpStream::connect(shards.address).unwrap());
    assert_eq!(next(&mut silent)["event"], "session.created");
    let (report, _) = shards.drain_until(Duration::from_millis(100));
    assert_eq!(report, DrainReport { closed: 0, cut: 1 });
}

#[test]
fn a_kernel_that_refuses_is_told_to_the_engine_with_a_remedy() {
    for code in [libc::ENOSYS, libc::EPERM, libc::EMFILE, libc::ENOMEM, libc::EINVAL, libc::EIO] {
        let text = StartError::ring(std::io::Error::from_raw_os_error(code)).to_string();
        assert!(text.starts_with("cannot use io_uring: ") && text.len() > 60, "{text}");
    }
}
