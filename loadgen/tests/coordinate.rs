//! One load that several processes carry, against a server with faults on demand.

#![allow(clippy::unwrap_used)]

mod support;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use support::{Fault, Server};

const LOADGEN: &str = env!("CARGO_BIN_EXE_loadgen");

/// A worker's process, until it is dropped.
struct Worker {
    child: Child,
    address: String,
}

impl Worker {
    fn start(secret: Option<&Path>) -> Self {
        let mut command = Command::new(LOADGEN);
        command.args(["worker", "--listen=127.0.0.1:0"]).stdout(Stdio::piped());
        if let Some(path) = secret {
            command.arg("--secret-file").arg(path);
        }
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("loadgen worker listens on ").unwrap().to_owned();
        Self { child, address }
    }

    fn flag(&self) -> String {
        format!("--worker={}", self.address)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Both do nothing to one that has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn coordinate(url: &str, workers: &[&Worker], more: &[&str]) -> Command {
    let mut command = Command::new(LOADGEN);
    command
        .args(["coordinate", "--url", url, "--json", "--threads=2", "--max-lateness=60"])
        .args(workers.iter().map(|worker| worker.flag()))
        .args(more);
    command
}

fn run_of(output: &Output) -> Value {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    serde_json::from_slice::<Value>(&output.stdout).unwrap()["runs"][0].clone()
}

/// The worker's processes stay for the next run. All messages reach the subscribers of both: who
/// publishes and who receives is not the same process.
#[test]
fn what_one_worker_publishes_reaches_the_subscribers_of_all() {
    let (server, workers) = (Server::start(Fault::None), [(); 2].map(|()| Worker::start(None)));
    let workers = [&workers[0], &workers[1]];
    let load = ["--connections=9", "--channels=3", "--rate=200", "--duration=0.5", "--quiet"];
    for more in [
        &["--publishers=3", "--arrivals=poisson"][..],
        &["--scenario=chat"],
        &["--scenario=churn", "--churn=1"],
    ] {
        let more = [&load[..], more].concat();
        let run = run_of(&coordinate(&server.url, &workers, &more).output().unwrap());
        let count = |key: &str| run[key].as_u64().unwrap();
        assert!(count("published") > 50 && count("loss") == 0, "{run}");
        if !more.contains(&"--churn=1") {
            assert_eq!(count("deliveries"), 3 * count("published"), "{more:?} {run}");
            assert_eq!(run["last"]["count"], run["published"]);
            assert_eq!(run["latency"]["count"], run["deliveries"]);
        }
        let told = run["workers"].as_array().unwrap();
        let sum = |key: &str| told.iter().map(|one| one[key].as_u64().unwrap()).sum::<u64>();
        assert_eq!((told.len(), sum("connections"), sum("threads")), (2, 9, 4), "{run}");
        // On one machine the clocks run alike: what they differ by is within both bounds.
        for one in told {
            let (bound, drift) = (&one["clock_bound_us"], one["clock_drift_us"].as_f64().unwrap());
            assert!(drift.abs() <= 2.0 * bound.as_f64().unwrap(), "{run}");
        }
    }
}

#[test]
fn a_loss_is_found_whoever_was_due_the_message() {
    let (server, workers) = (Server::start(Fault::Lose(50)), [(); 2].map(|()| Worker::start(None)));
    let load = ["--connections=4", "--rate=200", "--duration=0.5", "--quiet"];
    let output = coordinate(&server.url, &[&workers[0], &workers[1]], &load).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let run = &report["runs"][0];
    assert_eq!((&run["loss"], &run["deliveries"]), (&1.into(), &399.into()), "{run}");
    assert_eq!(run["by_channel"][0]["loss"], 1, "{run}");
}

#[test]
fn a_search_and_a_plan_go_to_all_workers() {
    let (server, worker) = (Server::start(Fault::None), Worker::start(None));
    let search = ["--scenario=find-max", "--rate=50", "--max-rate=100", "--duration=0.4"];
    let more = [&search[..], &["--warmup=0.1", "--connections=4", "--quiet"]].concat();
    let run = run_of(&coordinate(&server.url, &[&worker], &more).output().unwrap());
    let rates: Vec<_> = run["search"].as_array().unwrap().iter().map(|one| &one["rate"]).collect();
    assert_eq!(rates, [&Value::from(50.0), &Value::from(100.0)], "{run}");
    assert_eq!(run["published"], 50, "0.5 s at the highest rate that held");

    let directory = tempfile::tempdir().unwrap();
    let plan = directory.path().join("plan.toml");
    let text = "connections = 4\n[[phase]]\nduration = 0.2\nrate = 100\nname = 'only'\n";
    std::fs::write(&plan, text).unwrap();
    let more = ["--plan", plan.to_str().unwrap(), "--assert=phase.only.published==20", "--quiet"];
    let run = run_of(&coordinate(&server.url, &[&worker], &more).output().unwrap());
    assert_eq!(run["deliveries"], 80, "{run}");
}

#[test]
fn who_does_not_know_the_secret_is_turned_away_and_told() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let (secret, other) =
        (file("a", "an-old-oak-in-the-meadow"), file("b", "another-old-oak-there"));
    let (server, worker) = (Server::start(Fault::None), Worker::start(Some(&secret)));
    let load = ["--connections=2", "--rate=50", "--duration=0.2", "--quiet", "--secret-file"];
    let with = |path: &Path| {
        let more = [&load[..], &[path.to_str().unwrap()]].concat();
        coordinate(&server.url, &[&worker], &more).output().unwrap()
    };
    let refused = with(&other);
    let stderr = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("--worker 127.0.0.1:") && stderr.contains("--secret-file"), "{stderr}");
    assert!(!stderr.contains("oak"), "{stderr}");
    assert_eq!(run_of(&with(&secret))["loss"], 0, "the worker goes on");

    let open = Command::new(LOADGEN).args(["worker", "--listen=0.0.0.0:0"]).output().unwrap();
    let stderr = String::from_utf8_lossy(&open.stderr);
    assert_eq!(open.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("--listen 0.0.0.0:0") && stderr.contains("--secret-file"), "{stderr}");
}

#[test]
fn a_worker_that_fails_is_named() {
    let (server, mut workers) = (Server::start(Fault::None), [(); 2].map(|()| Worker::start(None)));
    let load = ["--connections=4", "--rate=50", "--duration=600"];
    let mut command = coordinate(&server.url, &[&workers[0], &workers[1]], &load);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.contains("s left, 4 connected")), "it ended before it began");
    workers[1].child.kill().unwrap();
    let told: Vec<String> = lines.collect();
    assert_eq!(child.wait().unwrap().code(), Some(2), "{told:?}");
    assert!(told.iter().any(|line| line.contains(&workers[1].address)), "{told:?}");

    let refused = coordinate("ws://127.0.0.1:1", &[&workers[0]], &["--quiet"]).output().unwrap();
    let stderr = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2), "{stderr}");
    let named = stderr.contains(&workers[0].address) && stderr.contains("ws://127.0.0.1:1");
    assert!(named && stderr.contains("is the server running there?"), "{stderr}");

    let nobody = [&load[..], &["--worker=127.0.0.1:1"]].concat();
    let output = coordinate(&server.url, &[], &nobody).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("loadgen worker --listen 127.0.0.1:1"), "{stderr}");
}
