//! `verify` as a process, and what it reports.

use std::process::Command;

use serde_json::Value;

use super::{PROGRAM, Server};

/// The flags that find a server.
pub fn flags(server: &Server) -> String {
    flags_of(server, 0, server.metrics.port())
}

/// The flags that find a service of a server by its place, with this metrics port.
pub fn flags_of(server: &Server, place: usize, metrics: u16) -> String {
    let clients = server.clients[place].port();
    let (control, no) = (server.control.port(), if metrics == 0 { "--no-metrics" } else { "" });
    let metrics = if metrics == 0 { String::new() } else { format!("--metrics-port={metrics}") };
    format!("--port={clients} --control-port={control} {metrics} {no}")
}

/// `verify` with these flags.
pub fn command(flags: &str) -> Command {
    let mut command = Command::new(PROGRAM);
    command.env_clear().arg("verify").args(flags.split_whitespace());
    command
}

/// Runs it with `--json`. Returns the exit code and the report, which agree.
pub fn report(mut command: Command) -> (i32, Value) {
    let output = command.arg("--json").output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.is_empty(), "{said}");
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let code = output.status.code().expect("a code");
    let status = ["healthy", "degraded", "down"][code as usize];
    assert_eq!((&report["exit_code"], &report["status"]), (&code.into(), &status.into()));
    (code, report)
}

/// What it reported of a check.
pub fn verdict<'a>(report: &'a Value, check: &str) -> &'a Value {
    let checks = report["checks"].as_array().expect("checks");
    let found = checks.iter().find(|found| found["name"] == check);
    found.unwrap_or_else(|| panic!("no check {check} in {report:#}"))
}

/// Nothing is to be mended.
pub fn all_pass(report: &Value) {
    for check in report["checks"].as_array().expect("checks") {
        let fine = ["pass", "note"].iter().any(|fine| check["verdict"] == *fine);
        assert!(fine, "{check:#}");
    }
}
