//! `verify` and `doctor` with the server's configuration file, and what they leave behind.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::process::Command;

use crate::common::file;
use crate::support::verify::{all_pass, flags, verdict};
use crate::support::{PROGRAM, Server, free_ports};
use serde_json::Value;

/// Runs it with `--json`: the exit code, the reports, and standard error.
fn check(arguments: &str, home: &str) -> (i32, Vec<Value>, String) {
    let mut command = Command::new(PROGRAM);
    command.env_clear().env("XDG_STATE_HOME", home).args(arguments.split_whitespace());
    let output = command.arg("--json").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let reports = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    (output.status.code().unwrap(), reports, String::from_utf8(output.stderr).unwrap())
}

#[test]
fn verify_finds_ports_tls_and_keys_in_the_configuration() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().to_str().unwrap();
    let ports = free_ports(3);
    let key = file(dir.path(), "key", "a-key-of-the-test");
    let text = format!(
        "host = '0.0.0.0'\nport = {}\ncontrol_port = {}\nmetrics_port = {}\nauto_cert = true\n\
         api_key_file = '{key}'\ntrusted_proxies = '127.0.0.1'\nproxy_protocol = true\n\
         max_connections = 77\ncert_dir = '{home}'\ncanary_interval = '0'\n",
        ports[0], ports[1], ports[2]
    );
    let config = file(dir.path(), "u.toml", &text);
    let _server = Server::start_on(&format!("--config={config} --canary-interval=0s"));
    let (code, reports, err) = check(&format!("verify --config={config}"), home);
    assert_eq!((code, reports.len(), err.as_str()), (0, 1, ""), "{reports:#?}");
    all_pass(&reports[0]);
    assert_eq!(reports[0]["subject"], format!("wss://127.0.0.1:{}", ports[0]));
    for check in ["tls", "certificate", "broadcast", "key_file", "metrics"] {
        assert_eq!(verdict(&reports[0], check)["verdict"], "pass", "{:#}", reports[0]);
    }
    assert!(verdict(&reports[0], "broadcast")["found"].to_string().contains("over HTTP"));
    // A flag is stronger.
    let (_, reports, _) = check(&format!("verify --config={config} --host=localhost"), home);
    assert_eq!(reports[0]["subject"], format!("wss://localhost:{}", ports[0]));

    let (_, reports, err) = check(&format!("doctor --config={config}"), home);
    let subject = reports[0]["subject"].to_string();
    assert!(subject.contains("77 connections over TLS"), "{subject} {err}");
    let (_, reports, _) = check(&format!("doctor --config={config} --connections=5"), home);
    assert!(reports[0]["subject"].to_string().contains("for 5 connections"), "{reports:?}");

    let bad = file(dir.path(), "bad.toml", "prot = 1\n");
    for command in ["verify", "doctor"] {
        let (code, reports, err) = check(&format!("{command} --config={bad}"), home);
        assert_eq!((code, reports.len()), (2, 0));
        assert!(err.contains("error: prot") && err.contains("port"), "{err}");
    }
    let any = file(dir.path(), "any.toml", "port = 0\n");
    let (code, _, err) = check(&format!("verify --config={any}"), home);
    assert!(code == 2 && err.contains("port = 0") && err.contains("Give --port"), "{err}");
}

#[test]
fn verify_checks_each_service_of_the_configuration_or_the_one_with_the_port() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().to_str().unwrap();
    let ports = free_ports(4);
    let text = format!(
        "control_port = {}\nmetrics_port = {}\n[[service]]\nserver_name = 'a'\nport = {}\n\
         [[service]]\nserver_name = 'b'\nport = {}\n",
        ports[0], ports[1], ports[2], ports[3]
    );
    let config = file(dir.path(), "fleet.toml", &text);
    let _server = Server::start_on(&format!("--config={config}"));
    let (code, reports, err) = check(&format!("verify --config={config}"), home);
    assert_eq!((code, reports.len()), (0, 2), "{err}{reports:#?}");
    reports.iter().for_each(all_pass);
    let (code, reports, _) = check(&format!("verify --config={config} --port={}", ports[3]), home);
    assert_eq!((code, reports.len()), (0, 1), "{reports:#?}");
    let (code, _, err) = check(&format!("verify --config={config} --port=1"), home);
    assert!(code == 2 && err.contains("has no service with the --port"), "{err}");
}

#[test]
fn verify_leaves_no_reset_behind() {
    for tls in [false, true] {
        let server = Server::start(if tls { "--auto-cert --shards=1" } else { "--shards=1" });
        let mut all = flags(&server);
        if let Some(cert) = &server.cert {
            all += &format!(" --tls --ca-file={}", cert.display());
        }
        let (code, reports, err) = check(&format!("verify {all}"), "/nowhere");
        assert_eq!(code, 0, "{err}{reports:#?}");
        server.wait_metric("uringcast_closes_total", "peer_normal", 1.0);
        server.settle();
        assert_eq!(server.metric("uringcast_closes_total", ""), 1.0, "one session, closed well");
        assert_eq!(server.metric("websocket_connection_errors_total", ""), 0.0, "tls: {tls}");
        assert!(!server.log().contains("reset"), "{}", server.log());
    }
}
