//! Clients that go on where they left off, over real sockets.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use serde_json::{Map, Value, json};
use support::Server;
use support::ws::Client;

const SHARDS: [usize; 2] = [1, 2];
/// Channels of one test, so that each shard is home of some.
const CHANNELS: usize = 20;

fn channel(n: usize) -> String {
    format!("room:{n}")
}

/// Subscribes with this `data`, and returns the confirmation's.
fn subscribe(client: &mut Client, data: &Value) -> Value {
    client.say(&json!({"id": "s", "type": "subscribe", "data": data}));
    let reply = client.message();
    assert_eq!((&reply["correlation_id"], &reply["type"]), (&json!("s"), &json!("response")));
    assert_eq!(reply["data"]["status"], "subscribed", "{reply}");
    reply["data"].clone()
}

/// The channels and positions of so many events.
fn events(client: &mut Client, count: usize) -> Vec<(String, u64)> {
    let event = |_| {
        let message = client.message();
        let seq = message["seq"].as_u64();
        let seq = seq.unwrap_or_else(|| panic!("no event: {message}"));
        (message["room"].as_str().unwrap().to_owned(), seq)
    };
    (0..count).map(event).collect()
}

/// Publishes a message in each channel.
fn publish_to_all(server: &Server) {
    for n in 0..CHANNELS {
        server.publish(&channel(n), "{}");
    }
}

/// A server with so many messages in each channel.
fn filled(shards: usize, messages: usize) -> Server {
    let server = Server::start(&format!("--shards {shards}"));
    (0..messages).for_each(|_| publish_to_all(&server));
    server
}

#[test]
fn many_channels_go_on_where_they_were_with_one_request() {
    for shards in SHARDS {
        let server = filled(shards, 5);
        let mut client = Client::connect(&server);
        let all: Vec<_> = (0..CHANNELS).map(channel).collect();
        let told = subscribe(&mut client, &json!({"channels": all}));
        let positions = told["positions"].as_object().unwrap().clone();
        assert_eq!(positions.len(), CHANNELS);
        for (name, told) in &positions {
            assert_eq!((&told["seq"], &told["oldest"]), (&json!(5), &json!(1)), "{name}: {told}");
        }
        drop(client);
        publish_to_all(&server);
        // What a confirmation says is a position to come back with; some are older, some newer.
        let mut since = Map::new();
        for (n, (name, told)) in positions.iter().enumerate() {
            let mut told = told.clone();
            told["seq"] = [5, 3, 0, 6][n % 4].into();
            since.insert(name.clone(), told);
        }
        let mut client = Client::connect(&server);
        let told = subscribe(&mut client, &json!({"channels": all, "since": since}));
        for told in told["positions"].as_object().unwrap().values() {
            assert_eq!((&told["recovered"], &told["seq"]), (&json!(true), &json!(6)), "{told}");
        }
        let from = |since: &Value| since["seq"].as_u64().unwrap() + 1;
        let mut expected: Vec<_> = since
            .iter()
            .flat_map(|(name, since)| (from(since)..=6).map(|seq| (name.clone(), seq)))
            .collect();
        let mut seen = events(&mut client, expected.len());
        // Channels one after the other as they come, each in its order.
        seen.sort_by(|(a, _), (b, _)| a.cmp(b));
        expected.sort();
        assert_eq!(seen, expected, "{shards} shards");
        // And live behind that.
        server.publish(&channel(0), "{}");
        assert_eq!(events(&mut client, 1), [(channel(0), 7)]);
    }
}

#[test]
fn a_subscriber_may_ask_again_from_an_earlier_position() {
    for shards in SHARDS {
        let server = filled(shards, 4);
        let mut client = Client::connect(&server);
        for n in 0..CHANNELS {
            let name = channel(n);
            let told = client.subscribe(&name);
            let mut since = json!({"epoch": told["epoch"], "seq": 1});
            let told = subscribe(&mut client, &json!({"channel": name, "since": since}));
            assert_eq!((&told["recovered"], &told["seq"]), (&json!(true), &json!(4)), "{told}");
            let again = [2, 3, 4].map(|seq| (name.clone(), seq));
            assert_eq!(events(&mut client, 3), again, "{shards} shards");
            // Where there is nothing to go back to, the subscription stays as it was.
            since["seq"] = 100.into();
            let told = subscribe(&mut client, &json!({"channel": name, "since": since}));
            let refused = (&told["recovered"], &told["reason"], &told["seq"]);
            assert_eq!(refused, (&json!(false), &json!("ahead"), &json!(4)));
            server.publish(&name, "{}");
            assert_eq!(events(&mut client, 1), [(name, 5)]);
        }
    }
}

#[test]
fn a_pattern_is_confirmed_with_the_epoch_of_positions() {
    for shards in SHARDS {
        let server = filled(shards, 1);
        let mut client = Client::connect(&server);
        let told = subscribe(&mut client, &json!({"pattern": "room:*"}));
        server.publish(&channel(3), "{}");
        assert_eq!(events(&mut client, 1), [(channel(3), 2)]);
        // From the first message of a pattern on there is a position to come back with.
        let since = json!({"epoch": told["epoch"], "seq": 1});
        let mut other = Client::connect(&server);
        let told = subscribe(&mut other, &json!({"channel": channel(3), "since": since}));
        assert_eq!(told["recovered"], true, "{told}");
        assert_eq!(events(&mut other, 1), [(channel(3), 2)]);
    }
}
