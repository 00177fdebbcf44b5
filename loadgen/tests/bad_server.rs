//! A server that does everything wrong, reported exactly; and what an open loop sees of a stall
//! that a closed one does not.

#![allow(clippy::unwrap_used)]

mod support;

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::{Fault, Server};
use tungstenite::Message;

fn loadgen(url: &str, flags: &[&str]) -> (i32, Value) {
    let output = Command::new(env!("CARGO_BIN_EXE_loadgen"))
        .args(["--url", url, "--json=-", "--quiet", "--max-lateness=60", "--threads=2"])
        .args(flags)
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    let json: Value = serde_json::from_slice(&output.stdout).expect(&stderr);
    (output.status.code().unwrap(), json["runs"][0].clone())
}

/// Ten messages a second, so that 50 ms of delay overtake nothing.
#[test]
fn every_fault_of_a_bad_server_is_counted_exactly() {
    let server = Server::start(Fault::Regular);
    let (code, run) = loadgen(&server.url, &["--connections=100", "--rate=10", "--duration=4"]);
    let injected = server.injected.lock().unwrap();
    assert_eq!((code, injected.deliveries), (1, 4_000), "{run}");
    assert!(
        injected.dropped == 4 && injected.delayed == 36 && injected.stalls == 4,
        "{injected:?}"
    );
    assert!(injected.reordered > 0 && injected.illegible > 0 && injected.damaged > 0);
    // What is illegible is lost as well: nobody can tell which message it was.
    assert_eq!(run["loss"], injected.dropped + injected.illegible, "{injected:?} {run}");
    assert_eq!(run["duplicates"], injected.duplicated, "{injected:?}");
    assert_eq!(run["reordered"], injected.reordered, "{injected:?}");
    assert_eq!(run["deliveries"], 4_000 - injected.dropped - injected.illegible, "{injected:?}");
    assert_eq!(run["latency"]["count"], 4_000, "what was lost counts as late");
    // One in a hundred is late by 50 ms, one in ten by up to 200: both are in p99.
    assert!(run["latency"]["p99_us"].as_f64().unwrap() >= 50_000.0, "{run}");
    assert!(run["latency"]["max_us"].as_f64().unwrap() >= 2_000_000.0, "a loss: {run}");
}

/// One message at a time: the next is sent when the last has come back. Milliseconds.
fn closed_loop(url: &str, length: Duration) -> Vec<f64> {
    let (mut socket, _) = tungstenite::connect(url).unwrap();
    let subscribe = json!({"event": "subscribe", "data": {"channel": "c"}});
    socket.send(Message::text(subscribe.to_string())).unwrap();
    let publish = json!({"event": "publish", "data": {"channel": "c", "data": {}}}).to_string();
    let (begun, mut latencies) = (Instant::now(), Vec::new());
    while begun.elapsed() < length {
        let sent = Instant::now();
        socket.send(Message::text(publish.clone())).unwrap();
        while !socket.read().unwrap().to_text().unwrap().contains(r#""event":"bench""#) {}
        latencies.push(sent.elapsed().as_secs_f64() * 1e3);
    }
    latencies.sort_by(f64::total_cmp);
    latencies
}

/// The server stands still for 200 ms once a second.
#[test]
fn a_stall_that_a_closed_loop_omits_is_seen() {
    let stall = Fault::StallEachSecond(Duration::from_millis(200));
    let server = Server::start(stall);
    let closed = closed_loop(&server.url, Duration::from_secs(4));
    let late = closed.iter().filter(|ms| **ms >= 100.0).count() as f64 / closed.len() as f64;
    drop(server);
    let server = Server::start(stall);
    let (code, run) = loadgen(&server.url, &["--connections=1", "--rate=100", "--duration=4"]);
    assert_eq!(code, 0, "{run}");
    let p90 = run["latency"]["p90_us"].as_f64().unwrap() / 1e3;
    let closed_at = |quantile: f64| closed[(closed.len() as f64 * quantile) as usize];
    println!(
        "open loop: p50 {:.2} ms, p90 {p90:.1} ms, p99 {:.1} ms",
        run["latency"]["p50_us"].as_f64().unwrap() / 1e3,
        run["latency"]["p99_us"].as_f64().unwrap() / 1e3
    );
    println!(
        "closed loop: p50 {:.2} ms, p90 {:.2} ms, p99 {:.1} ms, {} messages",
        closed_at(0.5),
        closed_at(0.9),
        closed_at(0.99),
        closed.len()
    );
    // Twenty messages fall into each of the stalls, a fifth of all; the closed loop sends one.
    assert!(p90 >= 40.0, "{run}");
    assert!(late <= 0.02, "{late} of a closed loop's messages");
}
