//! A node with presence that is handed to a new process: nobody has come or gone.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::presence::{SECRET, client_of, join, presence};
use crate::support::nats::Nats;
use crate::support::succession::Place;
use crate::support::ws::Client;
use crate::support::{Server, until};
use serde_json::{Value, json};
use uringcast_engine::limits::PRESENCE_LINGER;

/// Each node is the home of some of them.
const ROOMS: u64 = 8;

fn rooms() -> impl Iterator<Item = String> {
    (0..ROOMS).map(|n| format!("room:{n}"))
}

fn start(nats: &Nats, more: &str) -> Server {
    let class = ("URINGCAST_CLASS", "room:* presence=on");
    let flags = "--keepalive-interval=1h --auth-enabled=optional --message-rate=0";
    let flags = format!("{flags} {} {more}", nats.flag());
    Server::start_in(&flags, &[class, ("URINGCAST_JWT_SECRET", SECRET)])
}

/// A client in all rooms.
struct Member {
    client: Client,
    /// By room, who is there, and what the client was told of coming and going, in order.
    present: BTreeMap<String, BTreeSet<String>>,
    told: Vec<(String, String, String)>,
}

/// A user's name; those without one are told apart elsewhere.
fn name(member: &Value) -> String {
    member["user"].as_str().unwrap_or("guest").to_owned()
}

fn names(list: &Value) -> BTreeSet<String> {
    list["members"].as_array().unwrap().iter().map(name).collect()
}

impl Member {
    fn new(mut client: Client) -> Member {
        let present = rooms().map(|room| {
            let list = join(&mut client, &room);
            (room, names(&list))
        });
        let present = present.collect();
        Member { client, present, told: Vec::new() }
    }

    /// Takes the next message. Returns the number in it, if it is none of presence.
    fn read(&mut self) -> Option<u64> {
        let message = self.client.message();
        assert_ne!(message["type"], "error", "{message}");
        assert_ne!(message["event"], "gap", "{message}");
        let room = message["room"].as_str()?.to_owned();
        let (event, data) = (message["event"].as_str()?.to_owned(), &message["data"]);
        let present = self.present.get_mut(&room)?;
        match event.as_str() {
            "presence.list" => *present = names(data),
            "presence.join" => _ = present.insert(name(data)),
            "presence.leave" => _ = present.remove(&name(data)),
            _ => return data["n"].as_u64(),
        }
        let of_all = event == "presence.list";
        let who = if of_all { format!("{present:?}") } else { name(data) };
        self.told.push((event, room, who));
        None
    }

    /// Reads what was published and told so far, in all rooms.
    fn read_to(&mut self, n: u64) {
        let mut left = ROOMS;
        while left > 0 {
            left -= u64::from(self.read() == Some(n));
        }
    }

    fn read_until_all_have(&mut self, wanted: &BTreeSet<String>) {
        while self.present.values().any(|present| present != wanted) {
            self.read();
        }
    }
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn publish_in_all(node: &Server, n: u64) {
    rooms().for_each(|room| _ = node.publish(&room, &json!({ "n": n }).to_string()));
}

/// Asks a node all the time who is there, by its address, which stays. Returns all answers.
fn asking(node: &Server, is_over: &Arc<AtomicBool>) -> JoinHandle<BTreeSet<String>> {
    let (control, is_over) = (node.control, Arc::clone(is_over));
    thread::spawn(move || {
        let mut answers = BTreeSet::new();
        while !is_over.load(Ordering::Relaxed) {
            answers.extend(rooms().map(|room| {
                let list = presence(control, &room);
                list["members"].to_string()
            }));
        }
        answers
    })
}

#[test]
fn nobody_has_come_or_gone_when_a_node_is_handed_over() {
    let Some(nats) = Nats::start("nobody_has_come_or_gone") else { return };
    let place = Place::new();
    let at = format!("--handover-socket={}", place.socket().display());
    let mut node = start(&nats, &format!("--shards=1 {at}"));
    let other = start(&nats, "--shards=2");
    let mut members = Vec::new();
    for (node, users) in [(&node, ["ann", "cat"]), (&other, ["bob", "cat"])] {
        let clients = users.map(|user| client_of(node, user));
        members.extend(clients.into_iter().chain([Client::connect(node)]).map(Member::new));
    }
    let all = set(&["ann", "bob", "cat", "guest"]);
    members.iter_mut().for_each(|member| member.read_until_all_have(&all));
    publish_in_all(&other, 1);
    members.iter_mut().for_each(|member| member.read_to(1));
    let before: Vec<usize> = members.iter().map(|member| member.told.len()).collect();

    let is_over = Arc::<AtomicBool>::default();
    let asking = [&node, &other].map(|node| asking(node, &is_over));
    for shards in [2, 1] {
        let after = start(
            &nats,
            &format!("--shards={shards} {at} --take-over={}", place.socket().display()),
        );
        assert_eq!((&after.clients, after.control), (&node.clients, node.control));
        assert!(node.ended().success());
        node = after;
        publish_in_all(&node, 2);
        members.iter_mut().for_each(|member| member.read_to(2));
    }
    // Whoever was taken for gone would be told of as gone by now.
    thread::sleep(PRESENCE_LINGER + Duration::from_secs(3));
    publish_in_all(&other, 3);
    for (member, before) in members.iter_mut().zip(before) {
        member.read_to(3);
        let told = &member.told[before..];
        let is_list = |(event, ..): &&(String, String, String)| event == "presence.list";
        let others: Vec<_> = told.iter().filter(|one| !is_list(one)).collect();
        assert!(others.is_empty(), "{others:?}");
        for (_, room, who) in told {
            assert_eq!(*who, format!("{all:?}"), "{room}");
        }
    }
    is_over.store(true, Ordering::Relaxed);
    for asking in asking {
        let answers = asking.join().unwrap();
        assert_eq!(answers.len(), 1, "{answers:#?}");
    }

    // Later ones are told at both nodes.
    let mut dan = Member::new(client_of(&node, "dan"));
    let mut eve = Member::new(client_of(&other, "eve"));
    let more = set(&["ann", "bob", "cat", "dan", "eve", "guest"]);
    for member in members.iter_mut().chain([&mut dan, &mut eve]) {
        member.read_until_all_have(&more);
    }
    let ann = members.remove(0);
    drop((ann, dan));
    let rest = set(&["bob", "cat", "eve", "guest"]);
    for member in members.iter_mut().chain([&mut eve]) {
        member.read_until_all_have(&rest);
    }
    for node in [&node, &other] {
        until("the same at both nodes", || {
            rooms().all(|room| names(&presence(node.control, &room)) == rest).then_some(())
        });
    }
}
