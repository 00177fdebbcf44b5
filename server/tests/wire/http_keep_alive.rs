//! Publish requests on connections that are kept: the answers are those of the router, whatever
//! came before them on the connection.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeSet;
use std::io::Read;

use crate::support::Server;
use crate::support::http::{self, Answer, JSON, Kept, text};
use serde_json::Value;

const RAW: &str = "POST /v1/publish/raw?channel=c&event=e";

fn seq(answer: &Answer) -> u64 {
    assert_eq!(answer.status, 202, "{}", answer.body);
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    body["results"][0]["seq"].as_u64().unwrap()
}

/// Status, headers in order of their names without those of the connection, and body.
fn comparable(answer: Answer) -> (u16, Vec<String>, String) {
    let lines = answer.head.lines().map(str::to_ascii_lowercase);
    let mut lines: Vec<String> =
        lines.filter(|line| !line.starts_with("date: ") && line != "connection: close").collect();
    lines.sort();
    // Each server has an epoch of its own, of one length.
    let mut parts = answer.body.split("\"epoch\":\"");
    let first = parts.next().unwrap_or_default().to_owned();
    let body = parts.fold(first, |body, part| body + "epoch " + &part[16..]);
    (answer.status, lines, body)
}

/// Two servers get the same requests, of which one closes each connection: there the router
/// answers.
#[test]
fn a_kept_connection_gets_the_answers_of_the_router() {
    let key = "X-API-Key: 0123456789abcdef\r\n";
    let bearer = "Authorization: Bearer 0123456789abcdef\r\n";
    let id = &format!("{key}Idempotency-Key: one\r\n");
    let long = format!(r#"{{"x":"{}"}}"#, "y".repeat(2 << 10));
    let one = r#"{"channel":"c","event":"e","data":{"n":1}}"#;
    let with_id = r#"{"channel":"c","event":"e","id":"i"}"#;
    let requests = [
        (RAW, key, "{}"),
        (RAW, bearer, r#"{"n":[1,2]}"#),
        ("POST /v1/publish/raw?event=e&channel=a%20b", key, "{}"),
        ("POST /v1/publish", key, one),
        ("POST /v1/publish", key, with_id),
        ("POST /v1/publish", key, with_id),
        ("POST /v1/publish", key, &format!("[{one},{with_id},{one}]")),
        (RAW, id, "{}"),
        (RAW, id, "{}"),
        (RAW, "", "{}"),
        (RAW, "X-API-Key: 0123456789abcdeg\r\n", "{}"),
        (RAW, &format!("{key}Origin: https://elsewhere.example\r\n"), "{}"),
        (RAW, &format!("{key}Idempotency-Key: a b\r\n"), "{}"),
        (RAW, &format!("{key}Sec-Fetch-Site: cross-site\r\n"), "{}"),
        (RAW, &format!("{key}Content-Type: text/plain\r\n"), "{}"),
        (RAW, &format!("{key}{JSON}{JSON}"), "{}"),
        (RAW, &format!("{key}{bearer}{bearer}"), "{}"),
        (RAW, key, "\u{feff}{}"),
        (RAW, key, &format!(r#"{{"x":{}{}}}"#, "[".repeat(200), "]".repeat(200))),
        ("POST /v1/publish/raw?channel=%E4&event=e", key, "{}"),
        ("POST /v1/publish/raw?channel=c&event=gap", key, "{}"),
        (RAW, key, "[]"),
        (RAW, key, "{"),
        (RAW, key, ""),
        (RAW, key, &long),
        ("POST /v1/publish/raw?channel=c", key, "{}"),
        ("POST /v1/publish/raw?channel=c&event=e&event=f", key, "{}"),
        ("POST /v1/publish/raw?channel=c&event=e&x=y", key, "{}"),
        ("POST /v1/publish/raw?channel=&event=e", key, "{}"),
        ("POST /v1/publish/raw", key, "{}"),
        // Of two faults the same one is named.
        ("POST /v1/publish/raw?channel=&event=e", key, "{"),
        (
            "POST /v1/publish/raw?channel=c&event=gap",
            &format!("{key}Idempotency-Key: a b\r\n"),
            "{",
        ),
        (RAW, &format!("{key}Idempotency-Key: a b\r\n"), "{"),
        ("POST /v1/publish", key, "[]"),
        ("POST /v1/publish", key, r#"{"channel":"c"}"#),
        ("POST /v1/publish", key, r#"{"channel":"d","event":"e"}"#),
        ("POST /v1/services/default/publish", key, one),
        ("POST /v1/services/other/publish", key, one),
        ("POST /v1/services/%64efault/publish", key, one),
        ("POST /v1/nothing", key, one),
        ("PUT /v1/publish", key, one),
    ];
    let flags = "--api-key=0123456789abcdef --max-message-size=1KiB --shards=1 --shard-channels=2";
    let (kept, closing) = (Server::start(flags), Server::start(flags));
    let mut connection = Kept::to(kept.control);
    for (line, headers, body) in requests {
        let asked = text(line, headers, body);
        connection.send(&asked);
        let answer = comparable(connection.answer());
        let mut other = Kept::to(closing.control);
        other.send(&text(line, &format!("{headers}Connection: close\r\n"), body));
        assert_eq!(answer, comparable(other.answer()), "{asked}");
    }
    let counts = |server: &Server| {
        let page = http::get(server.metrics, "/metrics").body;
        let counted = page.lines().filter(|line| line.starts_with("uringcast_api_requests_total"));
        counted.map(String::from).collect::<Vec<_>>()
    };
    assert_eq!(counts(&kept), counts(&closing), "both count what they answered");
}

#[test]
fn requests_in_one_write_and_in_many_are_answered_in_order() {
    let server = Server::start("");
    let mut connection = Kept::to(server.control);
    let one = text(RAW, "", "{}");
    connection.send(&one.repeat(100));
    let seqs: Vec<u64> = (0..100).map(|_| seq(&connection.answer())).collect();
    assert_eq!(seqs, (1..=100).collect::<Vec<_>>());
    for byte in one.chars() {
        connection.send(&byte.to_string());
    }
    assert_eq!(seq(&connection.answer()), 101);
}

#[test]
fn a_connection_goes_on_whatever_is_asked_on_it() {
    let server = Server::start("");
    let large = format!(r#"{{"x":"{}"}}"#, "y".repeat(40 << 10));
    let chunks = "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n";
    let chunked = format!("{RAW} HTTP/1.1\r\nHost: localhost\r\n{JSON}{chunks}");
    let get = text("GET /health", "", "");
    for other in [get.clone(), chunked, text(RAW, "", &large)] {
        let mut connection = Kept::to(server.control);
        connection.send(&text(RAW, "", "{}"));
        let first = seq(&connection.answer());
        // The next request is received together with the end of the other one.
        connection.send(&other[..10]);
        connection.send(&format!("{}{}", &other[10..], text(RAW, "", "{}")));
        let answer = connection.answer();
        assert!(answer.status < 300, "{}", answer.body);
        assert_eq!(seq(&connection.answer()), first + 1 + u64::from(other != get));
    }
}

#[test]
fn messages_of_many_connections_get_a_position_each() {
    let server = Server::start("--shards=2");
    let mut connections: Vec<Kept> = (0..64).map(|_| Kept::to(server.control)).collect();
    let mut seqs = BTreeSet::new();
    for _ in 0..10 {
        connections.iter_mut().for_each(|connection| connection.send(&text(RAW, "", "{}")));
        seqs.extend(connections.iter_mut().map(|connection| seq(&connection.answer())));
    }
    assert_eq!(seqs, (1..=640).collect());
}

#[test]
fn an_idle_connection_does_not_hold_up_the_shutdown() {
    let server = Server::start("");
    let mut connection = Kept::to(server.control);
    connection.send(&text(RAW, "", "{}"));
    assert_eq!(seq(&connection.answer()), 1);
    server.terminate();
    assert_eq!(connection.stream.read(&mut [0; 16]).unwrap(), 0, "closed in order");
    assert!(server.ended().success());
}

#[test]
fn a_head_that_does_not_come_is_not_waited_for() {
    let server = Server::start("");
    let half = &text(RAW, "", "{}")[..40];
    let mut connections = ["", "P", half].map(|sent| {
        let mut connection = Kept::to(server.control);
        connection.send(sent);
        connection
    });
    // After an answer the next head has as long.
    connections[0].send(&text(RAW, "", "{}"));
    assert_eq!(seq(&connections[0].answer()), 1);
    for connection in &mut connections {
        assert_eq!(connection.stream.read(&mut [0; 16]).unwrap(), 0);
    }
}
