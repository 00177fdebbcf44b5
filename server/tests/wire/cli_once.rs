//! `sub --once` against a real server: what is there, and no more.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::process::{Command, Stdio};

use crate::support::{PROGRAM, Server};

/// Runs it to its end: the exit code, standard output and standard error.
fn run(arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(PROGRAM);
    let output = command.env_clear().args(arguments).stdin(Stdio::null()).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn once_prints_what_is_there_and_ends() {
    let server = Server::start("--log-frames=3");
    let (ws, http) = (format!("ws://{}", server.clients[0]), format!("http://{}", server.control));
    let printed = |arguments: &[&str]| {
        let (code, out, err) = run(&[&["sub", &ws, "--once", "--raw"], arguments].concat());
        assert_eq!(code, 0, "{err}");
        (out, err)
    };
    let publish = |channel: &str, n: u32| {
        assert_eq!(run(&["pub", &http, channel, "e", &format!(r#"{{"n":{n}}}"#)]).0, 0);
    };
    publish("a", 1);
    let (out, err) = printed(&["a", "--last=10"]);
    assert_eq!(out, "{\"n\":1}\n");
    let position = err.trim().rsplit_once(" at ").unwrap().1;
    let since = format!("--since={position}");
    assert_eq!(printed(&["a", &since]).0, "", "nothing is new");
    publish("a", 2);
    publish("b", 1);
    assert_eq!(printed(&["a", &since]).0, "{\"n\":2}\n");
    // Of several channels each is printed up to where it was; one is empty.
    let (out, _) = printed(&["a", "empty", "b", "--last=1"]);
    let mut lines: Vec<&str> = out.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, [r#"{"n":1}"#, r#"{"n":2}"#]);
    (3..=6).for_each(|n| publish("a", n));
    let (out, err) = printed(&["a", &since]);
    assert_eq!(out, "{\"n\":4}\n{\"n\":5}\n{\"n\":6}\n");
    let told = ["some messages since", "retention", r#""from_seq":2,"missed":2"#, r#""to_seq":3"#];
    assert!(told.iter().all(|words| err.contains(words)), "{err}");
    let (out, err) = printed(&["a", "--since=0123456789abcdef:2"]);
    assert!(out.lines().count() == 3 && err.contains("missing: restart"), "{out}{err}");
    // All of them closed well.
    server.wait_metric("uringcast_closes_total", "peer_normal", 6.0);
    assert_eq!(server.metric("websocket_connection_errors_total", ""), 0.0);
}
