//! Subscriptions to all channels whose names begin alike.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use crate::support::Server;
use crate::support::ws::Client;
use serde_json::{Value, json};

const SHARDS: [usize; 2] = [1, 2];
/// Channels of one test, so that each shard is home of some.
const CHANNELS: usize = 30;

fn pattern(client: &mut Client, kind: &str, pattern: &str) -> Value {
    client.ask(&json!({"id": "p", "type": kind, "data": {"pattern": pattern}}))
}

fn subscribe(client: &mut Client, text: &str) -> Value {
    let reply = pattern(client, "subscribe", text);
    assert_eq!(reply["data"]["status"], "subscribed", "{reply}");
    assert_eq!((&reply["data"]["pattern"], &reply["correlation_id"]), (&json!(text), &json!("p")));
    reply["data"]["channels"].clone()
}

/// The positions of so many events, by channel in order of arrival.
fn events(client: &mut Client, count: usize) -> Vec<(String, u64)> {
    let event = |_| {
        let message = client.message();
        (message["room"].as_str().unwrap().to_owned(), message["seq"].as_u64().unwrap())
    };
    (0..count).map(event).collect()
}

#[test]
fn everything_that_is_published_after_the_confirmation_comes() {
    for shards in SHARDS {
        let server = Server::start(&format!("--shards {shards}"));
        // Some channels are there before.
        for n in 0..CHANNELS / 2 {
            server.publish(&format!("workflow:{n}"), "{}");
        }
        let mut clients: Vec<Client> = (0..4).map(|_| Client::connect(&server)).collect();
        clients[0].subscribe("workflow:1");
        for (client, have) in clients.iter_mut().zip([1, 0, 0, 0]) {
            assert_eq!(subscribe(client, "workflow:*"), have);
        }
        for round in 0..3 {
            for n in 0..CHANNELS {
                server.publish(&format!("workflow:{n}"), "{}");
                server.publish(&format!("other:{n}"), "{}");
            }
            for client in &mut clients {
                let mut seen = events(client, CHANNELS);
                seen.sort_unstable();
                let position = |n: usize| round + 1 + u64::from(n < CHANNELS / 2);
                let mut all: Vec<_> =
                    (0..CHANNELS).map(|n| (format!("workflow:{n}"), position(n))).collect();
                all.sort_unstable();
                assert_eq!(seen, all, "{shards} shards");
            }
        }
        clients.iter_mut().for_each(Client::assert_alive);
        server.wait_metric("uringcast_patterns", "", 4.0);
    }
}

#[test]
fn what_is_had_by_name_too_comes_once_and_stays() {
    for shards in SHARDS {
        let server = Server::start(&format!("--shards {shards}"));
        let mut client = Client::connect(&server);
        subscribe(&mut client, "room:*");
        subscribe(&mut client, "room:1*");
        for n in 0..CHANNELS {
            server.publish(&format!("room:{n}"), "{}");
        }
        events(&mut client, CHANNELS);
        // By name as well, where the client stands.
        let confirmed = client.subscribe("room:3");
        assert_eq!(confirmed["seq"], 1);
        client.subscribe("room:100");
        let left = pattern(&mut client, "unsubscribe", "room:*");
        assert_eq!(left["data"], json!({"status": "unsubscribed", "pattern": "room:*"}));
        for n in 0..CHANNELS {
            server.publish(&format!("room:{n}"), "{}");
        }
        server.publish("room:100", "{}");
        // By name, and by the other pattern.
        let mut seen = events(&mut client, 13);
        seen.sort_unstable();
        let kept = |n: &usize| *n == 3 || n.to_string().starts_with('1');
        let mut expected: Vec<_> =
            (0..CHANNELS).filter(kept).map(|n| (format!("room:{n}"), 2)).collect();
        expected.push(("room:100".into(), 1));
        expected.sort_unstable();
        assert_eq!(seen, expected, "{shards} shards");
        // Left by name, a channel of a pattern still comes.
        let left = client.ask(&json!({"type": "unsubscribe", "data": {"channel": "room:100"}}));
        assert_eq!(left["data"]["status"], "unsubscribed");
        let left = client.ask(&json!({"type": "unsubscribe", "data": {"channel": "room:3"}}));
        assert_eq!(left["data"]["status"], "unsubscribed");
        server.publish("room:3", "{}");
        server.publish("room:100", "{}");
        assert_eq!(events(&mut client, 1), [("room:100".into(), 2)]);
        client.assert_alive();
    }
}

#[test]
fn a_channel_for_which_there_is_no_room_is_told() {
    for shards in SHARDS {
        let server = Server::start(&format!("--shards {shards} --max-subscriptions 3"));
        let mut client = Client::connect(&server);
        subscribe(&mut client, "room:*");
        for n in 0..4 {
            server.publish(&format!("room:{n}"), "{}");
            let message = client.message();
            if n < 3 {
                assert_eq!(message["room"], format!("room:{n}"), "{message}");
                continue;
            }
            assert_eq!(message["error_code"], "LIMIT_EXCEEDED", "{message}");
            assert_eq!(message["data"], json!({"pattern": "room:*", "channel": "room:3"}));
        }
        server.wait_metric("uringcast_pattern_misses_total", "", 1.0);
        // With room for it, and asked for anew, it comes.
        pattern(&mut client, "unsubscribe", "room:*");
        subscribe(&mut client, "room:*");
        server.publish("room:3", "{}");
        assert_eq!(client.message()["room"], "room:3");
    }
}
