//! Presence: who is subscribed to a channel, told over both doors.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::io::Write;
use std::net::TcpStream;
use std::process::Command;

use crate::support::ws::{Client, upgrade_request};
use crate::support::{PROGRAM, Server, http, until};
use serde_json::{Value, json};

const SHARDS: [usize; 2] = [1, 2];
/// Channels of one test, so that each shard is home of some.
const CHANNELS: usize = 6;
const SECRET: &str = "an-old-oak-in-the-meadow-of-1849";

fn server(shards: usize) -> Server {
    let class = "URINGCAST_CLASS";
    let environment = [(class, "room:* presence=on"), ("URINGCAST_JWT_SECRET", SECRET)];
    Server::start_in(&format!("--shards {shards} --auth-enabled=optional"), &environment)
}

/// A client whose token names a user.
fn client_of(server: &Server, user: &str) -> Client {
    let mut secret = tempfile::NamedTempFile::new().unwrap();
    secret.write_all(SECRET.as_bytes()).unwrap();
    let mut command = Command::new(PROGRAM);
    command.args(["token", "--user", user, "--jwt-secret-file"]).arg(secret.path());
    let token = String::from_utf8(command.output().unwrap().stdout).unwrap();
    let stream = TcpStream::connect(server.clients[0]).unwrap();
    let extra = format!("Authorization: Bearer {}\r\n", token.trim());
    let request = upgrade_request(server.clients[0], &extra);
    let mut client = Client::request_as(stream, None, &request);
    assert!(client.head().starts_with("HTTP/1.1 101"));
    assert_eq!(client.message()["data"]["authenticated"], true);
    client
}

/// Subscribes with presence; returns the list.
fn join(client: &mut Client, channel: &str) -> Value {
    let data = json!({"channel": channel, "presence": true});
    let reply = client.ask(&json!({"type": "subscribe", "data": data}));
    assert_eq!(reply["data"]["status"], "subscribed", "{reply}");
    // Its own join may come before the list, which has it already.
    loop {
        let message = client.message();
        if message["event"] == "presence.list" {
            assert_eq!(message["room"], channel);
            return message["data"].clone();
        }
        assert_eq!(message["event"], "presence.join");
    }
}

/// The next events of presence behind a list's position: who comes and goes.
fn changes(client: &mut Client, after: &Value, count: usize) -> Vec<(String, Value)> {
    let mut seen = Vec::new();
    while seen.len() < count {
        let message = client.message();
        if message["seq"].as_u64() > after["seq"].as_u64() {
            let event = message["event"].as_str().unwrap().to_owned();
            seen.push((event, message["data"].clone()));
        }
    }
    seen
}

fn presence(server: &Server, channel: &str) -> Value {
    let path = format!("/v1/channels/{}/presence", channel.replace(':', "%3A"));
    let answer = http::get(server.control, &path);
    assert_eq!(answer.status, 200, "{}", answer.body);
    serde_json::from_str(&answer.body).unwrap()
}

#[test]
fn a_subscriber_gets_the_list_and_then_who_comes_and_goes() {
    for shards in SHARDS {
        let server = server(shards);
        for n in 0..CHANNELS {
            let channel = format!("room:{n}");
            let mut ann = client_of(&server, "ann");
            let list = join(&mut ann, &channel);
            assert_eq!(list["members"], json!([{"user": "ann", "connections": 1}]), "{list}");
            assert_eq!((&list["count"], &list["connections"]), (&json!(1), &json!(1)));
            let mut guest = Client::connect(&server);
            let of_guest = join(&mut guest, &channel);
            let (came, who) = changes(&mut ann, &list, 1).remove(0);
            assert_eq!(came, "presence.join");
            assert!(who["connection_id"].is_string(), "{who}");
            assert_eq!(of_guest["members"][0]["user"], "ann");
            assert_eq!(of_guest["members"][1], who);
            // Another connection of the same user is nobody new.
            let mut again = client_of(&server, "ann");
            join(&mut again, &channel);
            server.publish(&channel, r#"{"n":1}"#);
            let seen = changes(&mut ann, &list, 1);
            assert_eq!(seen[0], ("test".to_owned(), json!({"n": 1})), "{seen:?}");
            drop(guest);
            let gone = changes(&mut ann, &json!({"seq": list["seq"].as_u64().unwrap() + 2}), 1);
            assert_eq!(gone, [("presence.leave".to_owned(), who)]);
            let now = presence(&server, &channel);
            assert_eq!(now["members"], json!([{"user": "ann", "connections": 2}]), "{now}");
            assert_eq!((&now["channel"], &now["connections"]), (&json!(channel), &json!(2)));
        }
        let label = "";
        server.wait_metric("uringcast_present_connections", label, 0.0);
    }
}

#[test]
fn a_user_who_reconnects_has_not_left() {
    for shards in SHARDS {
        let server = server(shards);
        let mut watcher = Client::connect(&server);
        let list = join(&mut watcher, "room:1");
        let mut ann = client_of(&server, "ann");
        join(&mut ann, "room:1");
        assert_eq!(changes(&mut watcher, &list, 1)[0].1, json!({"user": "ann"}));
        drop(ann);
        until("her last connection to be gone", || {
            let now = presence(&server, "room:1");
            let of_ann = json!({"user": "ann", "connections": 0});
            now["members"].as_array().unwrap().contains(&of_ann).then_some(())
        });
        let mut ann = client_of(&server, "ann");
        join(&mut ann, "room:1");
        drop(ann);
        // The next that is heard is that she has left for good.
        let after = json!({"seq": list["seq"].as_u64().unwrap() + 1});
        let left = ("presence.leave".to_owned(), json!({"user": "ann"}));
        assert_eq!(changes(&mut watcher, &after, 1), [left]);
    }
}

#[test]
fn who_is_there_can_be_asked_and_where_nothing_is_kept_it_is_said() {
    for shards in SHARDS {
        let server = server(shards);
        let mut client = Client::connect(&server);
        client.subscribe("other");
        for n in 0..CHANNELS {
            let channel = format!("room:{n}");
            client.subscribe(&channel);
            let ask = json!({"id": "p", "type": "request", "event": "presence",
                             "data": {"channel": channel}});
            client.say(&ask);
            client.say(&json!({"id": "after", "type": "ping"}));
            let reply = loop {
                let message = client.message();
                assert_ne!(message["correlation_id"], "after", "answered before the list");
                if message["correlation_id"] == "p" {
                    break message;
                }
            };
            assert_eq!((&reply["type"], &reply["event"]), (&json!("response"), &json!("presence")));
            assert_eq!(
                (&reply["data"]["count"], &reply["data"]["channel"]),
                (&json!(1), &json!(channel))
            );
            // Its own join may come from another shard behind the list.
            let mut next = client.message();
            if next["event"] == "presence.join" {
                next = client.message();
            }
            assert_eq!(next["correlation_id"], "after");
        }
        for (request, data) in [
            ("presence", json!({"channel": "other"})),
            ("subscribe", json!({"channel": "other:2", "presence": true})),
        ] {
            let ask = json!({"id": "o", "type": "request", "event": request, "data": data});
            let reply = client.ask(&ask);
            assert_eq!(reply["error_code"], "INVALID_REQUEST", "{reply}");
            assert!(reply["error_message"].as_str().unwrap().starts_with("No presence is kept of"));
        }
        let answer = http::get(server.control, "/v1/channels/other/presence");
        assert_eq!(answer.status, 404);
        assert!(answer.body.contains("no_presence"), "{}", answer.body);
        // A pattern is not presence.
        let mut watcher = Client::connect(&server);
        let both = json!({"type": "subscribe", "data": {"pattern": "room:*", "presence": true}});
        assert_eq!(watcher.ask(&both)["error_code"], "INVALID_REQUEST");
        watcher.ask(&json!({"type": "subscribe", "data": {"pattern": "room:*"}}));
        server.publish("room:0", "{}");
        watcher.message();
        assert_eq!(presence(&server, "room:0")["count"], 1);
        server.wait_metric("uringcast_present_connections", "", CHANNELS as f64);
    }
}
