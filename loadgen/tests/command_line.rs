//! What flags do beside the load itself: what is told, where connections come from and go to.

#![allow(clippy::unwrap_used)]

mod support;

use std::process::{Command, Output};

use serde_json::Value;
use support::{Fault, Server};

fn loadgen(flags: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_loadgen")).args(flags).output().unwrap()
}

/// 100 messages to four subscribers; a loaded machine is no fault of the server.
fn load(flags: &[&str]) -> (Option<i32>, String, Value) {
    let usual = ["--connections=4", "--rate=200", "--duration=0.5", "--threads=2", "--json"];
    let output = loadgen(&[flags, &usual, &["--max-lateness=60"]].concat());
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), stderr, report["runs"][0].clone())
}

#[test]
fn a_refusal_is_told_when_it_first_happens() {
    let server = Server::start(Fault::RefuseThird("BUSY"));
    let (code, stderr, run) = load(&["--url", &server.url]);
    let line = "loadgen: ws: the server refuses to publish, BUSY: the server is saturated";
    let told = stderr.lines().filter(|told| told.starts_with(line)).count();
    assert_eq!((told, code, &run["refused"]), (1, Some(0), &33.into()), "{stderr}");
}

#[test]
fn the_doctor_names_itself_and_writes_json_without_a_file_s_name() {
    let help = String::from_utf8(loadgen(&["doctor", "--help"]).stdout).unwrap();
    assert!(help.contains("Usage: loadgen doctor"), "{help}");
    let found = loadgen(&["doctor", "--json", "--connections=10"]);
    let found: Value = serde_json::from_slice(&found.stdout).unwrap();
    assert!(found["checks"].as_array().unwrap().len() >= 4, "{found}");
}

#[test]
fn connections_are_spread_over_addresses_and_ports() {
    let server = Server::start(Fault::None);
    let address = server.url.strip_prefix("ws://").unwrap();
    let (to, from) = (format!("--address={address}"), "--source=127.0.0.2-127.0.0.3,127.0.0.9/32");
    // The address of the URL is never connected to: its port is closed.
    let (code, stderr, run) = load(&["--url", "ws://127.0.0.1:1", &to, from, "--quiet"]);
    assert_eq!((code, &run["deliveries"]), (Some(0), &400.into()), "{stderr}");
    let (code, stderr, _) = load(&["--url", &server.url, "--address=localhost:1"]);
    assert!(code == Some(2) && stderr.contains("--address"), "{stderr}");
}
