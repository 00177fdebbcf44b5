//! The whole program against a server with faults on demand.

#![allow(clippy::unwrap_used)]

mod support;

use std::process::{Command, Output};
use std::time::Duration;

use serde_json::Value;
use support::{Fault, Server};

/// 100 messages over two channels with two subscribers each.
const LOAD: [&str; 12] = [
    "--connections=4",
    "--channels=2",
    "--rate=200",
    "--duration=0.5",
    "--threads=2",
    "--source-addresses=2",
    "--json=-",
    "--assert=throughput>0",
    "--assert=p99<60s",
    "--assert=last.max<=60s",
    // A loaded machine is no fault of the server.
    "--max-lateness=60",
    "--quiet",
];

fn loadgen(url: &str, more: &[&str]) -> Output {
    let name = |flag: &str| flag.split('=').next().unwrap_or_default().to_owned();
    // A flag that is given replaces the one of the load; assertions add up.
    let usual = LOAD.iter().filter(|usual| {
        name(usual) == "--assert" || !more.iter().any(|flag| name(flag) == name(usual))
    });
    let mut command = Command::new(env!("CARGO_BIN_EXE_loadgen"));
    command.args(["--url", url]).args(usual).args(more).output().unwrap()
}

struct Ran {
    code: i32,
    run: Value,
    stderr: String,
}

impl Ran {
    fn count(&self, key: &str) -> u64 {
        self.run[key].as_u64().unwrap_or_else(|| panic!("{key} in {}", self.run))
    }

    fn microseconds(&self, distribution: &str, key: &str) -> f64 {
        self.run[distribution][key].as_f64().unwrap()
    }
}

fn run(fault: Fault, more: &[&str]) -> Ran {
    let server = Server::start(fault);
    report(&loadgen(&server.url, more))
}

fn report(output: &Output) -> Ran {
    let stderr = String::from_utf8(output.stderr.clone()).unwrap();
    let json: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    Ran { code: output.status.code().unwrap(), run: json["runs"][0].clone(), stderr }
}

#[test]
fn a_good_server_passes_with_every_delivery_counted() {
    let ran = run(Fault::None, &[]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!((ran.count("published"), ran.count("deliveries")), (100, 200));
    for fault in ["loss", "duplicates", "reordered", "misrouted", "refused", "disconnected"] {
        assert_eq!(ran.count(fault), 0, "{fault}");
    }
    assert_eq!(ran.run["latency"]["count"], 200);
    assert_eq!(ran.run["last"]["count"], 100);
    assert_eq!(ran.run["lateness"]["count"], 100);
}

#[test]
fn several_publishers_and_poisson_arrivals_are_checked_alike() {
    let ran = run(Fault::None, &["--publishers=3", "--arrivals=poisson", "--seed=5"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(ran.count("deliveries"), 2 * ran.count("published"));
    assert_eq!(ran.run["last"]["count"], ran.run["published"]);
}

#[test]
fn warm_up_is_delivered_but_not_measured() {
    let ran = run(Fault::None, &["--warmup=0.5"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!((ran.count("published"), ran.count("deliveries")), (200, 400));
    assert_eq!(ran.run["latency"]["count"], 200);
    assert_eq!(ran.run["last"]["count"], 100);
}

#[test]
fn large_payloads_arrive_whole_and_are_recognised() {
    let ran = run(Fault::None, &["--payload=100000"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(ran.count("deliveries"), 200);
}

#[test]
fn publishing_over_http_is_the_same_load() {
    let server = Server::start(Fault::None);
    let ran = report(&loadgen(&server.url, &["--publish=http", "--control-url", &server.control]));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(ran.count("deliveries"), 200);
}

#[test]
fn a_lost_message_is_caught() {
    let ran = run(Fault::Lose(50), &[]);
    assert_eq!((ran.code, ran.count("loss")), (1, 1), "{}", ran.stderr);
    assert!(ran.stderr.contains("1 deliveries lost"), "{}", ran.stderr);
    assert_eq!(ran.run["last"]["count"], 100, "the one without it was the last");
}

#[test]
fn the_very_last_message_lost_is_caught() {
    let ran = run(Fault::Lose(100), &[]);
    assert_eq!((ran.code, ran.count("loss")), (1, 1), "{}", ran.stderr);
}

#[test]
fn a_duplicate_is_caught_and_makes_up_for_no_loss() {
    let ran = run(Fault::Duplicate(50), &[]);
    assert_eq!((ran.code, ran.count("duplicates")), (1, 1), "{}", ran.stderr);
    assert_eq!((ran.count("loss"), ran.count("deliveries")), (0, 200));
}

#[test]
fn a_message_that_overtakes_is_caught() {
    let ran = run(Fault::Swap(50), &[]);
    assert_eq!((ran.code, ran.count("reordered")), (1, 1), "{}", ran.stderr);
    assert_eq!((ran.count("loss"), ran.count("duplicates")), (0, 0));
}

#[test]
fn a_closed_subscriber_is_reported_with_the_reason() {
    let ran = run(Fault::Close(51), &[]);
    assert_eq!((ran.code, ran.count("disconnected")), (1, 1), "{}", ran.stderr);
    assert_eq!(ran.count("loss"), 25, "the second half of its channel");
    let reasons = ran.run["disconnect_reasons"].to_string();
    assert!(reasons.contains("1013 slow consumer"), "{reasons}");
}

#[test]
fn a_stall_is_counted_from_the_intended_times() {
    let ran = run(Fault::Stall(40, Duration::from_millis(300)), &[]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    // The 60 messages due in the 300 ms wait for its end, however late everything else is: 20
    // of them at least 200 ms. Counted from the actual sends, or one at a time, it were one.
    assert!(ran.microseconds("latency", "max_us") >= 299_000.0, "{}", ran.run);
    assert!(ran.microseconds("latency", "p90_us") >= 200_000.0, "{}", ran.run);
    assert!(ran.microseconds("last", "p90_us") >= 200_000.0, "{}", ran.run);
}

#[test]
fn a_sender_that_is_held_up_hides_nothing() {
    // 300 MB a second: the server's standstill fills the buffers and blocks the publisher.
    let stall = Fault::Stall(40, Duration::from_millis(300));
    let ran = run(stall, &["--payload=1500000"]);
    assert_eq!((ran.code, ran.count("deliveries")), (0, 200), "{}", ran.stderr);
    assert!(ran.microseconds("lateness", "max_us") >= 100_000.0, "{}", ran.run);
    assert!(ran.microseconds("latency", "p90_us") >= 200_000.0, "{}", ran.run);
}

#[test]
fn refused_publishes_are_no_loss_but_are_told() {
    let ran = run(Fault::RefuseThird("BUSY"), &[]);
    assert_eq!((ran.code, ran.count("loss")), (0, 0), "{}", ran.stderr);
    assert_eq!(ran.run["publish_errors"]["BUSY"], ran.run["refused"]);
    assert_eq!((ran.count("refused"), ran.count("deliveries")), (33, 2 * 67));
}

#[test]
fn a_server_that_delivers_nothing_fails() {
    let ran = run(Fault::Mute, &[]);
    assert_eq!((ran.code, ran.count("loss")), (1, 200), "{}", ran.stderr);
    assert_eq!(ran.run["latency"]["count"], 200, "as long as nothing came");
}

#[test]
fn an_assertion_that_does_not_hold_is_exit_code_1() {
    let ran = run(Fault::None, &["--assert", "p50<1ns", "--assert", "throughput<1"]);
    assert_eq!((ran.code, ran.count("loss")), (1, 0));
    assert!(ran.stderr.contains("FAILED") && ran.stderr.contains("p50<1ns"), "{}", ran.stderr);
    assert!(ran.stderr.contains("throughput<1"), "{}", ran.stderr);
}

#[test]
fn what_the_operator_must_put_right_is_exit_code_2_with_a_remedy() {
    let refused = run(Fault::Refuse("FORBIDDEN"), &[]);
    assert_eq!(refused.code, 2);
    assert!(refused.stderr.contains("--anonymous-publish"), "{}", refused.stderr);

    let full = run(Fault::Full, &[]);
    assert_eq!(full.code, 2);
    assert!(full.stderr.contains("--max-connections"), "{}", full.stderr);

    let nobody = report(&loadgen("ws://127.0.0.1:1", &[]));
    assert_eq!(nobody.code, 2);
    let explained =
        nobody.stderr.contains("ws://127.0.0.1:1") && nobody.stderr.contains("--self-host");
    assert!(explained, "{}", nobody.stderr);

    let server = Server::start(Fault::None);
    for bad in [
        &["--connections=4000000"][..],
        &["--payload=1"],
        &["--assert=p98<1ms"],
        &["--publish=http"],
        &["--pin=1023"],
        &["--json=/no/such/directory/x"],
    ] {
        let ran = report(&loadgen(&server.url, bad));
        let flag = bad[0].split('=').next().unwrap();
        assert_eq!(ran.code, 2, "{bad:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(flag), "{bad:?}: {}", ran.stderr);
    }
}

#[test]
fn phases_of_a_plan_are_published_as_they_are_written() {
    let directory = tempfile::tempdir().unwrap();
    let plan = directory.path().join("plan.toml");
    let text = "[[phase]]\nduration = 0.2\nrate = 100\n[[phase]]\nduration = 0.2\nrate = 0\n\
        [[phase]]\nduration = 0.2\nrate = 0\nto-rate = 400\nname = 'rise'\n";
    std::fs::write(&plan, text).unwrap();
    let plan = plan.to_str().unwrap();
    let ran = run(Fault::None, &["--plan", plan, "--assert=phase.rise.published==40"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!((ran.count("published"), ran.count("deliveries")), (60, 120));
    let bad = report(&loadgen("ws://127.0.0.1:1", &["--plan", "/no/such/plan"]));
    assert!(bad.code == 2 && bad.stderr.contains("--plan /no/such/plan"), "{}", bad.stderr);
}

#[test]
fn those_that_leave_and_come_back_lose_nothing_that_was_due_to_them() {
    for scenario in ["--scenario=churn", "--scenario=storm"] {
        let more =
            ["--churn=40", "--duration=1", "--warmup=0", scenario, "--assert=upgrade.p99>0s"];
        let ran = run(Fault::None, &more);
        assert_eq!((ran.code, ran.count("loss")), (0, 0), "{scenario}: {}", ran.stderr);
        assert_eq!(ran.count("published"), 200);
        assert!(ran.count("deliveries") <= 400 && ran.count("deliveries") > 0, "{scenario}");
    }
}

#[test]
fn those_that_recover_get_what_they_missed_or_it_is_a_loss() {
    let flags = ["--scenario=recovery", "--duration=1", "--assert=recovered>0"];
    for more in [&flags[..], &[&flags[..], &["--channel-name=room.{number}.x"]].concat()] {
        let ran = run(Fault::None, more);
        assert_eq!((ran.code, ran.count("loss")), (0, 0), "{}", ran.stderr);
        assert_eq!((ran.count("published"), ran.count("deliveries")), (200, 400));
    }
    let ran = run(Fault::Forget, &["--scenario=recovery", "--duration=1"]);
    assert!(ran.code == 1 && ran.count("loss") > 0, "{}", ran.stderr);
    assert_eq!(ran.count("deliveries") + ran.count("loss"), 400);
}

#[test]
fn slow_subscribers_are_left_out_of_all_figures() {
    let ran = run(Fault::None, &["--slow=0.5", "--slow-mode=never"]);
    assert_eq!((ran.code, ran.count("loss")), (0, 0), "{}", ran.stderr);
    assert_eq!((ran.count("published"), ran.count("deliveries")), (100, 100));
}

#[test]
fn subscribers_of_several_channels_are_checked_in_each() {
    let ran = run(Fault::None, &["--scenario=rooms", "--channels=5", "--channels-per-client=5"]);
    assert_eq!((ran.code, ran.count("loss")), (0, 0), "{}", ran.stderr);
    assert_eq!((ran.count("published"), ran.count("deliveries")), (100, 400));
}

#[test]
fn subscribers_that_publish_are_checked_as_publishers_of_their_own() {
    for more in [&["--scenario=chat"][..], &["--publish=clients", "--channels-per-client=2"]] {
        let ran = run(Fault::None, more);
        assert_eq!((ran.code, ran.count("loss")), (0, 0), "{more:?}: {}", ran.stderr);
        let each = if more.len() == 1 { 2 } else { 4 };
        assert_eq!((ran.count("published"), ran.count("deliveries")), (100, 100 * each));
        assert_eq!(ran.run["last"]["count"], 100);
    }
    let refused = run(Fault::RefuseThird("BUSY"), &["--scenario=chat"]);
    assert_eq!((refused.code, refused.count("loss")), (0, 0), "{}", refused.stderr);
    assert_eq!((refused.count("refused"), refused.count("deliveries")), (33, 2 * 67));
}

#[test]
fn idle_connections_are_held_without_a_message() {
    let more = ["--scenario=idle", "--duration=0.3"];
    let server = Server::start(Fault::None);
    let mut command = Command::new(env!("CARGO_BIN_EXE_loadgen"));
    // The server is a thread of this process.
    let pid = format!("--server-pid={}", std::process::id());
    let base = ["--url", &server.url, "--connections=5", "--json=-", "--quiet", &pid];
    let ran = report(&command.args(base).args(more).output().unwrap());
    assert_eq!((ran.code, ran.count("published")), (0, 0), "{}", ran.stderr);
    for memory in ["own_memory", "server_memory"] {
        assert!(ran.run[memory]["after"].as_u64().unwrap() > 100_000, "{}", ran.run);
    }
}

#[test]
fn those_that_come_back_may_resume_their_tls_sessions() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start_with(Fault::None, Some(directory.path()));
    let storm = ["--insecure", "--scenario=storm", "--duration=1"];
    let ran = report(&loadgen(&server.url, &[&storm[..], &["--assert=tls.p50>0s"]].concat()));
    assert_eq!((ran.code, ran.count("loss")), (0, 0), "{}", ran.stderr);
    let resumed = ["--resume", "--assert=resumed.tls.p50>0s"];
    let ran = report(&loadgen(&server.url, &[&storm[..], &resumed].concat()));
    assert_eq!((ran.code, ran.count("loss")), (0, 0), "{}", ran.stderr);
}

#[test]
fn the_highest_rate_that_holds_is_found() {
    let flags = ["--scenario=find-max", "--rate=50", "--max-rate=100", "--duration=0.6"];
    let more = [&flags[..], &["--warmup=0.2", "--assert=published<=60"]].concat();
    let ran = run(Fault::None, &more);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.count("published") <= 60, "the report is of a rate that held");
    let search = ran.run["search"].as_array().unwrap();
    assert_eq!((&search[0]["rate"], &search[0]["outcome"]), (&50.0.into(), &"held".into()));
    // 0.8 s at 100 messages a second are 80.
    assert_eq!((&search[1]["rate"], &search[1]["outcome"]), (&100.0.into(), &"failed".into()));
    assert!(search[1]["reason"].as_str().unwrap().contains("published"), "{search:?}");
}

#[test]
fn wss_is_verified_by_the_ca_file_or_not_at_all() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start_with(Fault::None, Some(directory.path()));
    let ca_file = server.certificate.clone().unwrap();

    let ran = report(&loadgen(&server.url, &["--ca-file", ca_file.to_str().unwrap()]));
    assert_eq!((ran.code, ran.count("deliveries")), (0, 200), "{}", ran.stderr);

    let ran = report(&loadgen(&server.url, &["--insecure"]));
    assert_eq!((ran.code, ran.count("deliveries")), (0, 200), "{}", ran.stderr);
    assert!(ran.stderr.contains("NOT VERIFIED"), "{}", ran.stderr);

    let ran = report(&loadgen(&server.url, &[]));
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("--ca-file"), "{}", ran.stderr);

    let plain = server.url.replace("wss", "ws");
    assert_eq!(report(&loadgen(&plain, &[])).code, 2);
}
