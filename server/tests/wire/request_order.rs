//! Requests of one client take effect, and are answered, as if each were over before the next
//! began; and what was accepted from others reaches a client before it leaves.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::net::TcpStream;

use crate::support::ws::{CLOSE, Client, FIN, TEXT, frame};
use crate::support::{Server, http};
use serde_json::{Value, json};

const SHARDS: [usize; 3] = [1, 2, 4];
/// Channels of one test, so that each shard is home of some.
const CHANNELS: usize = 30;

fn start(shards: usize) -> Server {
    Server::start(&format!("--shards={shards} --message-rate 0 --anonymous-publish"))
}

fn request(id: &str, event: &str, data: &Value) -> Vec<u8> {
    let message = json!({"id": id, "type": "request", "event": event, "data": data});
    frame(FIN | TEXT, message.to_string().as_bytes())
}

/// What a client is sent up to the answer to `last`: the answers' ids, and the events' values.
fn read_until(client: &mut Client, last: &str) -> Vec<String> {
    let mut seen = Vec::new();
    while seen.last().is_none_or(|id| id != last) {
        let message = client.message();
        assert!(message["error_code"].is_null(), "{message}");
        seen.push(match message["correlation_id"].as_str() {
            Some(id) => id.to_owned(),
            None => format!("event {} {}", message["room"].as_str().unwrap(), message["data"]["n"]),
        });
    }
    seen
}

#[test]
fn pipelined_requests_take_effect_one_after_another() {
    for shards in SHARDS {
        let server = start(shards);
        let mut client = Client::connect(&server);
        let mut bytes = Vec::new();
        for n in 0..CHANNELS {
            let channel = format!("room:{n}");
            let on = json!({ "channel": channel });
            let publish = |n: usize| json!({"channel": channel, "event": "e", "data": {"n": n}});
            bytes.extend(request(&format!("{n} subscribe"), "subscribe", &on));
            bytes.extend(request(&format!("{n} publish"), "publish", &publish(1)));
            bytes.extend(request(&format!("{n} again"), "publish", &publish(2)));
            bytes.extend(request(&format!("{n} unsubscribe"), "unsubscribe", &on));
        }
        bytes
            .extend(frame(FIN | TEXT, json!({"id": "end", "type": "ping"}).to_string().as_bytes()));
        client.raw(&bytes);
        let seen = read_until(&mut client, "end");
        let answers: Vec<&String> = seen.iter().filter(|id| !id.starts_with("event")).collect();
        let steps = ["subscribe", "publish", "again", "unsubscribe"];
        let expected = (0..CHANNELS).flat_map(|n| steps.map(|step| format!("{n} {step}")));
        let expected: Vec<String> = expected.chain(["end".to_owned()]).collect();
        assert_eq!(answers, expected.iter().collect::<Vec<_>>(), "{shards} shards");
        for n in 0..CHANNELS {
            let place = |what: &str| seen.iter().position(|id| id == what);
            let [subscribed, first, second, unsubscribed] = [
                format!("{n} subscribe"),
                format!("event room:{n} 1"),
                format!("event room:{n} 2"),
                format!("{n} unsubscribe"),
            ]
            .map(|what| place(&what).unwrap_or_else(|| panic!("no {what}, {shards} shards")));
            let ordered = subscribed < first && first < second && second < unsubscribed;
            assert!(ordered, "{n} with {shards} shards: {seen:?}");
        }
    }
}

#[test]
fn publications_to_many_channels_are_answered_in_order() {
    for shards in SHARDS {
        let server = start(shards);
        let mut client = Client::connect(&server);
        let mut bytes = Vec::new();
        for n in 0..CHANNELS {
            let data = json!({"channel": format!("room:{n}"), "event": "e", "data": {}});
            bytes.extend(request(&n.to_string(), "publish", &data));
        }
        client.raw(&bytes);
        let expected: Vec<String> = (0..CHANNELS).map(|n| n.to_string()).collect();
        assert_eq!(read_until(&mut client, expected.last().unwrap()), expected);
    }
}

#[test]
fn requests_before_a_close_frame_take_effect() {
    for shards in SHARDS {
        let server = start(shards);
        let mut listener = Client::connect(&server);
        for n in 0..CHANNELS {
            listener.subscribe(&format!("room:{n}"));
        }
        let mut client = Client::connect(&server);
        let mut bytes = Vec::new();
        for n in 0..CHANNELS {
            let channel = format!("room:{n}");
            bytes.extend(request("s", "subscribe", &json!({ "channel": channel })));
            let data = json!({"channel": channel, "event": "e", "data": {"n": n}});
            bytes.extend(request("p", "publish", &data));
        }
        bytes.extend(frame(FIN | CLOSE, &1000_u16.to_be_bytes()));
        client.raw(&bytes);
        let mut heard: Vec<u64> =
            (0..CHANNELS).map(|_| listener.message()["data"]["n"].as_u64().unwrap()).collect();
        heard.sort_unstable();
        assert!(heard.into_iter().eq(0..CHANNELS as u64), "{shards} shards");
    }
}

/// A way to leave a channel.
#[derive(Clone, Copy, Debug)]
enum Door {
    Request,
    HttpUnsubscribe,
    HttpDisconnect,
}

#[test]
fn what_was_accepted_reaches_a_client_before_it_leaves() {
    for (shards, door) in SHARDS.into_iter().flat_map(|shards| {
        [Door::Request, Door::HttpUnsubscribe, Door::HttpDisconnect].map(|door| (shards, door))
    }) {
        let server = start(shards);
        for round in 0..CHANNELS {
            let channel = format!("room:{round}");
            let mut client = Client::upgrade(TcpStream::connect(server.clients[0]).unwrap());
            let welcome = client.message();
            let connection = welcome["data"]["connection_id"].as_str().unwrap();
            client.subscribe(&channel);
            server.publish(&channel, "{\"n\":1}");
            match door {
                Door::Request => {
                    client.raw(&request("leave", "unsubscribe", &json!({ "channel": channel })));
                }
                Door::HttpUnsubscribe => {
                    let body = json!({"channel": channel, "connection": connection}).to_string();
                    assert_eq!(http::post(server.control, "/v1/unsubscribe", &body).status, 200);
                }
                Door::HttpDisconnect => {
                    let body = json!({ "connection": connection }).to_string();
                    assert_eq!(http::post(server.control, "/v1/disconnect", &body).status, 200);
                }
            }
            let event = client.frame().unwrap();
            assert_eq!(event.first, FIN | TEXT, "{door:?}, {shards} shards, {channel}");
            let event: Value = serde_json::from_slice(&event.payload).unwrap();
            assert_eq!(event["data"]["n"], 1, "{door:?}, {shards} shards: {event}");
        }
    }
}
