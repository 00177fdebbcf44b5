//! Three nodes and three NATS servers: any node serves any client, and all see the stream.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use crate::support::nats::Nats;
use crate::support::ws::Client;
use crate::support::{Server, http, until};
use serde_json::{Value, json};

const NODES: usize = 3;

/// A node on free ports.
fn node(nats: &Nats, flags: &str) -> Server {
    Server::start(&format!("--shards=1 --keepalive-interval=1h {} {flags}", nats.flag()))
}

/// Nodes that are called otherwise each.
pub(crate) fn nodes(nats: &Nats) -> Vec<Server> {
    (0..NODES).map(|place| node(nats, &format!("--server-name=node-{place}"))).collect()
}

/// A client of each node, subscribed to a channel.
fn clients(nodes: &[Server], channel: &str) -> Vec<Client> {
    let subscribed = |node: &Server| {
        let mut client = Client::connect(node);
        client.subscribe(channel);
        client
    };
    nodes.iter().map(subscribed).collect()
}

/// The next event of a channel, past what sessions are told.
pub(crate) fn event(client: &mut Client) -> Value {
    loop {
        let message = client.message();
        if message["seq"].is_u64() {
            return message;
        }
    }
}

/// Reads events up to a position; their positions and numbers. Each is behind the one before.
fn events_to(client: &mut Client, last: u64) -> Vec<(u64, u64)> {
    let mut all: Vec<(u64, u64)> = Vec::new();
    loop {
        let event = event(client);
        assert_ne!(event["event"], "gap", "{event}");
        let seq = event["seq"].as_u64().unwrap();
        if let Some((before, _)) = all.last() {
            let prev = event["prev"].as_u64().unwrap_or(seq - 1);
            assert_eq!(prev, *before, "{event}");
        }
        all.push((seq, event["data"]["n"].as_u64().unwrap()));
        if seq >= last {
            return all;
        }
    }
}

/// Publishes until it is taken; its position.
pub(crate) fn publish(node: &Server, channel: &str, n: u64) -> u64 {
    let path = format!("/v1/publish/raw?channel={channel}&event=test");
    until("a publication that is taken", || {
        let answer = http::post(node.control, &path, &json!({ "n": n }).to_string());
        let body: Value = serde_json::from_str(&answer.body).ok()?;
        body["results"][0]["seq"].as_u64().filter(|_| answer.status == 202)
    })
}

/// Publishes so many messages at all nodes in turn; what was acknowledged, in order.
fn publish_all(nodes: &[Server], channel: &str, numbers: std::ops::Range<u64>) -> Vec<(u64, u64)> {
    numbers.map(|n| (publish(&nodes[n as usize % nodes.len()], channel, n), n)).collect()
}

/// Every client has exactly what was acknowledged.
fn assert_same(clients: &mut [Client], published: &[(u64, u64)]) {
    let last = published.last().unwrap().0;
    for client in clients {
        assert_eq!(events_to(client, last), published);
    }
}

#[test]
fn what_one_node_is_given_all_deliver_with_the_same_positions() {
    let Some(nats) = Nats::start("what_one_node_is_given_all_deliver") else { return };
    let nodes = nodes(&nats);
    let mut clients = clients(&nodes, "room:1");
    let published = publish_all(&nodes, "room:1", 0..60);
    assert_same(&mut clients, &published);
}

#[test]
fn a_client_goes_on_at_another_node() {
    let Some(nats) = Nats::start("a_client_goes_on_at_another_node") else { return };
    let nodes = nodes(&nats);
    let mut first = Client::connect(&nodes[0]);
    let epoch = first.subscribe("room:1")["epoch"].clone();
    let published = publish_all(&nodes, "room:1", 0..20);
    let seen = events_to(&mut first, published[4].0);
    assert_eq!(seen, published[..5]);
    drop(first);
    // A node that has never served the channel.
    let fresh = node(&nats, "");
    let mut second = Client::connect(&fresh);
    let since = json!({ "seq": published[4].0, "epoch": epoch });
    let data = json!({ "channel": "room:1", "since": since });
    let reply = second.ask(&json!({ "type": "subscribe", "data": data }));
    assert_eq!(reply["data"]["status"], "subscribed", "{reply}");
    assert_eq!(reply["data"]["recovered"], true, "{reply}");
    assert_eq!(events_to(&mut second, published[19].0), published[5..]);
    let more = publish_all(&nodes, "room:1", 20..25);
    assert_eq!(events_to(&mut second, more[4].0), more);
}

#[test]
fn a_client_s_message_with_an_id_is_published_once_at_whichever_node() {
    let Some(nats) = Nats::start("a_client_s_message_with_an_id_is_published") else { return };
    let nodes: Vec<Server> = (0..2).map(|_| node(&nats, "--anonymous-publish")).collect();
    let mut subscribers = clients(&nodes, "room:1");
    let publish = |node: &Server, id: &str, n: u64| {
        let data = json!({ "channel": "room:1", "event": "e", "data": { "n": n }, "id": id });
        let mut client = Client::connect(node);
        let reply = client.ask(&json!({ "type": "request", "event": "publish", "data": data }));
        reply["data"]["seq"].as_u64().unwrap_or_else(|| panic!("{reply}"))
    };
    let first = publish(&nodes[0], "a", 1);
    assert_eq!(publish(&nodes[1], "a", 2), first);
    let second = publish(&nodes[1], "b", 3);
    assert_eq!(publish(&nodes[0], "b", 4), second);
    assert_same(&mut subscribers, &[(first, 1), (second, 3)]);
}

#[test]
fn the_death_of_a_leader_loses_nothing() {
    let Some(mut nats) = Nats::start("the_death_of_a_leader_loses_nothing") else { return };
    let nodes = nodes(&nats);
    let mut clients = clients(&nodes, "room:1");
    let mut published = publish_all(&nodes, "room:1", 0..20);
    let leader = nats.leader();
    nats.kill(leader);
    published.extend(publish_all(&nodes, "room:1", 20..40));
    nats.start_one(leader);
    nats.wait();
    published.extend(publish_all(&nodes, "room:1", 40..60));
    assert_same(&mut clients, &published);
}

#[test]
fn a_leader_that_steps_down_loses_nothing() {
    let Some(nats) = Nats::start("a_leader_that_steps_down_loses_nothing") else { return };
    let nodes = nodes(&nats);
    let mut clients = clients(&nodes, "room:1");
    let mut published = publish_all(&nodes, "room:1", 0..10);
    for round in 1..4 {
        let answer = nats.ask(0, "$JS.API.STREAM.LEADER.STEPDOWN.uringcast_0", "");
        assert!(answer.contains("\"success\":true"), "{answer}");
        published.extend(publish_all(&nodes, "room:1", round * 10..round * 10 + 10));
    }
    assert_same(&mut clients, &published);
}

#[test]
fn a_frozen_server_delays_and_loses_nothing() {
    let Some(nats) = Nats::start("a_frozen_server_delays_and_loses_nothing") else { return };
    let nodes = nodes(&nats);
    let mut clients = clients(&nodes, "room:1");
    let mut published = publish_all(&nodes, "room:1", 0..10);
    let follower = (nats.leader() + 1) % 3;
    nats.freeze(follower, true);
    published.extend(publish_all(&nodes, "room:1", 10..30));
    nats.freeze(follower, false);
    published.extend(publish_all(&nodes, "room:1", 30..40));
    assert_same(&mut clients, &published);
}

#[test]
fn without_a_quorum_publishers_are_told_and_subscribers_stay() {
    let Some(mut nats) = Nats::start("without_a_quorum_publishers_are_told") else { return };
    let nodes = nodes(&nats);
    let mut clients = clients(&nodes, "room:1");
    let mut published = publish_all(&nodes, "room:1", 0..10);
    assert_same(&mut clients, &published);
    let leader = nats.leader();
    let others: Vec<_> = (0..3).filter(|place| *place != leader).collect();
    others.iter().for_each(|place| nats.kill(*place));
    for client in &mut clients {
        let told = client.message();
        assert_eq!(told["event"], "session.degraded", "{told}");
    }
    let path = "/v1/publish/raw?channel=room:1&event=test";
    let answer = http::post(nodes[0].control, path, r#"{"n":0}"#);
    assert_eq!(answer.status, 503, "{}", answer.body);
    assert!(answer.body.contains("order_unavailable"), "{}", answer.body);
    others.iter().for_each(|place| nats.start_one(*place));
    nats.wait();
    for client in &mut clients {
        let told = client.message();
        assert_eq!(told["event"], "session.restored", "{told}");
    }
    published = publish_all(&nodes, "room:1", 10..20);
    assert_same(&mut clients, &published);
}

#[test]
fn a_stream_that_is_deleted_is_made_anew_and_clients_are_told() {
    let Some(nats) = Nats::start("a_stream_that_is_deleted_is_made_anew") else { return };
    let nodes = nodes(&nats);
    let mut clients = clients(&nodes, "room:1");
    let published = publish_all(&nodes, "room:1", 0..10);
    assert_same(&mut clients, &published);
    let answer = nats.ask(0, "$JS.API.STREAM.DELETE.uringcast_0", "");
    assert!(answer.contains("\"success\":true"), "{answer}");
    publish(&nodes[0], "room:1", 100);
    for client in &mut clients {
        until("a gap", || (client.message()["event"] == "gap").then_some(()));
    }
    let last = publish(&nodes[1], "room:1", 101);
    for client in &mut clients {
        until("the newest event", || (client.message()["seq"] == last).then_some(()));
    }
}
