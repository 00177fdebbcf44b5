//! Peers whose network or process fails in the middle, and a server that is killed. Each subscriber
//! beside them gets every message. The table in docs/PROTOCOL.md names these tests.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::namespace::Namespace;
use crate::support::ws::{CLOSE, Client, FIN, PING, PONG, TEXT, announce};
use crate::support::{PROGRAM, Process, Server, free_ports, signal, tools, until};
use rustix::process::Signal;
use serde_json::json;
use socket2::SockRef;

const ERRORS: &str = "websocket_connection_errors_total";
const ACTIVE: &str = "websocket_connections_active";
/// Bytes of padding of a large message.
const LARGE: usize = 16 << 10;

fn publish_large(server: &Server, n: usize) -> u64 {
    server.publish("news", &json!({"n": n, "pad": "x".repeat(LARGE)}).to_string())
}

/// The next message of the channel; PINGs are answered. `None` at a close frame, with its code, and
/// at the end of the stream.
fn next(client: &mut Client) -> Result<u64, Option<u16>> {
    loop {
        let frame = client.frame().ok_or(None)?;
        match frame.first ^ FIN {
            PING => client.send(PONG, &frame.payload),
            CLOSE => return Err(Some(u16::from_be_bytes([frame.payload[0], frame.payload[1]]))),
            _ => {
                let message: serde_json::Value = serde_json::from_slice(&frame.payload).unwrap();
                assert_eq!(message["room"], "news", "{message}");
                return Ok(message["seq"].as_u64().unwrap());
            }
        }
    }
}

fn all(client: &mut Client, seqs: std::ops::RangeInclusive<u64>) {
    for seq in seqs {
        assert_eq!(next(client), Ok(seq));
    }
}

/// Publishes until so many were too slow; who is not gets all. Returns the last position.
fn overrun(server: &Server, good: &mut Client, slow: f64) -> u64 {
    until("slow consumers", || {
        for n in 0..100 {
            let seq = publish_large(server, n);
            all(good, seq..=seq);
        }
        let last = publish_large(server, 0);
        all(good, last..=last);
        (server.metric(ERRORS, "error_type=\"slow_consumer\"") >= slow).then_some(last)
    })
}

/// A server that clients of a namespace reach.
fn start_for(namespace: &Namespace, flags: &str) -> Server {
    let ports = "--port=0 --control-port=0 --metrics-port=0";
    let hosts = format!("--host={} --host=127.0.0.1", namespace.server);
    Server::start_on(&format!("{ports} {hosts} {flags}"))
}

fn address_at(server: &Server, host: std::net::Ipv4Addr) -> SocketAddr {
    *server.clients.iter().find(|address| address.ip() == host).unwrap()
}

fn subscribed(stream: TcpStream) -> Client {
    let mut client = Client::upgrade(stream);
    assert_eq!(client.message()["event"], "session.created");
    client.subscribe("news");
    client
}

fn beside(server: &Server) -> Client {
    let here = address_at(server, std::net::Ipv4Addr::LOCALHOST);
    subscribed(TcpStream::connect(here).unwrap())
}

#[test]
fn a_half_open_peer_is_given_up_and_delays_nobody() {
    const TEST: &str = "a_half_open_peer_is_given_up_and_delays_nobody";
    let Some(namespace) = Namespace::new(TEST, 1) else { return };
    let server = start_for(&namespace, "--keepalive-interval=1s");
    let there = address_at(&server, namespace.server);
    // One that is idle, and one that is owed something.
    let mut idle = Client::upgrade(namespace.connect(there));
    assert_eq!(idle.message()["event"], "session.created");
    let owed = subscribed(namespace.connect(there));
    let mut good = beside(&server);
    namespace.lose_everything();
    for n in 0..50 {
        let seq = publish_large(&server, n);
        all(&mut good, seq..=seq);
    }
    until("both to be given up", || {
        // It answers PINGs meanwhile.
        let seq = publish_large(&server, 0);
        all(&mut good, seq..=seq);
        (server.metric(ACTIVE, "") == 1.0).then_some(())
    });
    server.wait_metric(ERRORS, "error_type=\"timeout\"", 2.0);
    drop((idle, owed));
}

#[test]
fn a_subscriber_with_a_narrow_link_gets_what_it_can_and_delays_nobody() {
    const TEST: &str = "a_subscriber_with_a_narrow_link_gets_what_it_can_and_delays_nobody";
    let Some(namespace) = Namespace::new(TEST, 2) else { return };
    let server = start_for(&namespace, "--log-bytes=256KiB --shards=1");
    let there = address_at(&server, namespace.server);
    let (mut narrow, mut good) = (subscribed(namespace.connect(there)), beside(&server));
    namespace.slow_down(2_000);
    // What its link carries arrives whole and in order.
    for n in 0..4 {
        publish_large(&server, n);
    }
    all(&mut good, 1..=4);
    all(&mut narrow, 1..=4);
    // More than the link, the socket and the log hold.
    let last = overrun(&server, &mut good, 1.0);
    let mut seq = 5;
    let end = loop {
        match next(&mut narrow) {
            Ok(got) => {
                assert_eq!(got, seq, "in order, up to its end");
                seq += 1;
            }
            Err(end) => break end,
        }
    };
    assert!(seq <= last, "it cannot have had all");
    assert_eq!(end, Some(1013));
    good.assert_alive();
}

/// `uringcast-server sub`, and its lines.
fn subscriber(server: &Server, more: &[&str]) -> (Process, BufReader<impl Read + use<>>) {
    let mut command = Command::new(PROGRAM);
    command.arg("sub").args(more);
    command.arg(format!("ws://{}", server.clients[0])).arg("news").stdin(Stdio::null());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    assert!(line.starts_with("subscribed to news"), "{line}");
    // Kept open: it may say more.
    std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
    let lines = BufReader::new(child.stdout.take().unwrap());
    (Process(child), lines)
}

#[test]
fn a_stopped_subscriber_goes_on_where_it_was_and_delays_nobody() {
    const ALL: usize = 1_000;
    let server = Server::start("--log-bytes=64MiB --log-frames=10000 --shards=1");
    let (stopped, lines) = subscriber(&server, &["--raw", "--count", &ALL.to_string()]);
    let mut good = beside(&server);
    signal(stopped.0.id(), Signal::STOP);
    for n in 0..ALL {
        let seq = publish_large(&server, n);
        all(&mut good, seq..=seq);
    }
    server.wait_metric("uringcast_laggards_total", "", 1.0);
    signal(stopped.0.id(), Signal::CONT);
    let told: Vec<u64> = lines
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(&line.unwrap()).unwrap())
        .map(|data| data["n"].as_u64().unwrap())
        .collect();
    assert_eq!(told, (0..ALL as u64).collect::<Vec<_>>());
}

#[test]
fn a_subscriber_that_stays_stopped_is_given_up_and_delays_nobody() {
    let server = Server::start("--log-bytes=256KiB --shards=1");
    let (stopped, _lines) = subscriber(&server, &[]);
    let mut good = beside(&server);
    signal(stopped.0.id(), Signal::STOP);
    overrun(&server, &mut good, 1.0);
    until("its end", || (server.metric(ACTIVE, "") == 1.0).then_some(()));
}

/// Stops a subscriber in a class until it is passed over, and lets it go on. Returns what it is
/// told then, in order and with nothing left out: the numbers of messages, the reasons of gaps, and
/// the last position.
fn passed_over(class: &str) -> (Vec<u64>, Vec<String>, u64) {
    const KEYS: u64 = 3;
    let class = format!("news {class}, log-bytes=64MiB, log-frames=10000");
    let server = Server::start_in("--shards=1", &[("URINGCAST_CLASS", &*class)]);
    let (stopped, lines) = subscriber(&server, &[]);
    let mut good = beside(&server);
    signal(stopped.0.id(), Signal::STOP);
    let pad = "x".repeat(LARGE);
    let mut publish = |n: u64| {
        let key = n % KEYS;
        let data = json!({"pad": pad}).to_string();
        let path = format!("/v1/publish/raw?channel=news&event=e&key={key}");
        let answer = crate::support::http::post(server.control, &path, &data);
        assert_eq!(answer.status, 202, "{}", answer.body);
        all(&mut good, n..=n);
    };
    let mut head = 0;
    until("the subscriber to be passed over", || {
        for _ in 0..50 {
            head += 1;
            publish(head);
        }
        let answer = crate::support::http::get(server.control, "/v1/connections?behind=0").body;
        answer.contains("\"skipping\"").then_some(())
    });
    signal(stopped.0.id(), Signal::CONT);
    let (mut next, mut messages, mut gaps) = (1, Vec::new(), Vec::new());
    for line in lines.lines() {
        let message: serde_json::Value = serde_json::from_str(&line.unwrap()).unwrap();
        if message["event"] == "gap" {
            let gap = &message["data"];
            assert_eq!(gap["from_seq"], next, "{gap}");
            next = gap["to_seq"].as_u64().unwrap() + 1;
            gaps.push(gap["reason"].as_str().unwrap().to_owned());
        } else {
            assert_eq!(message["seq"], next, "lost, repeated or out of order");
            messages.push(next);
            next += 1;
        }
        if next > head {
            break;
        }
    }
    until("it to be live", || {
        let answer = crate::support::http::get(server.control, "/v1/connections?behind=0").body;
        answer.contains("\"connections\":[]").then_some(())
    });
    (messages, gaps, head)
}

#[test]
fn a_stopped_subscriber_is_skipped_to_the_head_where_its_class_says_so() {
    let (messages, gaps, head) = passed_over("slow=skip, slow-bytes=256KiB");
    assert_eq!(gaps, ["slow"], "one gap tells of all");
    assert!((messages.len() as u64) < head);
}

#[test]
fn a_stopped_subscriber_gets_the_newest_of_each_key_where_its_class_says_so() {
    let (messages, gaps, head) = passed_over("slow=latest, slow-bytes=256KiB");
    assert!(gaps.iter().all(|reason| reason == "conflated") && !gaps.is_empty(), "{gaps:?}");
    for newest in head - 2..=head {
        assert!(messages.contains(&newest), "{newest} is the newest of its key");
    }
    assert!((messages.len() as u64) < head);
}

/// Closes with a reset.
fn reset(client: Client) {
    SockRef::from(client.stream()).set_linger(Some(Duration::ZERO)).unwrap();
    drop(client);
}

#[test]
fn a_reset_in_the_middle_of_a_frame_ends_that_connection_only() {
    // The log outlives what is published until the metrics tell of the laggard.
    let server =
        Server::start("--shards=1 --anonymous-publish --log-bytes=64MiB --log-frames=10000");
    let (mut good, mut sender, receiver) = (beside(&server), beside(&server), beside(&server));
    // It has sent a half of a message.
    sender.raw(&announce(FIN | TEXT, 1_000, true));
    sender.raw(&[b'x'; 500]);
    sender.stream().flush().unwrap();
    reset(sender);
    server.wait_metric(ERRORS, "error_type=\"reset\"", 1.0);
    // The server has: more than the socket takes waits for it.
    let mut last = 0;
    until("a laggard", || {
        last = publish_large(&server, 0);
        assert_eq!(next(&mut good), Ok(last));
        (server.metric("uringcast_laggard_bytes", "") > 0.0).then_some(())
    });
    reset(receiver);
    server.wait_metric(ERRORS, "error_type=\"reset\"", 2.0);
    until("its end", || (server.metric(ACTIVE, "") == 1.0).then_some(()));
    let seq = publish_large(&server, 1);
    assert_eq!((seq, next(&mut good)), (last + 1, Ok(seq)));
}

#[test]
fn after_a_kill_clients_come_back_with_since_and_are_told_of_the_restart() {
    let ports = free_ports(3);
    let flags = format!(
        "--port={} --control-port={} --metrics-port={} --shards=2",
        ports[0], ports[1], ports[2]
    );
    let first = Server::start_on(&flags);
    let mut client = Client::connect(&first);
    let before = client.subscribe("news");
    first.publish("news", "{}");
    assert_eq!(next(&mut client), Ok(1));
    signal(first.pid(), Signal::KILL);
    assert_eq!(client.frame(), None, "the end without a close frame");
    drop(first);
    let second = Server::start_on(&flags);
    let mut client = Client::connect(&second);
    let since = json!({"epoch": before["epoch"], "seq": 1});
    let data = json!({"channel": "news", "since": since});
    let reply = client.ask(&json!({"type": "request", "event": "subscribe", "data": data}));
    let data = &reply["data"];
    assert_eq!((&data["recovered"], &data["reason"]), (&json!(false), &json!("restart")));
    assert_ne!(data["epoch"], before["epoch"]);
    second.publish("news", "{}");
    assert_eq!(next(&mut client), Ok(data["seq"].as_u64().unwrap() + 1));
}

/// A cgroup (of either version) with a bound on memory, or why there is none.
fn memory_cap(bytes: u64) -> Result<std::path::PathBuf, String> {
    let name = format!("uringcast-test-{}", std::process::id());
    let v1 = std::path::Path::new("/sys/fs/cgroup/memory");
    let (parent, limit) = match v1.exists() {
        true => (v1, "memory.limit_in_bytes"),
        false => (std::path::Path::new("/sys/fs/cgroup"), "memory.max"),
    };
    let group = parent.join(name);
    std::fs::create_dir(&group).map_err(|error| error.to_string())?;
    match std::fs::write(group.join(limit), bytes.to_string()) {
        Ok(()) => Ok(group),
        Err(error) => {
            let _ = std::fs::remove_dir(&group);
            Err(format!("{limit}: {error}"))
        }
    }
}

#[test]
fn within_a_cap_on_memory_stuck_subscribers_and_many_messages_end_no_server() {
    const TEST: &str = "within_a_cap_on_memory_stuck_subscribers_and_many_messages_end_no_server";
    const CAP: u64 = 256 << 20;
    let group = match memory_cap(CAP) {
        Ok(group) => group,
        Err(why) => return tools::skip(TEST, &format!("no cgroup can be made: {why}")),
    };
    let mut command = Command::new("/bin/sh");
    let enter = format!("echo $$ > {}/cgroup.procs && exec \"$0\" \"$@\"", group.display());
    command.args(["-c", &enter, PROGRAM]);
    let flags = "--port=0 --control-port=0 --metrics-port=0 --shards=1 --log-bytes=4MiB \
                 --shard-log-bytes=16MiB";
    let mut server = Server::start_by(command, flags, &[]);
    let mut good = beside(&server);
    // They read nothing.
    let stuck: Vec<Client> = (0..50).map(|_| beside(&server)).collect();
    for n in 0..500 {
        let data = json!({"pad": "x".repeat(10 * LARGE)}).to_string();
        server.publish(&format!("other:{}", n % 100), &data);
    }
    overrun(&server, &mut good, 50.0);
    server.assert_running();
    drop(stuck);
    server.terminate();
    assert_eq!(next(&mut good), Err(Some(1001)));
    drop(good);
    assert_eq!(server.ended().code(), Some(0));
    let _ = std::fs::remove_dir(group);
}
