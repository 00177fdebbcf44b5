//! The load generator against servers that are not ours, each in its dialect.

mod support;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use support::tools;

/// A server's process, which ends with its standard input.
struct Peer {
    child: Child,
    url: String,
}

impl Peer {
    /// Starts one that prints its port.
    fn start(program: &Path, script: &str) -> Peer {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts").join(script);
        let mut child = Command::new(program)
            .arg(script)
            .env("TEST_TOOLS", tools::root().join("target/test-tools"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let mut line = String::new();
        let output = child.stdout.take().expect("piped");
        BufReader::new(output).read_line(&mut line).expect("a line");
        Peer { child, url: format!("ws://127.0.0.1:{}", line.trim()) }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        self.child.wait().expect("it ends");
    }
}

/// 50 messages over three channels to six subscribers: everything arrives, once and in order.
fn passes(loadgen: &Path, url: &str, flags: &[&str]) {
    let output = Command::new(loadgen)
        .args(["--url", url, "--connections=6", "--channels=3", "--rate=50", "--duration=1"])
        .args(["--threads=1", "--quiet", "--json=-", "--max-lateness=10"])
        .args(flags)
        .output()
        .expect("loadgen runs");
    assert!(output.status.success(), "{flags:?}: {output:?}");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let run = &report["runs"][0];
    assert_eq!((&run["published"], &run["deliveries"]), (&50.into(), &100.into()), "{run}");
}

#[test]
fn raw_topics_of_node_are_measured() {
    const TEST: &str = "raw_topics_of_node_are_measured";
    let Some(loadgen) = tools::built(TEST, "loadgen") else { return };
    let Some(node) = tools::program(TEST, "node") else { return };
    if tools::npm(TEST, "ws").is_none() {
        return;
    }
    let peer = Peer::start(&node, "topics_server.mjs");
    passes(&loadgen, &peer.url, &["--dialect=topics"]);
}
