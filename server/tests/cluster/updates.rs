//! Updates of session-buddy's protocol at several nodes.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use crate::support::nats::Nats;
use crate::support::session_buddy::{connect, publish, skills, update};
use crate::support::succession::Place;
use crate::support::ws::Client;
use crate::support::{Server, until};
use serde_json::{Value, json};

/// One NATS server.
fn nats(test: &str) -> Option<Nats> {
    Nats::start_with(test, 1, "")
}

fn flags(nats: &Nats) -> String {
    let preset = "--preset=session-buddy --keepalive-interval=1h";
    format!("{preset} --cluster-replicas=1 {}", nats.flag())
}

/// Publishes one skill until it is taken; its position, and the data of the updates.
fn publish_skill(node: &Server, name: &str) -> (u64, Value) {
    let data = json!({ "top_skills": skills(&[name]), "anomalies": [] });
    let seq = until("a publication that is taken", || {
        let answer = publish(node, &data);
        let body: Value = serde_json::from_str(&answer.body).ok()?;
        body["results"][0]["seq"].as_u64().filter(|_| answer.status == 202)
    });
    (seq, data)
}

#[test]
fn clients_of_session_buddy_get_at_every_node_what_is_published_at_any() {
    let Some(mut nats) = nats("clients_of_session_buddy_get_at_every_node") else { return };
    let start = |shards| Server::start(&format!("--shards={shards} {}", flags(&nats)));
    // Whatever the home of the channel is, on each.
    let mut nodes = vec![start(3), start(2)];
    let mut clients: Vec<Client> =
        nodes.iter().flat_map(|node| (0..4).map(|_| connect(node))).collect();
    let nothing = json!({ "top_skills": [], "anomalies": [] });
    clients.iter_mut().for_each(|client| update(client, &nothing));
    let mut positions = Vec::new();
    for (place, name) in [(0, "a"), (1, "b"), (0, "c")] {
        let (seq, data) = publish_skill(&nodes[place], name);
        positions.push(seq);
        clients.iter_mut().for_each(|client| update(client, &data));
    }
    assert!(positions.is_sorted_by(|one, next| one < next), "{positions:?}");

    // A node that has heard of nothing.
    nodes.push(start(2));
    let last = json!({ "top_skills": skills(&["c"]), "anomalies": [] });
    clients.push(connect(&nodes[2]));
    clients.iter_mut().for_each(|client| update(client, &last));
    let mut one_skill = connect(&nodes[2]);
    one_skill.say(&json!({ "type": "subscribe", "skill": "c" }));
    let is_confirmed = |client: &mut Client| client.message()["type"] == "subscription_confirmed";
    until("a confirmation", || is_confirmed(&mut one_skill).then_some(()));
    update(&mut one_skill, &last);

    nats.kill(0);
    until("publishers are told", || (publish(&nodes[2], &last).status == 503).then_some(()));
    clients.extend(nodes.iter().map(connect));
    // Twice: one may be of the time before.
    for _ in 0..2 {
        clients.iter_mut().for_each(|client| update(client, &last));
    }
    nats.start_one(0);
    nats.wait();
    let (_, data) = publish_skill(&nodes[1], "d");
    clients.iter_mut().for_each(|client| update(client, &data));
}

#[test]
fn updates_go_on_at_a_node_that_is_handed_over() {
    let Some(nats) = nats("updates_go_on_at_a_node_that_is_handed_over") else { return };
    let place = Place::new();
    let mut node = place.start(&format!("--shards=1 {}", flags(&nats)));
    let other = Server::start(&format!("--shards=1 {}", flags(&nats)));
    let mut clients: Vec<Client> = (0..4).map(|_| connect(&node)).collect();
    for (shards, name) in [(3, "a"), (2, "b")] {
        let (_, before) = publish_skill(&node, name);
        clients.iter_mut().for_each(|client| update(client, &before));
        node = place.succeed(node, &format!("--shards={shards} {}", flags(&nats)));
        // Nothing was forgotten.
        for client in &mut clients {
            let message = client.message();
            assert_eq!((&message["type"], &message["data"]), (&json!("metrics_update"), &before));
        }
        let (_, behind) = publish_skill(&other, "z");
        clients.iter_mut().for_each(|client| update(client, &behind));
    }
}
