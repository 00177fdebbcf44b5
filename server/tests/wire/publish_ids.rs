//! Messages that clients publish with an id: once, however often they are sent.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use crate::support::Server;
use crate::support::succession::Place;
use crate::support::ws::Client;
use serde_json::{Value, json};

fn publish(client: &mut Client, channel: &str, id: &Value) -> Value {
    let data = json!({"channel": channel, "event": "e", "data": {}, "id": id});
    client.ask(&json!({"type": "request", "event": "publish", "data": data}))
}

#[test]
fn a_client_s_message_with_an_id_is_published_once() {
    for shards in [1, 3] {
        let server = Server::start(&format!("--shards {shards} --anonymous-publish"));
        let [mut first, mut second] = [(); 2].map(|()| Client::connect(&server));
        // Some of them are homed at another shard than their publishers.
        for channel in (0..10).map(|n| format!("room:{n}")) {
            let publish = |client: &mut Client, id| {
                let data = publish(client, &channel, &json!(id))["data"].clone();
                assert_eq!(data["status"], "published", "{data}");
                (data["seq"].as_u64().unwrap(), data["duplicate"] == true)
            };
            assert_eq!(publish(&mut first, "a"), (1, false));
            assert_eq!(publish(&mut first, "a"), (1, true));
            assert_eq!(publish(&mut first, "b"), (2, false));
            assert_eq!(publish(&mut second, "a"), (1, true));
            assert_eq!(publish(&mut second, "c"), (3, false));
        }
    }
}

#[test]
fn an_id_is_known_to_the_process_that_takes_over() {
    let place = Place::new();
    let mut server = place.start("--shards=3 --anonymous-publish");
    let mut client = Client::connect(&server);
    let mut publish_all = |is_repeat: bool| {
        for channel in (0..10).map(|n| format!("room:{n}")) {
            let data = publish(&mut client, &channel, &json!("a"))["data"].clone();
            assert_eq!((&data["seq"], data["duplicate"] == true), (&json!(1), is_repeat), "{data}");
        }
    };
    publish_all(false);
    for shards in [1, 2] {
        server = place.succeed(server, &format!("--shards={shards} --anonymous-publish"));
        publish_all(true);
    }
}

#[test]
fn an_id_that_cannot_be_is_refused() {
    let server = Server::start("--anonymous-publish");
    let mut client = Client::connect(&server);
    for id in [json!(5), json!(""), json!("x".repeat(300)), json!("a\u{7}")] {
        let reply = publish(&mut client, "c", &id);
        assert_eq!(reply["error_code"], "INVALID_REQUEST", "{reply}");
        let body = json!({"channel": "c", "event": "e", "data": {}, "id": id}).to_string();
        let answer = crate::support::http::post(server.control, "/v1/publish", &body);
        assert_eq!(answer.status, 400, "{}", answer.body);
    }
}
