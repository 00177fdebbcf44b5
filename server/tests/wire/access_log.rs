//! The access log: one JSON line for each connection, at its end.

use std::path::Path;

use crate::support::ws::{CLOSE, Client};
use crate::support::{Server, until};
use serde_json::{Value, json};

/// The lines so far.
fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).expect("readable");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn every_connection_is_a_line_at_its_end_and_canaries_are_none() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("access.log");
    std::fs::write(&path, "{\"before\":1}\n").expect("written");
    let flags =
        format!("--server-name orders --canary-interval 200ms --access-log {}", path.display());
    let server = Server::start(&flags);
    let mut polite = Client::connect(&server);
    let address = polite.stream().local_addr().expect("an address").to_string();
    server.wait_metric("canary_latency_seconds_count", "", 1.0);
    assert_eq!(lines(&path), [json!({"before": 1})], "they are written at the end");
    polite.send(CLOSE, &[0x03, 0xe8]);
    assert_eq!(polite.closed().0, 1000);
    let line = until("its line", || lines(&path).into_iter().nth(1));
    assert_eq!(line["service"], "orders");
    assert_eq!(line["address"], json!(address));
    assert_eq!((&line["code"], &line["reason"]), (&json!(1000), &json!("peer_normal")));
    assert_eq!((&line["tls"], &line["user"]), (&json!(false), &Value::Null));
    for time in ["time", "since"] {
        let form = "2026-03-01T09:00:07.000000Z";
        let is_whole = |time: &str| time.ends_with('Z') && time.len() == form.len();
        assert!(line[time].as_str().is_some_and(is_whole), "{line}");
    }
    assert!(line["seconds"].is_u64() && line["connection_id"].is_string(), "{line}");

    drop(Client::connect(&server));
    let line = until("the line of one that vanished", || lines(&path).into_iter().nth(2));
    assert_eq!((&line["code"], &line["reason"]), (&json!(1006), &json!("lost")));

    drop(polite);
    // What ends with the server is written before that has ended.
    let mut last = Client::connect(&server);
    server.terminate();
    assert_eq!(last.closed().0, 1001);
    drop(last);
    assert_eq!(server.ended().code(), Some(0));
    assert_eq!(lines(&path)[3]["reason"], "shutdown");
    assert_eq!(lines(&path).len(), 4);
}

#[test]
fn an_access_log_that_cannot_be_written_is_refused_at_start() {
    let output = std::process::Command::new(crate::support::PROGRAM)
        .args(crate::support::FREE_PORTS)
        .args(["--access-log", "/nowhere/access.log"])
        .output()
        .expect("it runs");
    let said = crate::support::text(&*output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("access_log") && said.contains("/nowhere/access.log"), "{said}");
}
