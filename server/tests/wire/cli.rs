//! The program without a running server: exit codes and messages.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::net::TcpListener;
use std::process::{Command, Output};

use crate::common::file;
use uringcast_server::args::command;

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
    let (code, out, _) = run(&["serve", "--help"]);
    assert!(code == 0 && out.contains("URINGCAST_MAX_CONNECTIONS"), "{out}");
    let (code, out, _) = run(&["--help"]);
    assert_eq!((code, run(&["help"]).1), (0, out.clone()));
    let screen = out.lines().count() <= 36 && out.lines().all(|line| line.chars().count() <= 100);
    assert!(screen, "more than a screen: {out}");
    for command in command().get_subcommands() {
        let line = format!("\n  {:13}", command.get_name());
        assert!(out.contains(&line), "{} is not in {out}", command.get_name());
    }
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
fn a_flag_stands_before_or_behind_its_command_and_an_unknown_command_is_nearly_another() {
    let (code, out, _) = run(&["--port=0", "check-config", "--server-name=a", "--host=::1"]);
    assert!(code == 0 && out.contains("port = 0  # --port"), "{out}");
    assert!(out.contains("server_name = \"a\"  # --server-name"), "{out}");
    let (code, _, err) = run(&["--port=1", "serve", "--port=2"]);
    assert!(code == 2 && err.contains("--port is given twice"), "{err}");
    let (code, _, err) = run(&["--host=::1", "check-config", "--host=127.0.0.1", "--port=x"]);
    assert!(code == 2 && err.contains("port = \"x\" (--port)"), "{err}");
    let (code, _, err) = run(&["verfy"]);
    assert!(code == 2 && err.contains("'verify'"), "{err}");
    let (code, _, err) = run(&["presets", "mahavishnuu"]);
    assert!(code == 2 && err.contains("mahavishnu"), "{err}");
}

#[test]
fn check_config_prints_what_differs_from_the_defaults_and_as_json() {
    let dir = tempfile::tempdir().unwrap();
    let text = "port = 9000\nlog_age = '2m'\nserver_name = 'uringcast'\n\
                api_key = 'hunter2hunter2'\ntrusted_proxies = ['10.0.0.0/8']\n";
    let config = file(dir.path(), "u.toml", text);
    let all = ["check-config", "--config", &config, "--changed"];
    let (code, out, err) = run(&all);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    let lines: Vec<&str> =
        out.lines().filter(|line| !line.is_empty() && !line.starts_with("# ")).collect();
    let expected = ["port = 9000", "trusted_proxies = [\"10.0.0.0/8\"]", "log_age = \"2m\""];
    assert_eq!(lines, expected.map(|line| format!("{line}  # {config}")), "{out}");
    assert!(out.contains("# api_key = \"********\"") && !out.contains("hunter2"), "{out}");
    let again = file(dir.path(), "again.toml", &out);
    let (code, again, _) = run(&["check-config", "--config", &again, "--changed"]);
    assert!(code == 0 && again.contains("log_age = \"2m\""), "{again}");

    let (code, out, _) = run(&[&all[..], &["--json", "--shards=2"]].concat());
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    let of = |name: &str| json["settings"][name].clone();
    assert_eq!(code, 0);
    assert_eq!(of("port"), serde_json::json!({"value": 9000, "source": config}));
    assert_eq!(of("shards"), serde_json::json!({"value": 2, "source": "--shards"}));
    assert_eq!(of("trusted_proxies")["value"], serde_json::json!(["10.0.0.0/8"]));
    assert_eq!(
        (of("api_key")["value"].as_str(), of("server_name")),
        (Some("********"), json["x"].clone())
    );
    let (_, out, _) = run(&["check-config", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(json["settings"]["port"], serde_json::json!({"value": 8765, "source": "default"}));
    assert!(json["settings"]["jwt_issuer"]["value"].is_null(), "{out}");

    let fleet = "[[service]]\npreset = 'akosha'\n[[service]]\nserver_name = 'b'\nport = 8700\n";
    let config = file(dir.path(), "fleet.toml", fleet);
    let (code, out, err) = run(&["check-config", "--config", &config, "--changed", "--json"]);
    assert_eq!(code, 0, "{err}");
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(json["services"][0]["port"]["source"], "preset akosha", "{out}");
    assert_eq!(json["services"][1]["port"]["value"], 8700, "{out}");
    assert!(json["services"][1].get("max_connections").is_none(), "{out}");
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
