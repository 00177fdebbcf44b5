//! `GET /debug/latency` of a running server, read by another implementation of HdrHistogram.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::ws::Client;
use crate::support::{Server, http, text, tools, until};
use serde_json::Value;

const MESSAGES: u64 = 50;

/// A server that has delivered [`MESSAGES`] of class `room` and measured all of them.
fn measured() -> Server {
    let server = Server::start("");
    let mut client = Client::connect(&server);
    client.subscribe("room:1");
    for _ in 0..MESSAGES {
        server.publish("room:1", "{}");
        client.message();
    }
    server.wait_metric("uringcast_deliveries_total", "", MESSAGES as f64);
    server
}

fn percentiles(server: &Server, query: &str) -> Value {
    let answer = http::get(server.control, &format!("/debug/latency{query}"));
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(answer.head.contains("application/json"), "{}", answer.head);
    serde_json::from_str(&answer.body).expect("JSON")
}

#[test]
fn percentiles_of_a_running_server_are_whole_and_in_order() {
    let server = measured();
    let answer = percentiles(&server, "?kind=delivery&class=room");
    let all = answer["since_start"]["latencies"].as_array().expect("a list");
    let [room] = all.as_slice() else { panic!("{answer}") };
    assert_eq!((&room["channel"], room["count"].as_u64()), (&"room".into(), Some(MESSAGES)));
    let of = |name: &str| room[name].as_f64().expect("a number");
    let order = ["min", "p50", "p75", "p90", "p95", "p99", "p99_9", "p99_99", "max"].map(of);
    assert!(order.is_sorted() && order[0] > 0.0 && order[8] < 60.0, "{room}");
    let kinds = percentiles(&server, "").to_string();
    for kind in ["broadcast", "delivery", "handling", "catch_up", "turn", "handshake"] {
        assert!(kinds.contains(&format!("\"kind\":\"{kind}\"")), "{kind} in {kinds}");
    }
    let last = until("the first interval", || {
        let answer = percentiles(&server, "?kind=delivery");
        (answer["last_interval"]["latencies"][0]["count"] == MESSAGES).then_some(answer)
    });
    assert!(last["last_interval"]["seconds"].as_f64().expect("a length") > 0.0);

    let hgrm =
        http::get(server.control, "/debug/latency?format=hgrm&kind=delivery&class=room").body;
    assert!(hgrm.contains(&format!("Total count    = {MESSAGES:12}]")), "{hgrm}");
    let kinds = "there is broadcast, delivery, handling, catch_up, turn, handshake.";
    for (wrong, status, why) in [
        ("?format=xml", 400, "xml"),
        ("?kind=none", 400, kinds),
        ("?format=hgrm", 400, kinds),
        ("?format=hgrm&class=request", 400, kinds),
        ("?wrong=1", 400, "wrong"),
        ("?server=nobody", 404, "there is uringcast."),
        ("?kind=delivery&class=rome", 404, "there is room."),
        ("?kind=delivery&class=subscribe", 404, "there is room."),
        ("?kind=turn&class=room", 404, "there is none."),
    ] {
        let answer = http::get(server.control, &format!("/debug/latency{wrong}"));
        assert_eq!(answer.status, status, "{wrong}: {}", answer.body);
        assert!(answer.body.contains(why), "{wrong}: {}", answer.body);
    }
}

#[test]
fn a_histogram_log_is_read_by_another_implementation() {
    const TEST: &str = "a_histogram_log_is_read_by_another_implementation";
    let Some(python) = tools::python(TEST, "python") else { return };
    let server = measured();
    let log = http::get(server.control, "/debug/latency?format=hlog").body;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts/read_hlog.py");
    let mut reader = Command::new(python)
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Python runs");
    let mut stdin = reader.stdin.take().expect("piped");
    stdin.write_all(log.as_bytes()).expect("it reads");
    drop(stdin);
    let found = text(reader.stdout.take().expect("piped"));
    assert!(reader.wait().expect("its end").success(), "{log}");
    let found: Value = serde_json::from_str(&found).expect("JSON");
    let room = &found["uringcast:delivery:room"];
    assert_eq!(room["count"], MESSAGES, "{found}");
    let ours = percentiles(&server, "?kind=delivery&class=room");
    let ours = &ours["since_start"]["latencies"][0];
    for name in ["p50", "max"] {
        let theirs = room[name].as_f64().expect("a number") / 1e9;
        let ours = ours[name].as_f64().expect("a number");
        assert!((theirs / ours - 1.0).abs() < 0.01, "{name}: {theirs} and {ours}");
    }
}
