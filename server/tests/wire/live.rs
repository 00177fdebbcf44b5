//! `GET /` and `GET /debug/live`: which requests are accepted, what they return, and that the
//! page's access opens nothing else. The page itself is tried in a browser by clients/live.rs.

use std::net::TcpStream;

use crate::support::ws::{self, Client};
use crate::support::{Server, http, until};
use serde_json::{Value, json};

fn live(server: &Server) -> Value {
    let answer = http::get(server.control, "/debug/live");
    assert_eq!(answer.status, 200, "{}", answer.body);
    serde_json::from_str(&answer.body).expect("JSON")
}

/// Sends a request with these headers instead of a `Host` of its own.
fn ask(server: &Server, start: &str, headers: &str) -> http::Answer {
    use std::io::{Read, Write};
    let mut stream = TcpStream::connect(server.control).expect("connected");
    stream.set_read_timeout(Some(crate::support::PATIENCE)).expect("a timeout");
    let request = format!("{start} HTTP/1.1\r\n{headers}Connection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("written");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer");
    http::Answer::parse(&answer)
}

/// Connects as the page does.
fn watch(server: &Server, socket: &str) -> Client {
    let path = socket.split_once("/.canary").expect("a path").1;
    let request = ws::upgrade_request(server.clients[0], "").replacen(
        "GET / ",
        &format!("GET /.canary{path} "),
        1,
    );
    let stream = TcpStream::connect(server.clients[0]).expect("connected");
    let mut client = Client::request_as(stream, None, &request);
    assert!(client.head().starts_with("HTTP/1.1 101 "));
    assert_eq!(client.message()["event"], "session.created");
    assert_eq!(client.message()["data"]["status"], "subscribed");
    client
}

#[test]
fn what_happens_is_told_and_the_page_hears_of_it_every_second() {
    let server = Server::start("--shards=2");
    let mut client = Client::connect(&server);
    client.subscribe("room:1");
    for _ in 0..20 {
        server.publish("room:1", "{}");
        client.message();
    }
    let all = until("the channel among the busiest", || {
        let all = live(&server);
        (all["now"]["hottest"][0]["channel"] == "room:1").then_some(all)
    });
    let service = &all["services"][0];
    assert_eq!(service["url"], format!("ws://{}/", server.clients[0]), "{all}");
    assert_eq!(all["now"]["shards"].as_array().map(Vec::len), Some(2), "{all}");
    let delivered = |all: &Value| {
        let rows = all["history"][0].as_array().expect("rows").clone();
        rows.iter().map(|row| row[1].as_u64().expect("a count")).max()
    };
    until("the deliveries as a point", || delivered(&live(&server)).filter(|most| *most > 0));

    let mut page = watch(&server, all["socket"].as_str().expect("where to connect"));
    let mut last = 0;
    for _ in 0..2 {
        let message = page.message();
        assert_eq!(message["event"], "live.status", "{message}");
        let at = message["data"]["at"].as_u64().expect("a time");
        assert!(at > last, "{message}");
        last = at;
        assert_eq!(message["data"]["rows"][0][0], 1, "the page itself is no client: {message}");
    }
}

#[test]
fn the_pages_way_in_serves_for_nothing_but_listening() {
    let server = Server::start("--anonymous-publish");
    let mut page = watch(&server, live(&server)["socket"].as_str().expect("where to connect"));
    for event in ["subscribe", "publish"] {
        let data = json!({"channel": "room:1", "event": "e", "data": {}});
        page.say(&json!({"id": "1", "type": "request", "event": event, "data": data}));
    }
    let seq = server.publish("room:1", "{}");
    assert_eq!(seq, 1, "it published nothing");
    for _ in 0..2 {
        assert_eq!(page.message()["event"], "live.status", "and is told nothing else");
    }
    let mut client = Client::connect(&server);
    let channel = json!({"channel": "\u{1}canary"});
    let reply = client.ask(&json!({"id": "1", "type": "subscribe", "data": channel}));
    assert_eq!(reply["error_code"], "INVALID_CHANNEL", "{reply}");
}

#[test]
fn only_the_page_itself_may_ask_from_a_browser() {
    let server = Server::start("");
    let host = server.control;
    for (headers, status) in [
        (format!("Host: {host}\r\n"), 200),
        (format!("Host: {host}\r\nOrigin: http://{host}\r\n"), 200),
        (format!("Host: localhost:{}\r\n", host.port()), 200),
        (format!("Host: {host}\r\nOrigin: https://evil.example\r\n"), 403),
        (format!("Host: evil.example:{}\r\n", host.port()), 403),
        ("Host: evil.example\r\nOrigin: http://evil.example\r\n".into(), 403),
        (format!("Host: {host}\r\nOrigin: null\r\n"), 403),
    ] {
        for start in ["GET /debug/live", "GET /debug/latency", "GET /v1/channels"] {
            let answer = ask(&server, start, &headers);
            assert_eq!(answer.status, status, "{start} {headers}: {}", answer.body);
        }
    }
}

#[test]
fn with_a_key_the_page_opens_and_the_numbers_do_not() {
    let server = Server::start("--api-key=0123456789abcdef");
    let host = format!("Host: {}\r\n", server.control);
    let page = ask(&server, "GET /", &host);
    assert_eq!(page.status, 200);
    assert!(page.head.contains("default-src 'none'; script-src 'self' 'sha256-"), "{}", page.head);
    assert!(!page.body.contains("/.canary/"), "the page itself holds no key");
    assert_eq!(ask(&server, "GET /debug/live", &host).status, 401);
    let keyed = format!("{host}X-API-Key: 0123456789abcdef\r\n");
    assert_eq!(ask(&server, "GET /debug/live", &keyed).status, 200);
}

#[test]
fn without_metrics_the_services_are_still_told() {
    let server = Server::start("--no-metrics --slo-p99 5ms");
    server.logged("slo_p99 is set and so is no_metrics");
    let all = live(&server);
    assert_eq!(
        (&all["now"], &all["services"][0]["publish"]),
        (&Value::Null, &"/v1/publish".into())
    );
}
