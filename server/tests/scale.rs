//! Many subscribers on one channel: nothing lost, nothing reordered, few system calls, and a
//! subscriber that does not read has no effect on the others.

mod support;

use std::net::{SocketAddr, TcpStream};
use std::thread;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;
use socket2::{Domain, Socket, Type};
use support::ws::{CLOSE, Client, FIN, TEXT};
use support::{Server, tools};

/// Connections whose handshakes are under way at the same time.
const GROUP: usize = 200;
/// No PINGs between the messages.
const QUIET: &str = "--keepalive-interval 1h";
/// Threads that receive.
const THREADS: usize = 2;

/// Raises this process's limit to so many sockets, or prints why the test is skipped.
fn descriptors(test: &str, wanted: u64) -> bool {
    let limit = getrlimit(Resource::Nofile).maximum;
    if limit.is_some_and(|limit| limit < wanted) {
        tools::skip(test, &format!("needs a hard limit of {wanted} open files (ulimit -Hn)"));
        return false;
    }
    setrlimit(Resource::Nofile, Rlimit { current: limit, maximum: limit }).expect("raised");
    true
}

/// Opens subscribers of a channel, a group of handshakes at a time.
fn subscribers(server: &Server, channel: &str, count: usize) -> Vec<Client> {
    let mut all = Vec::with_capacity(count);
    while all.len() < count {
        let mut group: Vec<_> = (all.len()..count.min(all.len() + GROUP))
            .map(|n| server.clients[n % server.clients.len()])
            .map(|address| Client::request(TcpStream::connect(address).expect("connected")))
            .collect();
        for client in &mut group {
            assert!(client.head().starts_with("HTTP/1.1 101 "));
            client.say(&json!({"type": "subscribe", "room": channel}));
        }
        for client in &mut group {
            assert_eq!(client.message()["event"], "session.created");
            assert_eq!(client.message()["data"]["status"], "subscribed");
        }
        all.append(&mut group);
    }
    all
}

/// Every client reads exactly these messages, in this order.
fn all_receive(clients: &mut [Client], seqs: std::ops::RangeInclusive<u64>) {
    let share = clients.len().div_ceil(THREADS);
    thread::scope(|scope| {
        for clients in clients.chunks_mut(share) {
            let seqs = seqs.clone();
            scope.spawn(move || {
                for client in clients {
                    for seq in seqs.clone() {
                        let frame = client.frame().expect("a message");
                        assert_eq!((frame.first, seq_of(&frame.payload)), (FIN | TEXT, seq));
                    }
                }
            });
        }
    });
}

/// The last key of a broadcast.
fn seq_of(payload: &[u8]) -> u64 {
    let text = std::str::from_utf8(payload).expect("UTF-8");
    let seq = text.strip_suffix('}').and_then(|text| text.rsplit_once("\"seq\":"));
    seq.and_then(|(_, seq)| seq.parse().ok()).unwrap_or_else(|| panic!("no seq: {text}"))
}

fn payload(bytes: usize) -> String {
    format!("{{\"p\":\"{}\"}}", "x".repeat(bytes - 8))
}

#[test]
fn ten_thousand_subscribers_get_every_message_in_order_for_few_system_calls() {
    const TEST: &str = "ten_thousand_subscribers_get_every_message_in_order_for_few_system_calls";
    const FIRST: usize = 1_000;
    const SUBSCRIBERS: usize = 10_000;
    const BROADCASTS: u64 = 20;
    if !descriptors(TEST, SUBSCRIBERS as u64 + 500) {
        return;
    }
    // At most 8,000 connections between one pair of addresses: connecting slows beyond.
    let hosts = "--host 127.0.0.1 --host 127.0.0.2 --host 127.0.0.3 --host 127.0.0.4";
    let server = Server::start(&format!("{hosts} {QUIET} --max-connections {SUBSCRIBERS}"));
    let mut clients = subscribers(&server, "bench:0", FIRST);
    server.wait_metric("uringcast_subscriptions", "", FIRST as f64);
    let memory = server.anonymous_memory();
    clients.append(&mut subscribers(&server, "bench:0", SUBSCRIBERS - FIRST));
    server.wait_metric("uringcast_subscriptions", "", SUBSCRIBERS as f64);
    let each = (server.anonymous_memory() - memory) / (SUBSCRIBERS - FIRST) as i64;
    println!("{each} bytes of user space a connection");
    // By the records at most 136 (benches/tests/allocations.rs). The whole process's growth adds
    // what a handshake leaves behind and varies by a few MB: this excludes buffers at rest.
    assert!(each <= 1_024, "{each} bytes of user space a connection");
    let enters = server.settled("uringcast_ring_enters_total", "");

    // One at a time, so that no two are joined in one sweep: the dearest case.
    for seq in 1..=BROADCASTS {
        assert_eq!(server.publish("bench:0", &payload(128)), seq);
        all_receive(&mut clients, seq..=seq);
    }

    let deliveries = SUBSCRIBERS as f64 * BROADCASTS as f64;
    assert_eq!(server.settled("uringcast_deliveries_total", ""), deliveries);
    assert_eq!(server.metric("uringcast_send_completions_total", ""), 0.0, "healthy sends");
    let enters = (server.metric("uringcast_ring_enters_total", "") - enters) / BROADCASTS as f64;
    println!("{enters} io_uring_enter calls a broadcast");
    // 10,000 / 256 are 40 full batches; the rest is slices and the ring's other work.
    assert!(enters < 100.0, "{enters} io_uring_enter calls a broadcast");

    // And a burst, which is joined.
    for seq in 1..=BROADCASTS {
        assert_eq!(server.publish("bench:0", &payload(128)), BROADCASTS + seq);
    }
    all_receive(&mut clients, BROADCASTS + 1..=2 * BROADCASTS);
}

/// A subscriber that does not read and has a small receive buffer.
fn stalled(address: SocketAddr, channel: &str) -> Client {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.set_recv_buffer_size(4096).expect("a small buffer");
    socket.connect(&address.into()).expect("connected");
    let mut client = Client::upgrade(socket.into());
    assert_eq!(client.message()["event"], "session.created");
    client.subscribe(channel);
    client
}

#[test]
fn a_stalled_subscriber_holds_up_nobody_and_is_closed_when_the_log_has_passed_it() {
    const TEST: &str =
        "a_stalled_subscriber_holds_up_nobody_and_is_closed_when_the_log_has_passed_it";
    const OTHERS: usize = 999;
    const LAGGARDS_NOW: &str = "uringcast_laggards_now";
    if !descriptors(TEST, 2 * OTHERS as u64) {
        return;
    }
    let server = Server::start(&format!("{QUIET} --log-frames 200 --log-bytes 16MiB"));
    let mut stalled = stalled(server.clients[0], "bench:0");
    let mut published = 0;
    let mut publish = |messages: u64, bytes: usize| {
        let first = published + 1;
        for _ in 0..messages {
            published += 1;
            assert_eq!(server.publish("bench:0", &payload(bytes)), published);
        }
        first..=published
    };

    // The kernel buffers some megabytes of it first; in steps, so that the log keeps the rest.
    support::until("it to fall behind", || {
        let seqs = publish(50, 16 << 10);
        server.wait_metric("websocket_broadcast_total", "", *seqs.end() as f64);
        // Also when what was under way has found its place in the kernel.
        let is_stuck =
            server.metric(LAGGARDS_NOW, "") == 1.0 && server.settled(LAGGARDS_NOW, "") == 1.0;
        is_stuck.then_some(())
    });
    let mut others = subscribers(&server, "bench:0", OTHERS);
    for _ in 0..30 {
        all_receive(&mut others, publish(1, 128));
    }
    assert_eq!(server.metric(LAGGARDS_NOW, ""), 1.0, "it is stuck still, and nobody else");
    assert_eq!(server.metric("uringcast_missed_total", ""), 0.0, "the log still has it all");

    let errors = ("websocket_connection_errors_total", "slow_consumer");
    support::until("the log to pass it", || {
        all_receive(&mut others, publish(50, 2048));
        (server.metric(errors.0, errors.1) == 1.0).then_some(())
    });
    // What it was sent is whole and in order, up to the close frame.
    let mut next = 1;
    let last = loop {
        let frame = stalled.frame().expect("a close frame, not the end of the stream");
        if frame.first != FIN | TEXT {
            break frame;
        }
        assert_eq!(seq_of(&frame.payload), next);
        next += 1;
    };
    assert_eq!((last.first, &last.payload[..2]), (FIN | CLOSE, &1013_u16.to_be_bytes()[..]));
    assert_eq!(&last.payload[2..], b"slow consumer");
    let seqs = publish(1, 128);
    let all = *seqs.end();
    all_receive(&mut others, seqs);
    println!("it got {} of {all} messages", next - 1);
    assert!(next < all, "it missed {} of {all}", all - next);
    assert_eq!(
        server.settled("websocket_connection_errors_total", ""),
        1.0,
        "nobody else is closed"
    );
}
