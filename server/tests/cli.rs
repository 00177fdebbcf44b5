//! The program without a running server: exit codes and messages.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::net::TcpListener;
use std::process::{Command, Output};

use common::file;

const PROGRAM: &str = env!("CARGO_BIN_EXE_uringcast-server");

fn run(arguments: &[&str]) -> (i32, String, String) {
    outcome(Command::new(PROGRAM).args(arguments).env_clear().output().unwrap())
}

fn outcome(output: Output) -> (i32, String, String) {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn help_and_version_are_no_errors() {
    let (code, out, _) = run(&["--help"]);
    assert!(code == 0 && out.contains("URINGCAST_MAX_CONNECTIONS"), "{out}");
    let out = out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(out.contains("serve, check-config, presets, verify, doctor"), "{out}");
    let (code, out, _) = run(&["--version"]);
    assert_eq!((code, out.trim()), (0, concat!("uringcast-server ", env!("CARGO_PKG_VERSION"))));
}

#[test]
fn verify_and_doctor_behind_flags_of_the_server_are_told_where_to_stand() {
    let dir = tempfile::tempdir().unwrap();
    let config = file(dir.path(), "u.toml", "");
    for (name, flags) in [("verify", ""), ("verify", "--tls"), ("doctor", "--connections=5")] {
        let flags = flags.split_whitespace();
        let arguments: Vec<&str> = ["--config", &config, name].into_iter().chain(flags).collect();
        let (code, out, err) = run(&arguments);
        assert_eq!((code, out.as_str()), (2, ""), "{arguments:?}");
        let words = format!("{name} comes first and has flags of its own");
        assert!(err.contains(&words), "{words:?} is not in {err:?}");
    }
    let (code, out, _) = run(&["--config", &config, "doctor", "--help"]);
    assert!(code == 0 && out.contains("Usage: uringcast-server"), "{out}");
}

#[test]
fn check_config_prints_and_exits_0_or_explains_and_exits_2() {
    let (code, out, err) = run(&["check-config", "--port", "0", "--api-key", "hunter2hunter2"]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.contains("port = 0  # --port") && !out.contains("hunter2"), "{out}");

    let dir = tempfile::tempdir().unwrap();
    let text = file(dir.path(), "text.pem", "not PEM at all");
    for (arguments, words) in [
        (vec!["--control-port=8765"], "error: control_port = 8765 (--control-port): is the"),
        (vec!["--cert-file", &text, "--key-file", &text], "error: cert_file = "),
        (vec!["--auto-cert"], "error: cert_dir: is not set, and neither is XDG_STATE_HOME"),
        (vec!["--port=x"], "error: port = \"x\" (--port): is not a port."),
        (vec!["--prot=1"], "--port"),
        (
            vec!["--coalesce=a=1s"],
            "error: coalesce = \"a=1s\" (--coalesce): has a time that is out of",
        ),
        (vec!["--coalesce=a=1s"], "Give a time from 1ms to 100ms."),
    ] {
        let (code, out, err) = run(&[&["check-config"], &arguments[..]].concat());
        assert_eq!((code, out.as_str()), (2, ""), "{arguments:?}");
        assert!(err.contains(words), "{words:?} is not in {err:?}");
    }
}

#[test]
fn too_low_a_limit_of_open_files_is_told_with_the_remedy() {
    let flags = "--port=0 --control-port=0 --metrics-port=0 --shards=1 --max-connections=5000";
    let script = format!("ulimit -n 200; exec {PROGRAM} {flags}");
    let output = Command::new("sh").args(["-c", &script]).env_clear().output().unwrap();
    let (code, _, err) = outcome(output);
    assert_eq!(code, 2, "{err}");
    for words in ["max_connections is 5000", "RLIMIT_NOFILE", "from 200", "LimitNOFILE="] {
        assert!(err.contains(words), "{words:?} is not in {err:?}");
    }
}

#[test]
fn a_client_port_in_use_is_told_with_the_remedy() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let port = format!("--port={}", address.port());
    let (code, out, err) = run(&[&port, "--control-port=0", "--metrics-port=0"]);
    assert_eq!((code, out.as_str()), (2, ""), "{err}");
    assert!(err.contains(&address.to_string()) && err.contains("choose another port"), "{err}");
}

#[test]
fn a_control_or_metrics_port_in_use_is_told_with_the_remedy() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    for setting in ["control", "metrics"] {
        let free = if setting == "control" { "--metrics-port=0" } else { "--control-port=0" };
        let flag = format!("--{setting}-port={port}");
        let (code, out, err) = run(&["--port=0", free, &flag]);
        assert_eq!((code, out.as_str()), (2, ""), "{err}");
        let words = format!("{setting}_port = {port} (--{setting}-port): cannot listen on");
        assert!(err.contains(&words) && err.contains("give another port"), "{err}");
    }
    let (code, _, err) = run(&["--port=0", "--metrics-port=0", "--metrics-host=192.0.2.1"]);
    assert!(code == 2 && err.contains("metrics_host") && err.contains("of this machine"), "{err}");
}
