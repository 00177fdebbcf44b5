//! Subscriptions to all channels whose names begin alike, at nodes that others publish to.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::HashMap;

use super::nodes::{event, nodes, publish};
use crate::support::Server;
use crate::support::nats::Nats;
use crate::support::ws::Client;
use serde_json::json;

/// A client of each node, with a pattern.
fn clients(nodes: &[Server], pattern: &str) -> Vec<Client> {
    let subscribed = |node: &Server| {
        let mut client = Client::connect(node);
        let data = json!({ "pattern": pattern });
        let reply = client.ask(&json!({"type": "subscribe", "data": data}));
        assert_eq!(reply["data"]["status"], "subscribed", "{reply}");
        client
    };
    nodes.iter().map(subscribed).collect()
}

/// What a client gets of channels: the position and number of each message, in order. The first
/// may be behind any position, each other one is behind the one before it.
fn read(client: &mut Client, count: usize) -> HashMap<String, Vec<(u64, u64)>> {
    let mut all: HashMap<String, Vec<(u64, u64)>> = HashMap::new();
    for _ in 0..count {
        let event = event(client);
        assert_ne!(event["event"], "gap", "{event}");
        let seq = event["seq"].as_u64().unwrap();
        let of = all.entry(event["room"].as_str().unwrap().to_owned()).or_default();
        if let Some((before, _)) = of.last() {
            assert_eq!(event["prev"].as_u64().unwrap_or(seq - 1), *before, "{event}");
        }
        of.push((seq, event["data"]["n"].as_u64().unwrap()));
    }
    all
}

/// Publishes these at all nodes in turn, each in the channel that it names; what was acknowledged.
fn publish_all(
    nodes: &[Server],
    numbers: std::ops::Range<u64>,
    channel: impl Fn(u64) -> String,
) -> HashMap<String, Vec<(u64, u64)>> {
    let mut all: HashMap<String, Vec<(u64, u64)>> = HashMap::new();
    for n in numbers {
        let seq = publish(&nodes[n as usize % nodes.len()], &channel(n), n);
        all.entry(channel(n)).or_default().push((seq, n));
    }
    all
}

#[test]
fn patterns_at_any_node_have_what_is_published_at_any_other() {
    let Some(nats) = Nats::start("patterns_at_any_node_have_what_is_published") else { return };
    let nodes = nodes(&nats);
    // Before any client has a pattern: of these only what comes later is theirs.
    publish_all(&nodes, 0..4, |n| format!("room:{n}"));
    let mut clients = clients(&nodes, "room:*");
    let mut others = self::clients(&nodes[..1], "other:*");
    let published = publish_all(&nodes, 0..60, |n| format!("room:{}.x", n % 7));
    let more = publish_all(&nodes, 60..70, |n| format!("room:{}", n % 2));
    let beside = publish_all(&nodes, 70..74, |n| format!("other:{n}"));
    let published: HashMap<_, _> = published.into_iter().chain(more).collect();
    for client in &mut clients {
        assert_eq!(read(client, 70), published);
    }
    assert_eq!(read(&mut others[0], 4), beside);
}

#[test]
fn channels_that_appear_while_a_leader_is_lost_are_not_missed() {
    let Some(mut nats) = Nats::start("channels_that_appear_while_a_leader_is_lost") else {
        return;
    };
    let nodes = nodes(&nats);
    let mut clients = clients(&nodes, "job:*");
    let mut published = publish_all(&nodes, 0..20, |n| format!("job:{n}"));
    let leader = nats.leader();
    nats.kill(leader);
    published.extend(publish_all(&nodes, 20..40, |n| format!("job:{n}")));
    nats.start_one(leader);
    published.extend(publish_all(&nodes, 40..60, |n| format!("job:{n}")));
    for client in &mut clients {
        assert_eq!(read(client, 60), published);
    }
}

#[test]
fn what_a_node_has_missed_of_channels_that_it_never_knew_is_read() {
    let Some(nats) = Nats::start("what_a_node_has_missed_of_channels") else { return };
    let nodes = nodes(&nats);
    let mut clients = clients(&nodes, "job:*");
    let mut published = publish_all(&nodes, 0..3, |n| format!("job:{n}"));
    // Nodes of this server go to another one, and have missed what was published meanwhile.
    let follower = (nats.leader() + 1) % 3;
    nats.freeze(follower, true);
    published.extend(publish_all(&nodes, 3..30, |n| format!("job:{n}")));
    nats.freeze(follower, false);
    published.extend(publish_all(&nodes, 30..40, |n| format!("job:{n}")));
    for client in &mut clients {
        assert_eq!(read(client, 40), published);
    }
}
