//! Clients that go on where they left off, over real sockets.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use crate::support::Server;
use crate::support::ws::Client;
use serde_json::{Map, Value, json};

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

/// A server whose logs keep three messages.
fn short(shards: usize) -> Server {
    Server::start(&format!("--shards {shards} --log-frames 3"))
}

#[test]
fn what_is_gone_is_told_and_the_rest_follows() {
    for shards in SHARDS {
        let server = short(shards);
        let mut positions = Map::new();
        for n in 0..CHANNELS {
            server.publish(&channel(n), "{}");
            let mut client = Client::connect(&server);
            let told = client.subscribe(&channel(n));
            positions.insert(channel(n), told);
        }
        (0..6).for_each(|_| publish_to_all(&server));
        for (name, since) in &positions {
            let mut client = Client::connect(&server);
            let told = subscribe(&mut client, &json!({"channel": name, "since": since}));
            assert_eq!((&told["recovered"], &told["partial"]), (&json!(false), &json!(true)));
            assert_eq!((&told["reason"], &told["oldest"]), (&json!("retention"), &json!(5)));
            let gap = client.message();
            assert_eq!((&gap["event"], &gap["room"]), (&json!("gap"), &json!(name)), "{gap}");
            let gap = &gap["data"];
            assert_eq!((&gap["from_seq"], &gap["to_seq"]), (&json!(2), &json!(4)), "{gap}");
            let rest = [5, 6, 7].map(|seq| (name.clone(), seq));
            assert_eq!(events(&mut client, 3), rest, "{shards} shards");
            // All or nothing: a new subscription begins live, one that is there goes on.
            let data = json!({"channel": name, "since": since, "all_or_nothing": true});
            for client in [&mut client, &mut Client::connect(&server)] {
                let told = subscribe(client, &data);
                assert_eq!((&told["recovered"], told.get("partial")), (&json!(false), None));
                client.assert_alive();
            }
        }
    }
}

#[test]
fn after_a_restart_what_is_new_follows() {
    for shards in SHARDS {
        let server = filled(shards, 2);
        let mut client = Client::connect(&server);
        let since = json!({"epoch": "0123456789abcdef", "seq": 100});
        for n in 0..CHANNELS {
            let data = json!({"channel": channel(n), "since": since});
            let told = subscribe(&mut client, &data);
            assert_eq!((&told["reason"], &told["partial"]), (&json!("restart"), &json!(true)));
            assert_eq!(events(&mut client, 2), [1, 2].map(|seq| (channel(n), seq)));
        }
        let told = subscribe(&mut client, &json!({"channel": "empty", "since": since}));
        assert_eq!((&told["reason"], told.get("partial")), (&json!("restart"), None));
    }
}

#[test]
fn a_newcomer_begins_with_as_many_messages_as_it_wants() {
    for shards in SHARDS {
        let server = filled(shards, 6);
        for last in [1, 4, 100] {
            let mut client = Client::connect(&server);
            let mut told = subscribe(&mut client, &json!({"channel": channel(1), "last": last}));
            assert_eq!((&told["seq"], told.get("recovered")), (&json!(6), None), "{told}");
            let first = 7 - last.min(6);
            let of = |n: usize, first: u64| (first..=6).map(move |seq| (channel(n), seq));
            let count = 7 - first;
            assert_eq!(events(&mut client, count as usize), of(1, first).collect::<Vec<_>>());
            // Of a list, those without a position.
            told["seq"] = 5.into();
            let since = json!({channel(1): told});
            let all = [channel(1), channel(2), channel(3)];
            let data = json!({"channels": all, "since": since, "last": last});
            subscribe(&mut client, &data);
            let mut seen = events(&mut client, 1 + 2 * count as usize);
            seen.sort();
            let expected = of(1, 6).chain(of(2, first)).chain(of(3, first));
            assert_eq!(seen, expected.collect::<Vec<_>>(), "{shards} shards");
        }
    }
}

/// Publishes in `feed` a message of this key, or of none.
fn publish_key(server: &Server, key: &str) {
    let mut message = json!({"channel": "feed", "event": "e"});
    if !key.is_empty() {
        message["key"] = key.into();
    }
    let answer = crate::support::http::post(server.control, "/v1/publish", &message.to_string());
    assert_eq!(answer.status, 202, "{}", answer.body);
}

#[test]
fn a_newcomer_may_begin_with_the_newest_message_of_each_key() {
    // Of a class with `latest`, beyond its log; of another one, in it.
    for (class, expected) in [
        ("feed slow=latest,log-frames=3", vec![(1, "a"), (5, "b"), (7, ""), (8, "c"), (9, "d")]),
        ("feed log-frames=3", vec![(7, ""), (8, "c"), (9, "d")]),
    ] {
        for shards in SHARDS {
            let settings = format!("--shards {shards}");
            let server = Server::start_in(&settings, &[("URINGCAST_CLASS", class)]);
            for key in ["a", "b", "b", "b", "b", "d", "", "c", "d"] {
                publish_key(&server, key);
            }
            // One at least is no client of the channel's home.
            for _ in 0..6 {
                let mut client = Client::connect(&server);
                let told = subscribe(&mut client, &json!({"channel": "feed", "replay": "latest"}));
                assert_eq!((&told["seq"], told.get("recovered")), (&json!(9), None), "{told}");
                let mut next = expected[0].0;
                let mut seen = Vec::new();
                while next <= 9 {
                    let message = client.message();
                    if message["event"] == "gap" {
                        let data = &message["data"];
                        assert_eq!(data["from_seq"], next, "{message}");
                        assert_eq!(data["reason"], "conflated", "{message}");
                        next = data["to_seq"].as_u64().unwrap() + 1;
                    } else {
                        assert_eq!(message["seq"], next, "{message}");
                        seen.push((next, message["key"].as_str().unwrap_or("").to_owned()));
                        next += 1;
                    }
                }
                let expected: Vec<_> =
                    expected.iter().map(|(seq, key)| (*seq, (*key).to_owned())).collect();
                assert_eq!(seen, expected, "{class}, {shards} shards");
                client.assert_alive();
            }
        }
    }
}
