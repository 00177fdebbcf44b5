//! `sub` with a pattern against a real server.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::support::{PROGRAM, Server, text};
use serde_json::Value;

fn sub(server: &Server, arguments: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.env_clear().arg("sub").arg(format!("ws://{}", server.clients[0])).args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

#[test]
fn sub_with_a_star_prints_what_comes_to_all_channels_that_begin_so() {
    let server = Server::start("--shards=2");
    let mut child = sub(&server, &["orders:*", "global", "--count=3"]).spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
    for name in ["orders:*", "global"] {
        let line = said.next().unwrap().unwrap();
        assert!(line.starts_with(&format!("subscribed to {name}")), "{line}");
    }
    for channel in ["orders:7", "other:1", "orders:8", "global"] {
        server.publish(channel, "{}");
    }
    let printed = text(child.stdout.take().unwrap());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let room = |line| serde_json::from_str::<Value>(line).unwrap()["room"].to_string();
    let mut rooms: Vec<String> = printed.lines().map(room).collect();
    rooms.sort_unstable();
    assert_eq!(rooms, ["\"global\"", "\"orders:7\"", "\"orders:8\""]);
}

#[test]
fn a_pattern_begins_live() {
    let server = Server::start("");
    for flag in ["--last=1", "--state", "--since=0123456789abcdef:2"] {
        let output = sub(&server, &["orders:*", flag]).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains("a pattern begins live"), "{said}");
    }
}
