//! The race's own parts: the load against the floor, both ways, every delivery checked.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

/// Ends a server when the test ends, however it ends.
struct Floor(Child);

impl Drop for Floor {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn floor(mode: &str) -> (Floor, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_floor"));
    command.args(["--mode", mode, "--join", "4096"]);
    start(command)
}

/// The floor under TLS, with a certificate of its own.
fn floor_tls() -> (Floor, String) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("made");
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_floor_tls"));
    for (flag, pem) in [("--cert", made.cert.pem()), ("--key", made.signing_key.serialize_pem())] {
        let file = directory.join(format!("race{flag}.pem"));
        std::fs::write(&file, pem).expect("written");
        command.arg(flag).arg(file);
    }
    start(command)
}

fn start(mut command: Command) -> (Floor, String) {
    let mut floor = command
        .args(["--listen", "127.0.0.1:0"])
        .stderr(Stdio::piped())
        .spawn()
        .expect("floor starts");
    let mut line = String::new();
    let stderr = floor.stderr.take().expect("a pipe");
    BufReader::new(stderr).read_line(&mut line).expect("a line");
    let address = line.trim().rsplit(' ').next().expect("an address").to_owned();
    (Floor(floor), address)
}

fn race(mode: &str, net: &str, load: &[&str], commands: &[&str]) -> Vec<Value> {
    race_against(floor(mode), net, load, commands)
}

fn race_against(
    (floor, address): (Floor, String),
    net: &str,
    load: &[&str],
    commands: &[&str],
) -> Vec<Value> {
    let pid = floor.0.id().to_string();
    let done = Command::new(env!("CARGO_BIN_EXE_race"))
        .args(["--dialect", "floor", "--server", &address, "--pid", &pid, "--net", net])
        .args(load)
        .args(commands)
        .output()
        .expect("race runs");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let answers = String::from_utf8(done.stdout).expect("UTF-8");
    answers.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// Asserts that all subscribers got all messages, and gives their number.
fn complete(answer: &Value, subscribers: u64) -> u64 {
    for fault in ["lost", "repeated", "misshapen", "closed"] {
        assert_eq!(answer[fault], 0, "{fault}: {answer}");
    }
    for word in ["strange", "refusal", "failed"] {
        assert!(answer[word].is_null(), "{word}: {answer}");
    }
    let messages = answer["messages"].as_u64().expect("a number");
    assert_eq!(answer["deliveries"], messages * subscribers, "{answer}");
    messages
}

#[test]
fn every_way_to_measure_delivers_everything() {
    for (mode, net) in [("ring", "201"), ("loop", "202")] {
        let commands =
            ["window:1:16:0.1", "window:16:1024:0.1", "still:4:128:3", "rate:50:128:0.2"];
        let answers = race(mode, net, &["--subscribers", "40"], &commands);
        assert_eq!(answers.len(), commands.len());
        let counts: Vec<u64> = answers.iter().map(|answer| complete(answer, 40)).collect();
        assert!(counts[0] > 0 && counts[1] > 0, "{counts:?}");
        assert_eq!(counts[2..], [12, 10], "three bursts of four; fifty a second for 0.2 s");
        let latencies = answers[3]["latencies_us"].as_array().expect("latencies");
        assert_eq!(latencies.len(), 10);
    }
}

#[test]
fn many_channels_each_get_their_own() {
    for (mode, net) in [("ring", "206"), ("loop", "207")] {
        let load = ["--channels", "30", "--subscribers", "4", "--connections", "20"];
        let answers = race(mode, net, &load, &["window:64:128:0.1"]);
        assert!(complete(&answers[0], 4) > 0, "{answers:?}");
    }
}

#[test]
fn joined_messages_larger_than_the_socket_arrive_whole() {
    for (mode, net) in [("ring", "203"), ("loop", "204")] {
        let answers = race(mode, net, &["--subscribers", "3"], &["still:6:1000000:2"]);
        assert_eq!(complete(&answers[0], 3), 12);
    }
}

#[test]
fn over_tls_everything_is_delivered_as_well() {
    let commands = ["window:1:128:0.1", "window:16:1024:0.1", "connect:20"];
    let answers = race_against(floor_tls(), "208", &["--tls", "--subscribers", "20"], &commands);
    assert!(complete(&answers[0], 20) > 0 && complete(&answers[1], 20) > 0, "{answers:?}");
    assert!(answers[2]["rate"].as_f64().expect("a rate") > 0.0, "{answers:?}");
}

#[test]
fn connections_beyond_the_subscribers_upgrade() {
    let answers = race("ring", "205", &[], &["connect:100", "idle:10:30:0"]);
    assert!(answers[0]["rate"].as_f64().expect("a rate") > 0.0, "{answers:?}");
    assert!(answers[1]["bytes_per_connection"].is_number(), "{answers:?}");
}

#[test]
fn a_server_that_is_not_there_is_said_so() {
    let done = Command::new(env!("CARGO_BIN_EXE_race"))
        .args(["--dialect", "floor", "--server", "127.0.0.1:1", "window:1:128:0.1"])
        .output()
        .expect("race runs");
    let answer: Value = serde_json::from_slice(&done.stdout).expect("JSON");
    assert!(answer["failed"].as_str().is_some_and(|why| why.contains("refused")), "{answer}");
}
