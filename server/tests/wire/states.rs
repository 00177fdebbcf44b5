//! State documents: what a channel's messages have come to, and what came after.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::process::Command;

use crate::support::ws::Client;
use crate::support::{Server, http};
use serde_json::{Value, json};

fn send(server: &Server, method: &str, channel: &str, body: &Value) -> (u16, Value) {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let answer =
        http::send(server.control, &format!("{method} /v1/channels/{channel}/state"), "", &body);
    (answer.status, serde_json::from_str(&answer.body).unwrap_or_default())
}

fn epoch(server: &Server) -> String {
    let page = http::get(server.control, "/v1/channels/any/history").body;
    let page: Value = serde_json::from_str(&page).unwrap();
    page["epoch"].as_str().unwrap().to_owned()
}

fn state(epoch: &str, seq: u64, state: &Value) -> Value {
    json!({"state": state, "as_of": {"epoch": epoch, "seq": seq}})
}

#[test]
fn a_state_is_put_read_replaced_and_taken_back() {
    for shards in [1, 2] {
        let server = Server::start(&format!("--shards={shards}"));
        let epoch = epoch(&server);
        for channel in ["a", "b", "c"] {
            assert_eq!(send(&server, "GET", channel, &Value::Null).0, 404);
            (0..3).for_each(|n| _ = server.publish(channel, &format!("{{\"n\":{n}}}")));
            let two = state(&epoch, 2, &json!({"n": 1, "odd": "ä"}));
            assert_eq!(send(&server, "PUT", channel, &two).0, 204);
            assert_eq!(send(&server, "GET", channel, &Value::Null), (200, two.clone()));
            for (refused, says) in [
                (state("00000000000000aa", 2, &json!({})), "another epoch"),
                (state(&epoch, 4, &json!({})), "the channel's newest message is 3"),
                (state(&epoch, 1, &json!({})), "which is as of 2"),
            ] {
                let (status, answer) = send(&server, "PUT", channel, &refused);
                assert_eq!((status, &answer["error"]["code"]), (409, &json!("state_position")));
                assert!(answer["error"]["message"].as_str().unwrap().contains(says), "{answer}");
            }
            assert_eq!(send(&server, "GET", channel, &Value::Null), (200, two));
            assert_eq!(send(&server, "PUT", channel, &state(&epoch, 3, &json!({}))).0, 204);
            let channels = format!("/v1/channels/{channel}");
            let shown = || -> Value {
                serde_json::from_str(&http::get(server.control, &channels).body).unwrap()
            };
            assert_eq!(shown()["state"], json!({"seq": 3, "bytes": 2}));
            assert_eq!(send(&server, "DELETE", channel, &Value::Null).0, 204);
            assert_eq!(shown()["state"], Value::Null);
            assert_eq!(send(&server, "DELETE", channel, &Value::Null).0, 404);
        }
        let text = "x".repeat(64 << 10);
        assert_eq!(send(&server, "PUT", "a", &state(&epoch, 3, &json!({"x": text}))).0, 413);
        for bad in [
            json!({}),
            json!({"state": {}}),
            json!({"state": {}, "as_of": {"epoch": epoch}}),
            json!({"state": {}, "as_of": {"epoch": "7", "seq": 1}}),
            json!({"state": {}, "as_of": {"epoch": epoch, "seq": -1}}),
            json!({"state": {}, "as_of": {"epoch": epoch, "seq": 1}, "more": 1}),
            json!({"state": [], "as_of": {"epoch": epoch, "seq": 1}}),
        ] {
            assert_eq!(send(&server, "PUT", "a", &bad).0, 400, "{bad}");
        }
        let mut float = state(&epoch, 3, &json!({}));
        float["as_of"]["seq"] = json!(3.0);
        assert_eq!(send(&server, "PUT", "a", &float).0, 204, "3.0 is a whole number");
        float["as_of"]["seq"] = json!(2.5);
        assert_eq!(send(&server, "PUT", "a", &float).0, 400);
        let large = state(&epoch, 3, &json!({"x": "x".repeat(5_000)}));
        assert_eq!(send(&server, "PUT", "a", &large).0, 204);
        server.wait_metric("uringcast_state_bytes", "", 5_000.0);
    }
}

fn subscribe(client: &mut Client, channel: &str, since: &Value) -> Value {
    let data = json!({"channel": channel, "state": true, "since": since});
    client.ask(&json!({"id": "s", "type": "subscribe", "data": data}))["data"].clone()
}

/// What the next messages of a client are.
fn next(client: &mut Client, channel: &str, messages: usize) -> Vec<u64> {
    let one = |_| {
        let message = client.message();
        assert_eq!(message["room"], channel, "{message}");
        message["seq"].as_u64().unwrap()
    };
    (0..messages).map(one).collect()
}

#[test]
fn a_subscriber_gets_the_state_and_then_exactly_what_came_after_it() {
    for shards in [1, 2] {
        let server = Server::start(&format!("--shards={shards} --message-rate=0"));
        let epoch = epoch(&server);
        // Of two shards each is home of some of them.
        for channel in ["a", "b", "c", "d", "e"] {
            let mut client = Client::connect(&server);
            assert_eq!(subscribe(&mut client, channel, &Value::Null)["state"], Value::Null);
            (0..5).for_each(|_| _ = server.publish(channel, "{}"));
            assert_eq!(next(&mut client, channel, 5), [1, 2, 3, 4, 5]);
            let document = json!({"levels": {"101.5": 7}});
            assert_eq!(send(&server, "PUT", channel, &state(&epoch, 3, &document)).0, 204);
            // One that has the channel begins anew; one that comes begins there as well.
            for _ in 0..2 {
                let told = subscribe(&mut client, channel, &Value::Null);
                assert_eq!((&told["state"], &told["recovered"]), (&document, &json!(true)));
                assert_eq!(told["as_of"], json!({"epoch": epoch, "seq": 3}), "{told}");
                assert_eq!((next(&mut client, channel, 2), &told["seq"]), (vec![4, 5], &json!(5)));
                client = Client::connect(&server);
            }
            let at = |seq: u64| json!({"epoch": epoch, "seq": seq});
            let told = subscribe(&mut client, channel, &at(2));
            assert_eq!((&told["state"], next(&mut client, channel, 2)), (&document, vec![4, 5]));
            let told = subscribe(&mut client, channel, &at(4));
            assert_eq!((told.get("state"), &told["recovered"]), (None, &json!(true)), "{told}");
            assert_eq!(next(&mut client, channel, 1), [5]);
            server.publish(channel, "{}");
            assert_eq!(next(&mut client, channel, 1), [6], "{shards} shards: live follows");
        }
    }
}

#[test]
fn a_state_whose_position_the_log_no_longer_reaches_is_left_out() {
    for shards in [1, 2] {
        let server = Server::start(&format!("--shards={shards} --log-frames=2"));
        let epoch = epoch(&server);
        for channel in ["a", "b", "c"] {
            server.publish(channel, "{}");
            assert_eq!(send(&server, "PUT", channel, &state(&epoch, 1, &json!({}))).0, 204);
            (0..4).for_each(|_| _ = server.publish(channel, "{}"));
            let mut client = Client::connect(&server);
            let told = subscribe(&mut client, channel, &Value::Null);
            let why = (told.get("state"), told.get("as_of"), &told["recovered"], &told["reason"]);
            assert_eq!(why, (None, None, &json!(false), &json!("retention")), "{told}");
            assert_eq!(send(&server, "PUT", channel, &state(&epoch, 3, &json!({}))).0, 204);
            assert_eq!(subscribe(&mut client, channel, &Value::Null)["state"], json!({}));
            assert_eq!(next(&mut client, channel, 2), [4, 5]);
        }
    }
}

#[test]
fn sub_prints_the_state_and_then_the_messages_after_it() {
    let server = Server::start("");
    let epoch = epoch(&server);
    (0..5).for_each(|n| _ = server.publish("a", &format!("{{\"n\":{n}}}")));
    let url = format!("ws://{}", server.clients[0]);
    assert_eq!(send(&server, "PUT", "a", &state(&epoch, 3, &json!({"sum": 3}))).0, 204);
    let sub = |flags: &[&str]| {
        let mut command = Command::new(crate::support::PROGRAM);
        let output = command.args(["sub", &url, "a", "--count=2"]).args(flags).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        crate::support::text(&*output.stdout)
    };
    assert_eq!(sub(&["--state", "--raw"]), "{\"sum\":3}\n{\"n\":3}\n{\"n\":4}\n");
    let lines: Vec<Value> =
        sub(&["--state"]).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let first = json!({"room": "a", "state": {"sum": 3}, "as_of": {"epoch": epoch, "seq": 3}});
    assert_eq!(lines[0], first);
    assert_eq!((&lines[1]["seq"], &lines[2]["seq"]), (&json!(4), &json!(5)));
}
