//! Presence over all nodes: on three NATS servers, with nodes that are killed.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::net::{SocketAddr, TcpStream};

use crate::support::nats::Nats;
use crate::support::ws::{Client, upgrade_request};
use crate::support::{Server, http, until};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, get_current_timestamp};
use serde_json::{Value, json};

pub(super) const SECRET: &str = "an-old-oak-in-the-meadow-of-1849";

fn nodes(nats: &Nats) -> Vec<Server> {
    let class = ("URINGCAST_CLASS", "room:* presence=on");
    let environment = [class, ("URINGCAST_JWT_SECRET", SECRET)];
    let flags = "--shards=2 --keepalive-interval=1h --auth-enabled=optional";
    let start = |_| Server::start_in(&format!("{flags} {}", nats.flag()), &environment);
    (0..3).map(start).collect()
}

/// A client whose token names a user.
pub(super) fn client_of(node: &Server, user: &str) -> Client {
    let claims = json!({"sub": user, "exp": get_current_timestamp() + 600});
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    let token = encode(&Header::new(Algorithm::HS256), &claims, &key).unwrap();
    let extra = format!("Authorization: Bearer {token}\r\n");
    let request = upgrade_request(node.clients[0], &extra);
    let stream = TcpStream::connect(node.clients[0]).unwrap();
    let mut client = Client::request_as(stream, None, &request);
    assert!(client.head().starts_with("HTTP/1.1 101"));
    assert_eq!(client.message()["data"]["authenticated"], true);
    client
}

/// Subscribes with presence; returns the list that is the client's alone.
pub(super) fn join(client: &mut Client, channel: &str) -> Value {
    client.say(&json!({"type": "subscribe", "data": {"channel": channel, "presence": true}}));
    loop {
        let message = client.message();
        assert_ne!(message["type"], "error", "{message}");
        if message["event"] == "presence.list" && message["seq"].is_null() {
            return message["data"].clone();
        }
    }
}

/// The next event behind a list's position.
fn next(client: &mut Client, list: &Value) -> (String, Value) {
    loop {
        let message = client.message();
        if message["seq"].as_u64() > list["seq"].as_u64() {
            return (message["event"].as_str().unwrap().to_owned(), message["data"].clone());
        }
    }
}

fn event(name: &str, user: &str) -> (String, Value) {
    (format!("presence.{name}"), json!({ "user": user }))
}

/// Whoever is there, as a node answers.
pub(super) fn presence(control: SocketAddr, channel: &str) -> Value {
    let path = format!("/v1/channels/{}/presence", channel.replace(':', "%3A"));
    let answer = http::get(control, &path);
    assert_eq!(answer.status, 200, "{}", answer.body);
    serde_json::from_str(&answer.body).unwrap()
}

/// The next event of each client is a message that is published now.
fn assert_nothing_else(clients: &mut [(&mut Client, &Value)], node: &Server, channel: &str) {
    node.publish(channel, r#"{"n":1}"#);
    for (client, list) in clients {
        assert_eq!(next(client, list), ("test".to_owned(), json!({"n": 1})));
    }
}

#[test]
fn users_at_all_nodes_see_each_other_come_and_go_in_order() {
    let Some(nats) = Nats::start("users_at_all_nodes_see_each_other") else { return };
    let nodes = nodes(&nats);
    let channel = "room:1";
    let mut ann = client_of(&nodes[0], "ann");
    let anns = join(&mut ann, channel);
    assert_eq!(anns["members"], json!([{"user": "ann", "connections": 1}]), "{anns}");
    let mut bob = client_of(&nodes[1], "bob");
    let bobs = join(&mut bob, channel);
    assert_eq!((&bobs["count"], &bobs["epoch"]), (&json!(2), &anns["epoch"]), "{bobs}");
    assert_eq!(next(&mut ann, &anns), event("join", "bob"));
    let mut cat = client_of(&nodes[2], "cat");
    let cats = join(&mut cat, channel);
    assert_eq!(cats["count"], 3, "{cats}");
    assert_eq!(next(&mut ann, &anns), event("join", "cat"));
    assert_eq!(next(&mut bob, &bobs), event("join", "cat"));

    // A user at two nodes is one member, and is nobody new.
    let mut again = client_of(&nodes[2], "ann");
    let agains = join(&mut again, channel);
    let all = [("ann", 2), ("bob", 1), ("cat", 1)];
    let all = all.map(|(user, connections)| json!({"user": user, "connections": connections}));
    assert_eq!((&agains["members"], &agains["connections"]), (&json!(all), &json!(4)));
    for node in &nodes {
        let list = presence(node.control, channel);
        assert_eq!((&list["members"], &list["channel"]), (&json!(all), &json!(channel)));
    }
    let ask = json!({"type": "request", "event": "presence", "data": {"channel": channel}});
    for client in [&mut ann, &mut bob, &mut cat] {
        client.say(&ask);
        // Events may come before it.
        let mut messages = std::iter::from_fn(|| Some(client.message()));
        let reply = messages.find(|message| message["type"] == "response").unwrap();
        assert_eq!(reply["data"]["members"], json!(all), "{reply}");
    }
    let mut there = [(&mut ann, &anns), (&mut bob, &bobs), (&mut cat, &cats)];
    assert_nothing_else(&mut there, &nodes[1], channel);

    // Whoever comes back at another node within the time has not left.
    drop(bob);
    until("bob's last connection to be gone", || {
        let of_bob = json!({"user": "bob", "connections": 0});
        let list = presence(nodes[0].control, channel);
        list["members"].as_array().unwrap().contains(&of_bob).then_some(())
    });
    let mut bob = client_of(&nodes[2], "bob");
    let bobs = join(&mut bob, channel);
    let mut there = [(&mut ann, &anns), (&mut bob, &bobs), (&mut cat, &cats)];
    assert_nothing_else(&mut there, &nodes[0], channel);

    // One without a user goes with its connection.
    let mut guest = Client::connect(&nodes[1]);
    join(&mut guest, channel);
    let (came, who) = next(&mut ann, &anns);
    assert_eq!((came.as_str(), who["connection_id"].is_string()), ("presence.join", true));
    drop(guest);
    assert_eq!(next(&mut ann, &anns), ("presence.leave".to_owned(), who));
    // A channel without anybody, and one that keeps no presence.
    assert_eq!(presence(nodes[0].control, "room:none")["count"], 0);
    assert_eq!(http::get(nodes[0].control, "/v1/channels/other/presence").status, 404);
}

/// Who is in each channel, as one client is told.
struct Watcher {
    client: Client,
    rosters: BTreeMap<String, BTreeSet<String>>,
    lists: usize,
    leaves: usize,
}

const ROOMS: usize = 24;

fn names(list: &Value) -> BTreeSet<String> {
    let members = list["members"].as_array().unwrap().iter();
    members.map(|member| member["user"].as_str().unwrap().to_owned()).collect()
}

impl Watcher {
    fn new(node: &Server, user: &str) -> Watcher {
        let mut watcher = Watcher {
            client: client_of(node, user),
            rosters: BTreeMap::new(),
            lists: 0,
            leaves: 0,
        };
        for room in (0..ROOMS).map(|n| format!("room:{n}")) {
            watcher
                .client
                .say(&json!({"type": "subscribe", "data": {"channel": room, "presence": true}}));
            while !watcher.rosters.contains_key(&room) {
                watcher.read();
            }
        }
        watcher
    }

    /// Takes the next message. Whoever is there must not be missed.
    fn read(&mut self) {
        let message = self.client.message();
        assert_ne!(message["type"], "error", "{message}");
        let Some(room) = message["room"].as_str() else { return };
        let (event, data) = (message["event"].as_str().unwrap(), &message["data"]);
        let user = || data["user"].as_str().unwrap().to_owned();
        match event {
            "presence.list" => {
                self.lists += usize::from(message["seq"].is_u64());
                if message["seq"].is_null() || self.rosters.contains_key(room) {
                    self.rosters.insert(room.into(), names(data));
                }
            }
            "presence.join" | "presence.leave" => {
                let Some(roster) = self.rosters.get_mut(room) else { return };
                match event {
                    "presence.join" => _ = roster.insert(user()),
                    _ => {
                        self.leaves += 1;
                        roster.remove(&user());
                    }
                }
            }
            _ => {}
        }
    }

    /// Reads until these are in every channel.
    fn read_until(&mut self, wanted: &[&str], always: &[&str]) {
        let wanted: BTreeSet<String> = wanted.iter().map(|user| (*user).into()).collect();
        while self.rosters.values().any(|roster| *roster != wanted) {
            self.read();
            let has_all =
                |roster: &BTreeSet<String>| always.iter().all(|user| roster.contains(*user));
            assert!(self.rosters.values().all(has_all), "{:?}", self.rosters);
        }
    }
}

#[test]
fn members_of_a_dead_node_leave_and_others_stay_wherever_the_roster_was() {
    let Some(nats) = Nats::start("members_of_a_dead_node_leave") else { return };
    let mut nodes = nodes(&nats);
    let mut ann = Watcher::new(&nodes[0], "ann");
    let mut bob = Watcher::new(&nodes[1], "bob");
    let mut cat = Watcher::new(&nodes[2], "cat");
    for watcher in [&mut ann, &mut bob, &mut cat] {
        watcher.read_until(&["ann", "bob", "cat"], &[]);
    }
    let before = [ann.lists + cat.lists, ann.leaves + cat.leaves];
    // Killed, as it is dropped.
    drop(nodes.remove(1));
    for watcher in [&mut ann, &mut cat] {
        watcher.read_until(&["ann", "cat"], &["ann", "cat"]);
    }
    let after = [ann.lists + cat.lists, ann.leaves + cat.leaves];
    // Where the dead node was the home all are told who is there, elsewhere that bob has left.
    assert!(after[0] > before[0] && after[1] > before[1], "{before:?} {after:?}");
    for node in &nodes {
        assert_eq!(names(&presence(node.control, "room:0")), ["ann".into(), "cat".into()].into());
    }
    // It goes on, also with a node that comes.
    let class = ("URINGCAST_CLASS", "room:* presence=on");
    let flags = format!("--shards=1 --auth-enabled=optional {}", nats.flag());
    let late = Server::start_in(&flags, &[class, ("URINGCAST_JWT_SECRET", SECRET)]);
    let mut dan = Watcher::new(&late, "dan");
    for watcher in [&mut ann, &mut cat, &mut dan] {
        watcher.read_until(&["ann", "cat", "dan"], &[]);
    }
}

#[test]
fn nodes_that_lose_the_cluster_tell_who_is_there_when_they_are_back() {
    let Some(mut nats) = Nats::start("nodes_that_lose_the_cluster_tell") else { return };
    let nodes = nodes(&nats);
    let mut ann = client_of(&nodes[0], "ann");
    join(&mut ann, "room:1");
    (0..3).for_each(|place| nats.kill(place));
    // Nobody can tell then.
    until("an answer that says so", || {
        let answer = http::get(nodes[0].control, "/v1/channels/room%3A1/presence");
        (answer.status == 503).then_some(())
    });
    (0..3).for_each(|place| nats.start_one(place));
    nats.wait();
    let cat = until("a subscription", || {
        let mut cat = client_of(&nodes[2], "cat");
        let data = json!({"channel": "room:1", "presence": true});
        let message = cat.ask(&json!({"type": "subscribe", "data": data}));
        (message["data"]["status"] == "subscribed").then_some(cat)
    });
    let both = BTreeSet::from(["ann".to_owned(), "cat".to_owned()]);
    for node in &nodes {
        until("both at each node", || {
            let answer = http::get(node.control, "/v1/channels/room%3A1/presence");
            let list: Value = serde_json::from_str(&answer.body).ok()?;
            (answer.status == 200 && names(&list) == both).then_some(())
        });
    }
    drop(cat);
    until("her leave at another node", || {
        let list = presence(nodes[0].control, "room:1");
        (names(&list) == BTreeSet::from(["ann".to_owned()])).then_some(())
    });
}
