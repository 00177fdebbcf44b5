//! What else a service may do over HTTP: disconnect clients, end subscriptions, set a status.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::support::http;
use crate::support::ws::{CLOSE, Client, FIN};
use crate::support::{PATIENCE, Server};
use serde_json::{Value, json};

fn post(server: &Server, path: &str, body: &Value) -> (u16, Value) {
    let answer = http::post(server.control, path, &body.to_string());
    (answer.status, serde_json::from_str(&answer.body).unwrap())
}

fn closed(client: &mut Client) -> (u16, String) {
    let frame = client.frame().unwrap();
    assert_eq!(frame.first, FIN | CLOSE);
    let code = u16::from_be_bytes([frame.payload[0], frame.payload[1]]);
    (code, String::from_utf8(frame.payload[2..].to_vec()).unwrap())
}

/// A client and the id it was welcomed with.
fn connect(server: &Server) -> (Client, String) {
    let mut client = Client::upgrade(TcpStream::connect(server.clients[0]).unwrap());
    let id = client.message()["data"]["connection_id"].as_str().unwrap().to_owned();
    (client, id)
}

#[test]
fn clients_are_sent_away_by_id_and_by_channel() {
    let server = Server::start("--shards=2");
    let (mut one, id) = connect(&server);
    let (mut two, _) = connect(&server);
    let (mut three, _) = connect(&server);
    two.subscribe("room:1");
    three.subscribe("room:2");
    let away = (4005, "Disconnected by the service".to_owned());
    let (status, answer) = post(&server, "/v1/disconnect", &json!({ "connection": id }));
    assert_eq!((status, answer), (200, json!({"disconnected": 1})));
    assert_eq!(closed(&mut one), away);
    let room = json!({"channel": "room:1"});
    assert_eq!(post(&server, "/v1/disconnect", &room).1, json!({"disconnected": 1}));
    assert_eq!(closed(&mut two), away);
    assert_eq!(post(&server, "/v1/disconnect", &room).1, json!({"disconnected": 0}));
    let gone = json!({ "connection": id });
    assert_eq!(post(&server, "/v1/disconnect", &gone).1, json!({"disconnected": 0}));
    three.assert_alive();
    server.wait_metric("uringcast_closes_total", "expelled", 2.0);
}

#[test]
fn subscriptions_are_ended_and_the_client_is_told() {
    let server = Server::start("--shards=2");
    let (mut one, id) = connect(&server);
    let (mut two, _) = connect(&server);
    for channel in ["a", "b", "c"] {
        one.subscribe(channel);
    }
    two.subscribe("a");
    let ask = |body: Value| post(&server, "/v1/unsubscribe", &body).1;
    assert_eq!(ask(json!({"channel": "b", "connection": id})), json!({"unsubscribed": 1}));
    let told = one.message();
    let expected = (&json!("unsubscribe"), &json!({"status": "unsubscribed", "channel": "b"}));
    assert_eq!((&told["event"], &told["data"]), expected);
    assert_eq!(told["correlation_id"], Value::Null);
    assert_eq!(ask(json!({"channel": "a"})), json!({"unsubscribed": 2}));
    assert_eq!(two.message()["data"]["channel"], "a");
    one.message();
    assert_eq!(ask(json!({ "connection": id })), json!({"unsubscribed": 1}));
    assert_eq!(one.message()["data"]["channels"], json!(["c"]));
    server.publish("a", "{}");
    one.assert_alive();
    two.assert_alive();
}

#[test]
fn a_bad_request_says_what_to_name() {
    let server = Server::start("");
    for body in [
        json!({}),
        json!({"connection": "x", "user": "y"}),
        json!({"connection": "x", "channel": "y"}),
        json!({"connection": null}),
        json!({"channel": ""}),
        json!([]),
        json!({"who": "x"}),
    ] {
        let (status, answer) = post(&server, "/v1/disconnect", &body);
        assert_eq!((status, &answer["error"]["code"]), (400, &json!("bad_request")), "{body}");
    }
    assert_eq!(post(&server, "/v1/unsubscribe", &json!({})).0, 400);
    let nobody = json!({"connection": "no id"});
    assert_eq!(post(&server, "/v1/disconnect", &nobody).1, json!({"disconnected": 0}));
}

/// A client's request for the status of a pool.
fn pool_status() -> Value {
    json!({"type": "request", "event": "get_pool_status", "data": {"pool_id": "p1"}})
}

#[test]
fn a_status_document_answers_status_requests_before_the_last_event() {
    let server = Server::start("--preset=mahavishnu --shards=2");
    let mut client = Client::connect(&server);
    let mut ask = || client.ask(&pool_status())["data"].clone();
    let status = |method: &str, body: &str| {
        let what = format!("{method} /v1/channels/pool:p1/status");
        let answer = http::send(server.control, &what, "", body);
        (answer.status, answer.body)
    };
    let none = json!({"pool_id": "p1", "status": "not_found"});
    assert_eq!((ask(), status("GET", "").0), (none, 404));
    server.publish("pool:p1", r#"{"workers":2}"#);
    let event = json!({"pool_id": "p1", "status": "test", "workers": 2});
    assert_eq!(ask(), event);
    let document = r#"{"status": "idle", "workers": 3}"#;
    assert_eq!(status("PUT", document).0, 204);
    assert_eq!(ask(), json!({"pool_id": "p1", "status": "idle", "workers": 3}));
    assert_eq!(status("GET", ""), (200, document.into()));
    assert_eq!((status("DELETE", "").0, status("DELETE", "").0), (204, 404));
    assert_eq!(ask(), event);
    for bad in ["", "[]", "{}", "7", r#"{"status":}"#] {
        assert_eq!(status("PUT", bad).0, 400, "{bad}");
    }
    let what = "PUT /v1/channels/a%ff/status";
    let answer = http::send(server.control, what, "", document);
    assert_eq!(
        (answer.status, answer.body.contains("bad_request")),
        (400, true),
        "{}",
        answer.body
    );
    let large = format!(r#"{{"status":"{}"}}"#, "x".repeat(64 << 10));
    assert_eq!(status("PUT", &large).0, 413);
}

#[test]
fn a_status_is_told_as_it_was_written_however_odd() {
    let server = Server::start("--preset=mahavishnu --shards=2 --max-json-depth=10000");
    let mut client = Client::connect(&server);
    let mut ask = || {
        client.say(&pool_status());
        String::from_utf8(client.frame().unwrap().payload).unwrap()
    };
    let deep = format!("{}{}", "[".repeat(9_999), "]".repeat(9_999));
    for odd in [&deep, r#""\ud800""#, "1e999"] {
        let told = format!(r#""data":{{"odd":{odd},"pool_id":"p1","status":"idle"}}"#);
        let data = format!(r#"{{"status":"idle","odd":{odd}}}"#);
        server.publish("pool:p1", &data);
        assert!(ask().contains(&told));
        let what = "PUT /v1/channels/pool:p1/status";
        assert_eq!(http::send(server.control, what, "", &data).status, 204);
        assert!(ask().contains(&told));
        let what = "DELETE /v1/channels/pool:p1/status";
        assert_eq!(http::send(server.control, what, "", "").status, 204);
    }
    let what = "PUT /v1/channels/pool:p1/status";
    let nameless = r#"{"status":"idle","\ud800":1}"#;
    assert_eq!(http::send(server.control, what, "", nameless).status, 400, "it cannot be told");
}

#[test]
fn the_metrics_port_has_a_page_that_leads_to_metrics_compressed_for_who_takes_that() {
    let server = Server::start("");
    let page = http::get(server.metrics, "/");
    assert_eq!(page.status, 200);
    assert!(page.body.contains("href=\"metrics\""), "{}", page.body);
    // HTTP/1.0: no chunks, the end of the connection ends the body.
    let scrape = |accepts: &str| {
        let mut stream = TcpStream::connect(server.metrics).expect("connected");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let request = format!("GET /metrics HTTP/1.0\r\nHost: localhost\r\n{accepts}\r\n");
        stream.write_all(request.as_bytes()).expect("written");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("an answer");
        let end = answer.windows(4).position(|at| at == b"\r\n\r\n").expect("a head") + 4;
        let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
        (head, answer.split_off(end))
    };
    let (head, plain) = scrape("");
    assert!(head.contains("vary: accept-encoding") && !head.contains("content-encoding"), "{head}");
    let (head, packed) = scrape("Accept-Encoding: gzip\r\n");
    assert!(head.contains("content-encoding: gzip"), "{head}");
    assert!(packed.len() < plain.len() / 4, "{} of {}", packed.len(), plain.len());
    let mut text = String::new();
    let mut decoder = async_compression::tokio::bufread::GzipDecoder::new(&packed[..]);
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let read = tokio::io::AsyncReadExt::read_to_string(&mut decoder, &mut text);
    runtime.block_on(read).expect("what gzip has written");
    assert!(text.contains("# TYPE websocket_connections_active gauge"), "{text}");
}
