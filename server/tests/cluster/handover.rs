//! A node that is handed to a new process: its clients, and those who publish, see nothing of it.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use super::nodes::{event, publish};
use crate::support::nats::Nats;
use crate::support::succession::Place;
use crate::support::ws::{Client, upgrade_request};
use crate::support::{FREE_PORTS, PROGRAM, Server, http, tls};
use rustls::version::TLS13;
use serde_json::{Value, json};

/// Channels that are there from the beginning.
const CHANNELS: u64 = 4;
/// In which the load's end is told.
const END: &str = "c:end";
/// The number of the last message of each of them.
const LAST: u64 = 1 << 50;

/// By channel, positions and numbers in order.
type Messages = HashMap<String, Vec<(u64, u64)>>;

pub(super) fn flags(nats: &Nats, more: &str) -> String {
    format!("--keepalive-interval=1h --anonymous-publish {} {more}", nats.flag())
}

/// Publishes over HTTP, which must be taken at once; the position.
fn post(control: SocketAddr, channel: &str, n: u64) -> u64 {
    let path = format!("/v1/publish/raw?channel={channel}&event=test");
    let answer = http::post(control, &path, &json!({ "n": n }).to_string());
    assert_eq!(answer.status, 202, "{}", answer.body);
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    body["results"][0]["seq"].as_u64().unwrap_or_else(|| panic!("{body}"))
}

/// Publishes over a client's connection; the position.
fn ask(client: &mut Client, channel: &str, n: u64) -> u64 {
    let data = json!({ "channel": channel, "event": "test", "data": { "n": n } });
    let reply = client.ask(&json!({ "type": "request", "event": "publish", "data": data }));
    reply["data"]["seq"].as_u64().unwrap_or_else(|| panic!("{reply}"))
}

/// Publishes one message after the other until it is over; what was acknowledged.
fn publisher(
    is_over: &Arc<AtomicBool>,
    channel: impl Fn(u64) -> String + Send + 'static,
    mut publish: impl FnMut(&str, u64) -> u64 + Send + 'static,
) -> thread::JoinHandle<Vec<(String, u64, u64)>> {
    let is_over = Arc::clone(is_over);
    thread::spawn(move || {
        let mut all = Vec::new();
        for n in 0.. {
            if is_over.load(Ordering::Relaxed) {
                break;
            }
            let channel = channel(n);
            let seq = publish(&channel, n);
            all.push((channel, seq, n));
            thread::sleep(Duration::from_millis(3));
        }
        all
    })
}

/// Reads all that a client gets, without a gap or a repetition, until the load has ended and so
/// many messages are there.
fn reader(mut client: Client, count: Arc<AtomicUsize>) -> thread::JoinHandle<(Client, Messages)> {
    thread::spawn(move || {
        let (mut all, mut has_ended, mut read) = (Messages::new(), false, 0);
        while !has_ended || read < count.load(Ordering::Relaxed) {
            let event = event(&mut client);
            assert_ne!(event["event"], "gap", "{event}");
            let channel = event["room"].as_str().unwrap();
            if channel == END {
                has_ended = true;
                continue;
            }
            let seq = event["seq"].as_u64().unwrap();
            let of = all.entry(channel.to_owned()).or_default();
            if let Some((before, _)) = of.last() {
                assert_eq!(event["prev"].as_u64().unwrap_or(seq - 1), *before, "{event}");
            }
            of.push((seq, event["data"]["n"].as_u64().unwrap()));
            read += 1;
        }
        client.assert_alive();
        (client, all)
    })
}

fn subscribed(mut client: Client, data: &Value) -> Client {
    let reply = client.ask(&json!({ "type": "subscribe", "data": data }));
    assert!(reply.to_string().contains(r#""subscribed""#), "{reply}");
    client
}

type Reader = thread::JoinHandle<(Client, Messages)>;

/// Every client has exactly what was acknowledged: those of one channel, and those of patterns.
fn compare(readers: Vec<(u64, Reader)>, by_patterns: Vec<Reader>, published: &Messages) {
    for (channel, reader) in readers {
        let channel = format!("c:{channel}");
        let (mut client, read) = reader.join().unwrap();
        let mut read = read[&channel].clone();
        // What was published behind the load tells that all before it has come.
        while read.last().is_some_and(|(_, n)| *n != LAST) {
            let event = event(&mut client);
            read.push((event["seq"].as_u64().unwrap(), event["data"]["n"].as_u64().unwrap()));
        }
        read.pop();
        assert_eq!(read, published[&channel], "{channel}");
    }
    for reader in by_patterns {
        let (_, mut read) = reader.join().unwrap();
        read.values_mut().for_each(|of| of.retain(|(_, n)| *n != LAST));
        for (channel, messages) in published {
            let read = read.get(channel).map_or(&[][..], Vec::as_slice);
            assert_eq!(read, messages, "{channel}");
        }
    }
}

/// Hands a node over several times while three publish at it and at another node, and clients of
/// both listen, by name and by patterns.
fn hand_over_under_load(nats: &Nats, both: &str, is_secure: bool) {
    let place = Place::new();
    let certs = place.path().join("certs");
    let secure = format!("--auto-cert --ktls=off --cert-dir={}", certs.display());
    let both = flags(nats, both);
    let more = if is_secure { format!("{both} {secure}") } else { both.clone() };
    let mut node = place.start(&format!("--shards=1 {more}"));
    let other = Server::start(&format!("--shards=2 --message-rate=0 {both}"));
    let config = is_secure.then(|| tls::config(&node, &TLS13, None));
    let connect = |node: &Server| match &config {
        Some(config) => Client::connect_secure(node, config),
        None => Client::connect(node),
    };
    let [named, patterned] = [(), ()].map(|()| Arc::new(AtomicUsize::new(usize::MAX)));
    let mut readers = Vec::new();
    for n in 0..2 * CHANNELS {
        let data = json!({ "channels": [format!("c:{}", n % CHANNELS), END] });
        let client = subscribed(connect(&node), &data);
        readers.push((n % CHANNELS, reader(client, Arc::clone(&named))));
    }
    let mut by_patterns = Vec::new();
    for client in [connect(&node), connect(&node), Client::connect(&other)] {
        let client = subscribed(client, &json!({ "pattern": "c:*" }));
        let client = subscribed(client, &json!({ "pattern": "job:*" }));
        by_patterns.push(reader(client, Arc::clone(&patterned)));
    }

    let is_over = Arc::<AtomicBool>::default();
    let one_of = |n: u64| format!("c:{}", n % CHANNELS);
    let (here, there) = (node.control, other.control);
    let mut client = connect(&node);
    let publishers = [
        publisher(&is_over, one_of, move |channel, n| post(here, channel, n)),
        publisher(&is_over, one_of, move |channel, n| post(there, channel, n)),
        publisher(&is_over, one_of, move |channel, n| ask(&mut client, channel, n)),
        // Of each channel nobody has heard before.
        publisher(&is_over, |n| format!("job:{n}"), move |channel, n| post(there, channel, n)),
    ];
    for shards in [2, 3, 1, 2] {
        thread::sleep(Duration::from_millis(500));
        node = place.succeed(node, &format!("--shards={shards} {more}"));
    }
    thread::sleep(Duration::from_millis(500));
    is_over.store(true, Ordering::Relaxed);

    let mut published = Messages::new();
    for (channel, seq, n) in publishers.into_iter().flat_map(|one| one.join().unwrap()) {
        published.entry(channel).or_default().push((seq, n));
    }
    published.values_mut().for_each(|of| of.sort_unstable());
    // Each counts alone: those by name have all of theirs before they are compared.
    named.store(0, Ordering::Relaxed);
    patterned.store(published.values().map(Vec::len).sum(), Ordering::Relaxed);
    for of in 0..CHANNELS {
        publish(&node, &format!("c:{of}"), LAST);
    }
    thread::sleep(Duration::from_secs(1));
    publish(&node, END, 0);
    compare(readers, by_patterns, &published);
    assert!(published.len() > 100 && published["c:0"].len() > 100, "{}", published.len());
}

#[test]
fn a_node_that_is_handed_over_under_load_loses_and_repeats_nothing() {
    let Some(nats) = Nats::start("a_node_that_is_handed_over_under_load") else { return };
    hand_over_under_load(&nats, "", false);
}

#[test]
fn over_tls_and_several_streams_a_node_is_handed_over_as_well() {
    let Some(nats) = Nats::start("over_tls_and_several_streams_a_node") else { return };
    hand_over_under_load(&nats, "--cluster-partitions=3", true);
}

/// What a server says that does not take over.
pub(super) fn refused(place: &Place, flags: &str) -> String {
    let mut command = Command::new(PROGRAM);
    command.args(FREE_PORTS).args(flags.split_whitespace());
    command.arg(format!("--take-over={}", place.socket().display()));
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    said
}

#[test]
fn a_server_with_another_cluster_or_none_does_not_take_over() {
    let Some(nats) = Nats::start("a_server_with_another_cluster_or_none") else { return };
    let place = Place::new();
    let more = flags(&nats, "");
    let node = place.start(&format!("--shards=1 {more}"));
    let mut client = Client::connect(&node);
    client.subscribe("room:1");
    let said = refused(&place, "");
    assert!(said.contains("the new one none"), "{said}");
    let said = refused(&place, &format!("{more} --cluster-prefix=other"));
    assert!(said.contains(r#"cluster_prefix "other""#), "{said}");
    let said = refused(&place, &format!("{more} --cluster-partitions=2"));
    assert!(said.contains("cluster_partitions 2"), "{said}");
    // Nothing was made of the other name.
    let streams = nats.ask(0, "$JS.API.STREAM.NAMES", "");
    assert!(streams.contains("uringcast_0") && !streams.contains("other"), "{streams}");
    let said = refused(&place, &format!("{more} --cluster-age=2h"));
    assert!(said.contains("cluster_age"), "{said}");
    let seq = publish(&node, "room:1", 1);
    assert_eq!(event(&mut client)["seq"], seq);

    let alone = Place::new();
    let server = alone.start("--shards=1");
    let said = refused(&alone, &more);
    assert!(said.contains("the old one none"), "{said}");
    Client::connect(&server).assert_alive();

    let node = place.succeed(node, &format!("--shards=2 {more}"));
    let seq = publish(&node, "room:1", 2);
    assert_eq!(event(&mut client)["seq"], seq);
}

/// Begins a handshake, which a hand-over waits for. Returns what brings it to its end.
pub(super) fn begin_handshake(node: &Server) -> impl FnOnce() + use<> {
    let request = upgrade_request(node.clients[0], "");
    let accepts = node.settled("uringcast_accepts_total", "");
    let mut slow = TcpStream::connect(node.clients[0]).unwrap();
    slow.write_all(&request.as_bytes()[..20]).unwrap();
    node.wait_metric("uringcast_accepts_total", "", accepts + 1.0);
    move || {
        slow.write_all(&request.as_bytes()[20..]).unwrap();
        slow.read_exact(&mut [0; 12]).unwrap();
    }
}

/// Hands a node over, and does something when the new process is connected to the cluster and no
/// connection has gone over: a handshake under way is waited for.
fn hand_over_while(place: &Place, node: Server, flags: &str, meanwhile: impl FnOnce()) -> Server {
    let end_handshake = begin_handshake(&node);
    let flags = format!("{flags} --take-over={}", place.socket().display());
    thread::scope(|scope| {
        let after = scope.spawn(|| place.start(&flags));
        node.logged("connects to take over");
        thread::sleep(Duration::from_secs(3));
        assert!(!node.log().contains("handed over"), "{}", node.log());
        meanwhile();
        end_handshake();
        node.logged("handed over");
        let after = after.join().unwrap();
        assert!(node.ended().success());
        after
    })
}

#[test]
fn what_is_published_while_the_cluster_is_away_comes_after_a_hand_over() {
    let Some(nats) = Nats::start("what_is_published_while_the_cluster_is_away") else { return };
    let place = Place::new();
    let more = flags(&nats, "");
    let node = place.start(&format!("--shards=1 {more}"));
    let other = Server::start(&format!("--shards=1 {more}"));
    let mut clients: Vec<_> = (0..10).map(|_| Client::connect(&node)).collect();
    clients.iter_mut().for_each(|client| drop(client.subscribe("room:1")));
    let mut patterned = subscribed(Client::connect(&node), &json!({ "pattern": "job:*" }));
    let first = publish(&other, "room:1", 0);
    clients.iter_mut().for_each(|client| assert_eq!(event(client)["seq"], first));

    let flags = format!("--shards=2 {more}");
    let node = hand_over_while(&place, node, &flags, || {
        (0..3).for_each(|place| nats.freeze(place, true));
    });
    clients.iter_mut().for_each(Client::assert_alive);
    (0..3).for_each(|place| nats.freeze(place, false));
    let second = publish(&other, "room:1", 1);
    let job = publish(&other, "job:1", 2);
    for client in &mut clients {
        let event = event(client);
        assert_eq!((&event["seq"], &event["prev"]), (&json!(second), &json!(first)), "{event}");
    }
    assert_eq!(event(&mut patterned)["seq"], job);
    let third = publish(&node, "room:1", 3);
    clients.iter_mut().for_each(|client| assert_eq!(event(client)["seq"], third));
}

#[test]
fn a_successor_without_servers_leaves_the_node_as_it_is() {
    let Some(mut nats) = Nats::start("a_successor_without_servers_leaves_the_node") else { return };
    let place = Place::new();
    let more = flags(&nats, "");
    let node = place.start(&format!("--shards=1 {more}"));
    let mut client = Client::connect(&node);
    client.subscribe("room:1");
    (0..3).for_each(|place| nats.kill(place));
    let told = client.message();
    assert_eq!(told["event"], "session.degraded", "{told}");
    let said = refused(&place, &more);
    assert!(said.contains("session.degraded"), "{said}");
    (0..3).for_each(|place| nats.start_one(place));
    nats.wait();
    let told = client.message();
    assert_eq!(told["event"], "session.restored", "{told}");
    let node = place.succeed(node, &format!("--shards=2 {more}"));
    let seq = publish(&node, "room:1", 1);
    assert_eq!(event(&mut client)["seq"], seq);
}

#[test]
fn what_is_told_while_a_node_is_handed_over_is_carried_out_once() {
    let Some(nats) = Nats::start("what_is_told_while_a_node_is_handed_over") else { return };
    let place = Place::new();
    let more = flags(&nats, "");
    let mut node = place.start(&format!("--shards=1 {more}"));
    let other = Server::start(&format!("--shards=1 {more}"));
    let mut client = Client::connect(&node);
    client.subscribe("room:1");
    for n in 0..2 {
        // Told by another node, and by the one that is handed over.
        let asked = [other.control, node.control][n as usize];
        let flags = format!("--shards={} {more}", 2 - n);
        node = hand_over_while(&place, node, &flags, || {
            let body = json!({ "channel": "room:1" }).to_string();
            let answer = http::post(asked, "/v1/unsubscribe", &body);
            assert_eq!(answer.status, 200, "{}", answer.body);
            while client.message()["data"]["status"] != "unsubscribed" {}
            client.subscribe("room:1");
        });
        let seq = publish(&other, "room:1", n);
        assert_eq!(event(&mut client)["seq"], seq);
        // Were it carried out again, that would have come by now.
        thread::sleep(Duration::from_secs(1));
        let seq = publish(&other, "room:1", n);
        assert_eq!(event(&mut client)["seq"], seq);
        client.assert_alive();
    }
    // And what is told later is, too.
    let body = json!({ "channel": "room:1" }).to_string();
    assert_eq!(http::post(other.control, "/v1/unsubscribe", &body).status, 200);
    while client.message()["data"]["status"] != "unsubscribed" {}
}
