//! The load generator's scenarios against the server: what is due to subscribers that leave, come
//! back, publish or do not read is what the server delivers.

use std::path::Path;
use std::process::Command;

use crate::support::{Server, tools};
use serde_json::Value;

const FREE: &str = "--shards=2 --anonymous-publish --message-rate 0 --max-connections 500";

/// A run of it passes, with nothing lost, twice or out of order.
fn passes(loadgen: &Path, url: &str, flags: &[&str]) {
    let output = Command::new(loadgen)
        .args(["--url", url, "--connections=40", "--rate=50", "--duration=2", "--threads=2"])
        .args(["--quiet", "--max-lateness=60", "--source-addresses=1"])
        .args(flags)
        .output()
        .expect("loadgen runs");
    assert!(output.status.success(), "{flags:?}: {output:?}");
}

#[test]
fn what_is_due_to_subscribers_that_move_is_delivered() {
    const TEST: &str = "what_is_due_to_subscribers_that_move_is_delivered";
    let Some(loadgen) = tools::built(TEST, "loadgen") else { return };
    let server = Server::start(FREE);
    let url = format!("ws://{}", server.clients[0]);
    for flags in [
        &["--scenario=churn", "--assert=upgrade.p50>0s"][..],
        &["--scenario=storm", "--assert=phase.after.deliveries>0"],
        // Half of them miss messages, and get them by their positions.
        &["--scenario=recovery", "--assert=recovered>100", "--assert=loss==0"],
        &["--scenario=slow", "--slow-mode=never"],
        &["--scenario=rooms", "--channels=10"],
        &["--scenario=chat", "--channel-name=room:{number}"],
        &["--arrivals=burst", "--burst=5"],
    ] {
        passes(&loadgen, &url, flags);
    }
}

/// Compression is agreed on, messages come compressed with the context of those before, and every
/// check holds.
#[test]
fn compressed_messages_are_inflated_and_checked() {
    const TEST: &str = "compressed_messages_are_inflated_and_checked";
    let Some(loadgen) = tools::built(TEST, "loadgen") else { return };
    for how in ["shared", "twin"] {
        let class = format!("bench:* compression={how}");
        let server = Server::start_in(FREE, &[("URINGCAST_CLASS", &class)]);
        let url = format!("ws://{}", server.clients[0]);
        passes(&loadgen, &url, &["--compression", "--payload=2000", "--assert=inflating.max>0ns"]);
    }
}

/// Memory of loadgen itself that came with its connections: what thousands more of them take, each.
#[test]
fn a_connection_of_loadgen_takes_2_kib_at_most() {
    const TEST: &str = "a_connection_of_loadgen_takes_2_kib_at_most";
    let Some(loadgen) = tools::built(TEST, "loadgen") else { return };
    let server = Server::start("--shards=1 --max-connections 5000");
    let url = format!("ws://{}", server.clients[0]);
    let resident = |connections: &str| {
        let output = Command::new(&loadgen)
            .args(["--url", &url, "--scenario=idle", "--duration=0.5", "--threads=1", "--json"])
            .args(["--quiet", connections])
            .output()
            .expect("loadgen runs");
        assert!(output.status.success(), "{output:?}");
        let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        report["runs"][0]["own_memory"]["after"].as_f64().expect("known")
    };
    // What is resident beside the connections varies by some hundred kilobytes, and only upwards.
    let each = (0..3)
        .map(|_| (resident("--connections=4000") - resident("--connections=1000")) / 3_000.0)
        .fold(f64::INFINITY, f64::min);
    assert!(each > 0.0 && each <= 2_048.0, "{each} bytes a connection");
}
