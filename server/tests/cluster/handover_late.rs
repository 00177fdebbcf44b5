//! A node whose publications are acknowledged late is not handed over, and says why.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::thread;
use std::time::Duration;

use super::handover::{begin_handshake, flags, refused};
use super::nodes::publish;
use crate::support::nats::Nats;
use crate::support::succession::Place;
use crate::support::ws::Client;
use crate::support::{Server, http, until};
use serde_json::{Value, json};

/// Publishes, and does not wait for the answer.
fn publish_only(client: &mut Client) {
    let data = json!({ "channel": "room:1", "event": "test", "data": { "n": 1 } });
    client.say(&json!({ "type": "request", "event": "publish", "data": data }));
    // No answer tells that the node has it.
    thread::sleep(Duration::from_millis(500));
}

/// The next message that is so; others are about the session.
fn next(client: &mut Client, is_so: impl Fn(&Value) -> bool) -> Value {
    std::iter::from_fn(|| Some(client.message())).find(is_so).unwrap()
}

fn next_position(client: &mut Client) -> u64 {
    let event = next(client, |message| message["room"] == "room:1");
    event["seq"].as_u64().unwrap_or_else(|| panic!("{event}"))
}

/// The node serves on: what was under way is answered, and a later hand-over succeeds.
fn assert_goes_on(place: &Place, node: Server, flags: &str, [mut asks, mut listens]: [Client; 2]) {
    let answer = next(&mut asks, |message| message["type"] != "event");
    match answer["data"]["seq"].as_u64() {
        Some(seq) => assert_eq!(next_position(&mut listens), seq),
        // The servers took too long to agree again.
        None => assert!(answer["error_code"].is_string(), "{answer}"),
    }
    until("a publication to be taken", || {
        let path = "/v1/publish/raw?channel=room:2&event=test";
        (http::post(node.control, path, "{}").status == 202).then_some(())
    });
    let node = place.succeed(node, flags);
    let seq = publish(&node, "room:1", 2);
    while next_position(&mut listens) != seq {}
}

fn clients(node: &Server) -> [Client; 2] {
    let mut clients = [Client::connect(node), Client::connect(node)];
    clients[1].subscribe("room:1");
    // The first message of a new stream is one of the cluster's own, which soon goes: a node that
    // is away meanwhile tells a gap to who has had nothing yet.
    let seq = publish(node, "room:1", 0);
    assert_eq!(next_position(&mut clients[1]), seq);
    clients
}

#[test]
fn a_node_that_waits_for_acknowledgements_says_so_and_goes_on() {
    let Some(nats) = Nats::start("a_node_that_waits_for_acknowledgements") else { return };
    let place = Place::new();
    let only = nats.addresses("nats").remove(0);
    let flags = format!("--shards=1 --anonymous-publish --cluster={only}");
    let node = place.start(&flags);
    let mut clients = clients(&node);
    // Without the others its server takes nothing, and stays connected.
    (1..3).for_each(|place| nats.freeze(place, true));
    publish_only(&mut clients[0]);
    let said = refused(&place, &flags);
    assert!(said.contains("have not acknowledged what was published"), "{said}");
    node.logged("no hand-over: this process serves on: the streams have not acknowledged");
    (1..3).for_each(|place| nats.freeze(place, false));
    assert_goes_on(&place, node, &flags, clients);
}

#[test]
fn what_is_acknowledged_late_in_a_hand_over_ends_it_and_is_answered() {
    let Some(nats) = Nats::start("what_is_acknowledged_late_in_a_hand_over") else { return };
    let place = Place::new();
    let flags = flags(&nats, "--shards=1");
    let node = place.start(&flags);
    let mut clients = clients(&node);
    // By its end the new process is connected to the cluster.
    let end_handshake = begin_handshake(&node);
    thread::scope(|scope| {
        let said = scope.spawn(|| refused(&place, &flags));
        node.logged("connects to take over");
        thread::sleep(Duration::from_secs(3));
        (0..3).for_each(|place| nats.freeze(place, true));
        publish_only(&mut clients[0]);
        end_handshake();
        let said = said.join().unwrap();
        (0..3).for_each(|place| nats.freeze(place, false));
        assert!(said.contains("has not acknowledged what clients publish"), "{said}");
    });
    node.logged("no hand-over: this process serves on: the shards do not come to rest");
    assert_goes_on(&place, node, &flags, clients);
}
