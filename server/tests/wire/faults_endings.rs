//! What clients see of a server that ends, or that is relieved of some of them.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::net::TcpStream;

use crate::support::ws::{CLOSE, Client, FIN, PING, PONG};
use crate::support::{Server, http, until};
use serde_json::{Value, json};

/// Longer than any test: a client's slot ends in it only where a test waits for that.
const LONG: &str = "--drain-spread=5m --drain-timeout=1m";
const SHUTDOWN: &str = "Server is shutting down";
const RELIEVED: &str = "Reconnect: the server is relieved of clients";

fn clients(server: &Server, count: usize) -> Vec<Client> {
    (0..count).map(|_| Client::connect(server)).collect()
}

/// Reads that the client is to reconnect: after so many milliseconds, and why.
fn told(client: &mut Client) -> (u64, String) {
    let message = client.message();
    assert_eq!(
        (&message["type"], &message["event"]),
        (&json!("event"), &json!("session.reconnect"))
    );
    let data = &message["data"];
    (data["after_ms"].as_u64().unwrap(), data["reason"].as_str().unwrap().to_owned())
}

/// As `told`, if the server has told it anything before it answers a ping.
fn told_already(client: &mut Client) -> bool {
    client.say(&json!({"type": "ping", "id": "p"}));
    let first = client.message();
    let told = first["event"] == "session.reconnect";
    // The first slot of all is over at once: no pong may follow.
    assert!(told || first["type"] == "pong", "{first}");
    told
}

fn drain(server: &Server, body: &Value) -> Value {
    let answer = http::post(server.control, "/v1/drain", &body.to_string());
    assert_eq!(answer.status, 200, "{body}: {}", answer.body);
    serde_json::from_str(&answer.body).unwrap()
}

fn progress(server: &Server) -> Value {
    serde_json::from_str(&http::get(server.control, "/v1/drain").body).unwrap()
}

#[test]
fn at_sigterm_each_client_is_told_its_slot_and_served_until_then() {
    let server = Server::start(&format!("{LONG} --shards=2"));
    let mut clients = clients(&server, 20);
    for client in &mut clients {
        client.subscribe("global");
    }
    server.terminate();
    let slots: Vec<_> = clients.iter_mut().map(told).collect();
    assert!(slots.iter().all(|(after, why)| *after < 300_000 && why == "shutdown"), "{slots:?}");
    let mut sorted: Vec<u64> = slots.iter().map(|(after, _)| *after).collect();
    sorted.sort_unstable();
    sorted.dedup();
    assert!(sorted.len() > 15, "slots of their own: {slots:?}");
    server.logged("clients are told to reconnect left=");
    server.wait_metric("uringcast_draining_connections", "", 15.0);
    // It still publishes, and who has time left gets it.
    server.publish("global", r#"{"last":"word"}"#);
    let late = (0..20).max_by_key(|place| slots[*place].0).unwrap();
    assert_eq!(clients[late].message()["data"], json!({"last": "word"}));
    clients[late].assert_alive();
    drop(clients);
    // It does not wait for slots of clients that have left.
    server.logged("drained closed=20 cut=0");
    assert_eq!(server.ended().code(), Some(0));
}

#[test]
fn at_the_end_of_its_slot_a_client_has_what_was_published_and_is_closed() {
    let server = Server::start("--drain-spread=1s --shards=1");
    let mut clients = clients(&server, 10);
    for client in &mut clients {
        client.subscribe("global");
    }
    server.publish("global", r#"{"last":"word"}"#);
    server.terminate();
    // Each goes once it is closed: a server waits as long for the last of them as a drain lasts.
    for mut client in clients {
        assert_eq!(client.message()["data"], json!({"last": "word"}));
        told(&mut client);
        assert_eq!(client.closed(), (1001, SHUTDOWN.into()));
    }
    server.logged("drained closed=10 cut=0");
    assert_eq!(server.ended().code(), Some(0));
}

#[test]
fn who_comes_while_the_server_ends_is_answered_503_and_when_to_try_again() {
    let server = Server::start(&format!("{LONG} --shards=1"));
    // The first slot is over at once.
    let mut clients = clients(&server, 2);
    server.terminate();
    clients.iter_mut().for_each(|client| drop(told(client)));
    let head = Client::request(TcpStream::connect(server.clients[0]).unwrap()).head();
    assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
    let after = head.lines().find_map(|line| line.strip_prefix("Retry-After: ")).unwrap();
    assert!((200..=301).contains(&after.parse::<u64>().unwrap()), "{head}");
    assert_eq!(http::get(server.clients[0], "/ready").status, 503);
    let ready = http::get(server.control, "/ready");
    assert_eq!(ready.status, 503);
    assert!(ready.body.contains("draining"), "{}", ready.body);
    server.wait_metric("websocket_connection_errors_total", "error_type=\"upgrade\"", 1.0);
    clients[1].assert_alive();
    drop(clients);
    assert_eq!(server.ended().code(), Some(0));
}

#[test]
fn a_server_with_a_preset_that_ends_closes_its_port() {
    let server =
        Server::start(&format!("--preset=mahavishnu --auth-enabled=false {LONG} --shards=2"));
    let mut clients = clients(&server, 4);
    server.terminate();
    clients.iter_mut().for_each(|client| drop(told(client)));
    until("the port to be closed", || TcpStream::connect(server.clients[0]).err());
    drop(clients);
    assert_eq!(server.ended().code(), Some(0));
}

#[test]
fn clients_of_another_protocol_are_closed_in_slots_and_told_nothing() {
    let server = Server::start("--preset=session-buddy --drain-spread=500ms --shards=1");
    let connect = || Client::upgrade(TcpStream::connect(server.clients[0]).unwrap());
    let mut clients: Vec<Client> = (0..5).map(|_| connect()).collect();
    clients.iter_mut().for_each(|client| drop(client.message()));
    server.terminate();
    for client in &mut clients {
        let close = loop {
            let frame = client.frame().unwrap();
            if frame.first == FIN | CLOSE {
                break frame;
            }
            let text = String::from_utf8(frame.payload).unwrap();
            assert!(!text.contains("session.reconnect"), "{text}");
        };
        assert_eq!(close.payload[..2], 1001_u16.to_be_bytes());
    }
    drop(clients);
    assert_eq!(server.ended().code(), Some(0));
}

#[test]
fn a_drain_by_share_relieves_the_server_of_some_and_it_stays_open() {
    let server = Server::start("--shards=1");
    let mut clients = clients(&server, 10);
    let answer = drain(&server, &json!({"share": 50, "spread": 300}));
    assert_eq!(answer, json!({"told": 5, "spread": 300.0}));
    server.logged("told to reconnect by request");
    assert_eq!(progress(&server), json!({"left": 5, "connections": 10}));
    server.wait_metric("uringcast_draining_connections", "", 5.0);
    let (told, mut others): (Vec<_>, Vec<_>) = clients
        .drain(..)
        .map(|mut client| (told_already(&mut client), client))
        .partition(|(told, _)| *told);
    assert_eq!((told.len(), others.len()), (5, 5));
    // Those who left by themselves are not waited for; the others are told by the next one.
    drop(told);
    until("all of them to be gone", || (progress(&server)["left"] == 0).then_some(()));
    assert_eq!(progress(&server)["connections"], 5);
    others.push((false, Client::connect(&server)));
    assert_eq!(drain(&server, &json!({"share": 100, "spread": 0.2}))["told"], 6);
    for (_, client) in &mut others {
        assert_eq!(self::told(client).1, "drain");
        assert_eq!(client.closed(), (1001, RELIEVED.into()));
    }
    server.wait_metric("uringcast_closes_total", "reason=\"drain\"", 6.0);
    Client::connect(&server).assert_alive();
    assert_eq!(http::get(server.control, "/ready").status, 200);
}

#[test]
fn a_drain_names_whom_it_means_in_one_of_five_ways() {
    let server = Server::start("--shards=1");
    let (mut one, mut other) = (Client::connect(&server), Client::connect(&server));
    one.subscribe("here");
    for body in [
        json!({}),
        json!({"share": 0}),
        json!({"share": 101}),
        json!({"share": 1.5}),
        json!({"share": 50, "user": "ann"}),
        json!({"address": "somewhere"}),
        json!({"channel": ""}),
        json!({"share": 1, "spread": -1}),
        json!({"share": 1, "spread": 3_601}),
        json!({"share": 1, "pace": 3}),
    ] {
        let answer = http::post(server.control, "/v1/drain", &body.to_string());
        assert_eq!(answer.status, 400, "{body}: {}", answer.body);
    }
    assert_eq!(drain(&server, &json!({"user": "ann"}))["told"], 0);
    assert_eq!(drain(&server, &json!({"address": "192.0.2.0/24"}))["told"], 0);
    assert_eq!(drain(&server, &json!({"channel": "here", "spread": 0}))["told"], 1);
    assert_eq!(told(&mut one), (0, "drain".into()));
    assert_eq!(one.closed(), (1001, RELIEVED.into()));
    other.assert_alive();
    // The setting's time, where a request names none.
    assert_eq!(drain(&server, &json!({"address": "127.0.0.1"})), json!({"told": 1, "spread": 0.0}));
    assert_eq!(told(&mut other).1, "drain");
}

#[test]
fn a_client_that_answers_nothing_in_its_slot_is_cut_at_the_deadline() {
    let server = Server::start("--drain-spread=300ms --drain-timeout=1s --shards=1");
    let mut client = Client::connect(&server);
    server.terminate();
    told(&mut client);
    assert_eq!(client.frame().unwrap().first, FIN | CLOSE);
    server.logged("drained closed=0 cut=1");
    assert_eq!(server.ended().code(), Some(0));
}

#[test]
fn a_welcome_says_how_to_come_back() {
    let server = Server::start("--reconnect-base=250ms --reconnect-max=1m");
    let mut client = Client::upgrade(TcpStream::connect(server.clients[0]).unwrap());
    let welcome = client.message();
    assert_eq!(welcome["data"]["reconnect"], json!({"base_ms": 250, "max_ms": 60_000}));
    client.send(PING, b"still there");
    assert_eq!(client.frame().unwrap().first, FIN | PONG);
}
