//! A client that sends a bad request: an error that names no internals and repeats no input, and
//! the connection stays. The table in docs/PROTOCOL.md names these tests.

use crate::support::ws::{BINARY, Client, TEXT};
use crate::support::{Server, http};
use serde_json::{Map, Value, json};

const ERRORS: &str = "websocket_message_errors_total";

/// Asserts that a reply is an error and returns its text.
fn refused(reply: &Value, code: &str) -> String {
    assert_eq!((&reply["type"], &reply["error_code"]), (&json!("error"), &json!(code)), "{reply}");
    reply["error_message"].as_str().expect("a text").into()
}

#[test]
fn bad_json_is_a_decode_error() {
    const SECRET: &str = "hunter2";
    let server = Server::start("--message-rate 0");
    let mut client = Client::connect(&server);
    let faults = [
        "".into(),
        SECRET.into(),
        format!("{{\"type\":\"ping\",\"{SECRET}\"}}"),
        format!("{{\"type\":\"ping\"}} {SECRET}"),
        "{\"type\":\"ping\"}{\"type\":\"ping\"}".into(),
        "\u{feff}{\"type\":\"ping\"}".into(),
        format!("[\"{SECRET}\"]"),
        "null".into(),
        "{'type':'ping'}".into(),
        "[".repeat(100_000),
    ];
    for text in &faults {
        client.send(TEXT, text.as_bytes());
        let said = refused(&client.message(), "DECODE_ERROR");
        assert!(!said.contains(SECRET), "it repeats the input: {said}");
    }
    client.send(BINARY, b"\xff\xfe");
    refused(&client.message(), "DECODE_ERROR");
    client.assert_alive();
    server.wait_metric(ERRORS, "decode_error", faults.len() as f64 + 1.0);
}

#[test]
fn a_key_of_the_wrong_type_is_a_decode_error() {
    let server = Server::start("");
    let mut client = Client::connect(&server);
    for message in [
        json!({}),
        json!({"type": null}),
        json!({"type": 1}),
        json!({"type": "Ping"}),
        json!({"type": "invalid"}),
        json!({"type": "ping", "id": 7}),
        json!({"type": "ping", "data": null}),
        json!({"type": "ping", "data": ["channel"]}),
        json!({"type": "ping", "event": {}}),
        json!({"type": "ping", "room": 5}),
    ] {
        refused(&client.ask(&message), "DECODE_ERROR");
    }
    client.assert_alive();
}

#[test]
fn unknown_fields_are_ignored() {
    let server = Server::start("");
    let mut client = Client::connect(&server);
    let reply = client.ask(&json!({
        "type": "request", "event": "subscribe", "id": "1", "version": 9, "trace": {"a": [1]},
        "data": {"channel": "global", "priority": "high"}, "timestamp": 12,
    }));
    assert_eq!((&reply["type"], &reply["correlation_id"]), (&json!("response"), &json!("1")));
}

#[test]
fn an_unknown_request_is_named_and_refused() {
    let server = Server::start("");
    let mut client = Client::connect(&server);
    let ask = |event: &Value| json!({"type": "request", "event": event, "data": {}});
    let said = refused(&client.ask(&ask(&json!("dance"))), "UNKNOWN_REQUEST");
    assert_eq!(said, "Unknown request event: dance");
    refused(&client.ask(&ask(&Value::Null)), "UNKNOWN_REQUEST");
    refused(&client.ask(&json!({"type": "event", "event": "dance"})), "UNKNOWN_REQUEST");
    server.wait_metric(ERRORS, "unknown_request", 3.0);
}

#[test]
fn an_impossible_channel_is_refused() {
    let server = Server::start("");
    let mut client = Client::connect(&server);
    let names =
        [json!(null), json!(""), json!(7), json!("a\nb"), json!("x".repeat(201)), json!(["a"])];
    for name in &names {
        let message = json!({"type": "subscribe", "data": {"channel": name}});
        refused(&client.ask(&message), "INVALID_CHANNEL");
    }
    client.subscribe(&"x".repeat(200));
    server.wait_metric(ERRORS, "invalid_channel", names.len() as f64);
}

#[test]
fn too_many_channels_in_one_request_are_refused() {
    let server = Server::start("");
    let mut client = Client::connect(&server);
    let names: Vec<_> = (0..101).map(|n| format!("pool:{n}")).collect();
    let reply = client.ask(&json!({"type": "subscribe", "data": {"channels": names}}));
    refused(&reply, "LIMIT_EXCEEDED");
    server.wait_metric(ERRORS, "limit", 1.0);
}

fn pattern(data: &Value) -> Value {
    json!({"type": "subscribe", "data": data})
}

#[test]
fn a_pattern_that_is_no_pattern_is_refused() {
    let server = Server::start("");
    let mut client = Client::connect(&server);
    for text in [json!("workflow"), json!("a?*"), json!(""), json!(7), json!(["a:*"])] {
        refused(&client.ask(&pattern(&json!({ "pattern": text }))), "INVALID_CHANNEL");
    }
    refused(&client.ask(&pattern(&json!({"pattern": "*"}))), "FORBIDDEN");
    client.assert_alive();
}

#[test]
fn a_pattern_beside_channels_is_refused() {
    let server = Server::start("");
    let mut client = Client::connect(&server);
    for beside in ["channel", "channels", "room", "since"] {
        let data = json!({"pattern": "a:*", beside: "a:1"});
        refused(&client.ask(&pattern(&data)), "INVALID_REQUEST");
    }
}

#[test]
fn one_pattern_too_many_is_refused() {
    let server = Server::start("");
    let mut client = Client::connect(&server);
    for n in 0..16 {
        let reply = client.ask(&pattern(&json!({"pattern": format!("p{n}:*")})));
        assert_eq!(reply["data"]["status"], "subscribed", "{reply}");
    }
    let text = refused(&client.ask(&pattern(&json!({"pattern": "one:*"}))), "LIMIT_EXCEEDED");
    assert_eq!(text, "A connection may have 16 patterns");
    // One that it has is confirmed again.
    let reply = client.ask(&pattern(&json!({"pattern": "p3:*"})));
    assert_eq!(reply["data"]["status"], "subscribed", "{reply}");
}

#[test]
fn publishing_needs_the_operators_permission() {
    let server = Server::start("");
    let mut client = Client::connect(&server);
    let data = json!({"channel": "global", "event": "e", "data": {}});
    let publish = json!({"type": "request", "event": "publish", "data": data});
    refused(&client.ask(&publish), "FORBIDDEN");
    client.assert_alive();
    server.wait_metric(ERRORS, "forbidden", 1.0);
}

#[test]
fn a_malformed_publish_is_refused() {
    let server = Server::start("--anonymous-publish");
    let mut client = Client::connect(&server);
    for (data, code) in [
        (json!({"event": "e", "data": {}}), "INVALID_CHANNEL"),
        (json!({"channel": "c", "data": {}}), "INVALID_REQUEST"),
        (json!({"channel": "c", "event": "e"}), "INVALID_REQUEST"),
        (json!({"channel": "c", "event": "e", "data": []}), "INVALID_REQUEST"),
        (json!({"channel": "c", "event": "", "data": {}}), "INVALID_REQUEST"),
    ] {
        let publish = json!({"type": "request", "event": "publish", "data": data});
        refused(&client.ask(&publish), code);
    }
}

/// Stock parsers recurse, and Python's refuses long integers.
#[test]
fn what_clients_parsers_do_not_take_is_refused_on_every_way_in() {
    let server = Server::start("--anonymous-publish --preset=mahavishnu --max-json-depth=200");
    let deep = |depth: usize| format!("{}{}", "[".repeat(depth - 1), "]".repeat(depth - 1));
    let long = |digits: usize| "1".repeat(digits);
    let mut client = Client::connect(&server);
    for (value, good, words) in [
        (deep(200), true, ""),
        (long(1_000), true, ""),
        (deep(201), false, "more than 200 levels deep (max_json_depth)"),
        (long(1_001), false, "a number of more than 1000 characters"),
    ] {
        let data = format!(r#"{{"status":"s","x":{value}}}"#);
        let message = format!(r#"{{"channel":"c","event":"e","data":{data}}}"#);
        let request = format!(r#"{{"type":"request","event":"publish","data":{message}}}"#);
        client.send(TEXT, request.as_bytes());
        let reply = client.message();
        assert_eq!(reply["error_code"] == "LIMIT_EXCEEDED", !good, "{reply}");
        assert!(reply.to_string().contains(words), "{reply}");
        for (what, body) in [
            ("POST /v1/publish", message.clone()),
            ("POST /v1/publish", format!("[{message}]")),
            ("POST /v1/publish/raw?channel=c&event=e", data.clone()),
            ("PUT /v1/channels/pool:p1/status", data.clone()),
        ] {
            let answer = http::send(server.control, what, "", &body);
            assert_eq!(answer.status < 300, good, "{what} {}", answer.body);
            assert!(answer.body.contains(words), "{what} {}", answer.body);
        }
        let lines = "Content-Type: application/x-ndjson\r\n";
        let answer = http::send(server.control, "POST /v1/publish", lines, &message);
        assert_eq!(answer.status, if good { 202 } else { 400 }, "{}", answer.body);
    }
}

#[test]
fn an_event_of_the_server_s_own_is_refused_on_every_way_in() {
    let server = Server::start("--anonymous-publish");
    let mut client = Client::connect(&server);
    for event in ["gap", "session.created", "presence.joined"] {
        let data = json!({"channel": "c", "event": event, "data": {}});
        let publish = json!({"type": "request", "event": "publish", "data": data});
        refused(&client.ask(&publish), "INVALID_REQUEST");
        let query = format!("/v1/publish/raw?channel=c&event={event}");
        let body = format!(r#"{{"channel":"c","event":"{event}"}}"#);
        for (path, body) in [("/v1/publish", &*body), (&*query, "{}")] {
            let answer = crate::support::http::post(server.control, path, body);
            assert_eq!(answer.status, 400, "{}", answer.body);
            assert!(answer.body.contains("one of the server's own"), "{}", answer.body);
        }
    }
    for event in ["gaps", "session", "sessions.created", "a.session.b"] {
        let data = json!({"channel": "c", "event": event, "data": {}});
        let publish = json!({"type": "request", "event": "publish", "data": data});
        let reply = client.ask(&publish);
        assert_eq!(reply["data"]["status"], "published", "{reply}");
        assert_eq!(reply["data"]["epoch"].as_str().map(str::len), Some(16), "{reply}");
    }
}

#[test]
fn a_malformed_since_is_refused() {
    let server = Server::start("");
    let mut client = Client::connect(&server);
    for since in [json!(5), json!({"epoch": "x"}), json!({"epoch": 1, "seq": 1})] {
        let data = json!({"channel": "global", "since": since});
        refused(&client.ask(&json!({"type": "subscribe", "data": data})), "INVALID_REQUEST");
    }
    let at = json!({"epoch": "x", "seq": 1});
    for since in [json!(5), at.clone(), json!({"global": 1}), json!({"other": at})] {
        let data = json!({"channels": ["global"], "since": since});
        refused(&client.ask(&json!({"type": "subscribe", "data": data})), "INVALID_REQUEST");
    }
    client.assert_alive();
}

#[test]
fn what_says_wrongly_how_to_begin_is_refused() {
    let server = Server::start("");
    let mut client = Client::connect(&server);
    for (name, value) in [
        ("last", json!(-1)),
        ("last", json!("7")),
        ("all_or_nothing", json!(1)),
        ("replay", json!("all")),
    ] {
        let data = json!({"channel": "global", name: value});
        refused(&client.ask(&json!({"type": "subscribe", "data": data})), "INVALID_REQUEST");
    }
    client.assert_alive();
}

#[test]
fn too_many_positions_in_one_request_are_refused() {
    let server = Server::start("");
    let mut client = Client::connect(&server);
    let at = json!({"epoch": "x", "seq": 1});
    let since: Map<String, Value> = (0..101).map(|n| (format!("pool:{n}"), at.clone())).collect();
    let data = json!({"channels": ["pool:1"], "since": since});
    refused(&client.ask(&json!({"type": "subscribe", "data": data})), "LIMIT_EXCEEDED");
    client.assert_alive();
}

#[test]
fn a_state_of_more_than_one_channel_is_refused() {
    let server = Server::start("");
    let mut client = Client::connect(&server);
    for data in [
        json!({"channels": ["a", "b"], "state": true}),
        json!({"pattern": "a:*", "state": true}),
        json!({"channel": "a", "state": "yes"}),
    ] {
        refused(&client.ask(&json!({"type": "subscribe", "data": data})), "INVALID_REQUEST");
    }
}

#[test]
fn a_range_of_history_that_cannot_be_is_refused() {
    let server = Server::start("");
    let mut client = Client::connect(&server);
    for (key, value) in
        [("since", json!(5)), ("limit", json!(0)), ("limit", json!(1_001)), ("reverse", json!(1))]
    {
        let data = json!({"channel": "global", key: value});
        let asked = json!({"type": "request", "event": "history", "data": data});
        refused(&client.ask(&asked), "INVALID_REQUEST");
    }
}

#[test]
fn a_client_over_its_rate_is_told_when_to_retry_and_kept() {
    let server = Server::start("--message-rate 10");
    let mut client = Client::connect(&server);
    let ping = json!({"type": "ping", "id": "p"});
    // A burst of 15 is allowed, then 10 a second: of 40 sent at once some must be too many.
    for _ in 0..40 {
        client.say(&ping);
    }
    let replies: Vec<Value> = (0..40).map(|_| client.message()).collect();
    assert!(replies[..15].iter().all(|reply| reply["type"] == "pong"), "the burst is allowed");
    let over = replies.iter().find(|reply| reply["type"] != "pong").expect("some are too many");
    let said = refused(over, "RATE_LIMIT_EXCEEDED");
    let seconds = said
        .strip_prefix("Message rate limit exceeded. Retry after ")
        .and_then(|rest| rest.strip_suffix(" seconds."))
        .unwrap_or_else(|| panic!("{said}"));
    assert!(seconds.parse::<f64>().expect("a number") > 0.0, "{said}");
    server.wait_metric(ERRORS, "rate_limited", 1.0);
    crate::support::until("the client may send again", || {
        (client.ask(&ping)["type"] == "pong").then_some(())
    });
}
