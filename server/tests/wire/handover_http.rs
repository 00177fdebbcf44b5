//! Requests over HTTP while all connections are handed to a new server: each has its answer, on
//! the connection that it came on.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::support::http::{Answer, Kept, text};
use crate::support::succession::Place;
use crate::support::until;
use crate::support::ws::Client;
use serde_json::{Value, json};

fn body(answer: &Answer) -> Value {
    serde_json::from_str(&answer.body).unwrap_or_else(|_| panic!("{}", answer.body))
}

/// The request that publishes this to a channel.
fn publish(channel: &str, data: &str) -> String {
    text(&format!("POST /v1/publish/raw?channel={channel}&event=test"), "", data)
}

/// The same as publishers send it that do not know the length.
fn publish_chunked(channel: &str, data: &str) -> String {
    let line = format!("POST /v1/publish/raw?channel={channel}&event=test HTTP/1.1");
    let headers = "Host: localhost\r\nContent-Type: application/json";
    let length = data.len();
    let chunks = format!("{length:x}\r\n{data}\r\n0\r\n\r\n");
    format!("{line}\r\n{headers}\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}")
}

/// Whether a response is the last one of its connection.
fn is_last(answer: &Answer) -> bool {
    answer.head.to_ascii_lowercase().contains("connection: close")
}

/// Publishes one message after the other until it is over. Returns how many.
fn keep_publishing(
    (control, channel): (SocketAddr, String),
    request: fn(&str, &str) -> String,
    is_over: &AtomicBool,
) -> u64 {
    let (mut connection, mut seq) = (Kept::to(control), 0);
    while !is_over.load(Ordering::Relaxed) {
        connection.send(&request(&channel, &format!(r#"{{"number":{seq}}}"#)));
        let answer = connection.answer();
        assert_eq!(answer.status, 202, "{}", answer.body);
        seq += 1;
        assert_eq!(body(&answer)["results"][0]["seq"], seq, "{}", answer.body);
        if is_last(&answer) {
            connection = Kept::to(control);
        }
    }
    seq
}

/// Publishes, writes states and reads them, one after the other.
fn keep_writing(control: SocketAddr, is_over: &AtomicBool) {
    let (mut connection, mut number) = (Kept::to(control), 0);
    let mut ask = |request: &str| {
        connection.send(request);
        let answer = connection.answer();
        assert!(answer.status < 300, "{}", answer.body);
        if is_last(&answer) {
            connection = Kept::to(control);
        }
        answer
    };
    let request = |what: &str, body: &str| text(&format!("{what} /v1/channels/w/state"), "", body);
    while !is_over.load(Ordering::Relaxed) {
        number += 1;
        let published = body(&ask(&publish("w", "{}")));
        let position = &published["results"][0];
        let as_of = json!({"epoch": position["epoch"], "seq": position["seq"]});
        let state = json!({"state": {"number": number}, "as_of": as_of});
        ask(&request("PUT", &state.to_string()));
        assert_eq!(body(&ask(&request("GET", "")))["state"]["number"], number);
    }
}

#[test]
fn publishers_that_keep_their_connections_see_no_error() {
    const PUBLISHERS: usize = 24;
    // Readers take nothing until the end, and answer no PING.
    const QUIET: &str = "--keepalive-interval=1h";
    let place = Place::new();
    let mut server = place.start(&format!("--shards=2 {QUIET}"));
    let (control, is_over) = (server.control, Arc::new(AtomicBool::new(false)));
    let publishers: Vec<_> = (0..PUBLISHERS)
        .map(|number| {
            let is_over = Arc::clone(&is_over);
            let request = if number % 3 == 0 { publish_chunked } else { publish };
            let at = (control, format!("c{number}"));
            thread::spawn(move || keep_publishing(at, request, &is_over))
        })
        .collect();
    let mut readers: Vec<_> = (0..PUBLISHERS)
        .map(|number| {
            let mut client = Client::connect(&server);
            let begin = client.subscribe(&format!("c{number}"))["seq"].as_u64().unwrap();
            (client, begin)
        })
        .collect();
    let writer = thread::spawn({
        let is_over = Arc::clone(&is_over);
        move || keep_writing(control, &is_over)
    });
    for shards in [1, 3, 2, 1, 2] {
        until("something to be published", || {
            (server.metric("uringcast_api_requests_total", "202") > 0.0).then_some(())
        });
        server = place.succeed(server, &format!("--shards={shards} {QUIET}"));
    }
    is_over.store(true, Ordering::Relaxed);
    let heads: Vec<u64> = publishers.into_iter().map(|one| one.join().unwrap()).collect();
    writer.join().unwrap();
    for ((client, begin), head) in readers.iter_mut().zip(heads) {
        for seq in *begin + 1..=head {
            let message = client.message();
            assert_eq!(message["seq"], seq, "{message}");
            assert_eq!(message["data"]["number"], seq - 1, "{message}");
        }
        client.assert_alive();
    }
}

#[test]
fn connections_that_wait_go_over_with_what_they_have_sent() {
    let place = Place::new();
    let server = place.start("--shards=1 --api-key=secret-of-the-desk");
    let key = "Authorization: Bearer secret-of-the-desk\r\n";
    let request = text("POST /v1/publish/raw?channel=c&event=e", key, "{}");
    let list = format!("GET /v1/channels HTTP/1.1\r\nHost: localhost\r\n{key}\r\n");
    let scrape = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";
    // Used and unused, of plain requests and of others; each with nothing and with half a request.
    let mut connections = Vec::new();
    for (address, first, next) in [
        (server.control, Some(&*request), &*request),
        (server.control, None, &*request),
        (server.control, Some(&*list), &*list),
        (server.control, Some(&*list), &*request),
        (server.control, None, &*list),
        (server.metrics, Some(scrape), scrape),
        (server.metrics, None, scrape),
    ] {
        for half in [0, next.len() / 2, next.len() - 1] {
            let mut connection = Kept::to(address);
            if let Some(first) = first {
                connection.send(first);
                assert!(connection.answer().status < 300);
            }
            connection.send(&next[..half]);
            connections.push((connection, next, half));
        }
    }
    // What was sent has arrived: these are answered behind it.
    for address in [server.control, server.metrics] {
        crate::support::http::get(address, "/");
    }
    let take_over = format!("--take-over={}", place.socket().display());
    let after = place.start(&format!("{take_over} --shards=2 --api-key=secret-of-the-desk"));
    for (connection, next, half) in &mut connections {
        connection.send(&next[*half..]);
        let answer = connection.answer();
        assert!(answer.status < 300, "{} {}", answer.status, answer.body);
        assert!(!is_last(&answer), "{}", answer.head);
        // And again.
        connection.send(next);
        assert!(connection.answer().status < 300);
    }
    // It had waited for the ends of bodies.
    assert!(server.ended().success());
    let answer = crate::support::http::send(
        after.control,
        "POST /v1/publish/raw?channel=c&event=e",
        key,
        "{}",
    );
    assert_eq!(body(&answer)["results"][0]["seq"], 3 * (3 + 2 + 2) + 1);
}
