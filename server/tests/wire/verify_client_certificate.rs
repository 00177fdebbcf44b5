//! `verify` against a server that requires a client certificate, and such a server against clients
//! without one.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::process::Command;

use crate::common::file;
use crate::common::pki::{Authority, Issued};
use crate::support::{PROGRAM, Server};
use serde_json::Value;

/// Runs it. Returns the exit code and what it reported of `check`.
fn verify(flags: &str, check: &str) -> (i32, Value) {
    let mut command = Command::new(PROGRAM);
    command.env_clear().args(["verify", "--json"]).args(flags.split_whitespace());
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{said}"));
    let checks = report["checks"].as_array().unwrap();
    let found = checks.iter().find(|found| found["name"] == check).unwrap();
    (output.status.code().unwrap(), found.clone())
}

#[test]
fn where_a_client_certificate_is_demanded_one_is_shown_and_without_it_the_remedy_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let (authority, stranger) = (Authority::new("ours"), Authority::new("a stranger"));
    let ca = file(dir.path(), "ca.pem", &authority.pem());
    let served = authority.server(&["127.0.0.1"]).write(dir.path(), "server");
    let card = |issued: Issued, name| {
        let files = issued.write(dir.path(), name);
        let (cert, key) = (files.cert.display(), files.key.display());
        format!("--client-cert-file={cert} --client-key-file={key}")
    };
    let good = card(authority.client(1, false), "good");
    let over = card(authority.client(2, true), "over");
    let strange = card(stranger.client(3, false), "strange");
    let mixed = good.replace("good.key", "server.key");
    let (cert, key) = (served.cert.display(), served.key.display());
    let mut server = Server::start(&format!(
        "--cert-file={cert} --key-file={key} --ca-file={ca} --verify-client"
    ));
    let (clients, control) = (server.clients[0].port(), server.control.port());
    let metrics = server.metrics.port();
    let all = format!(
        "--port={clients} --control-port={control} --metrics-port={metrics} --tls --ca-file={ca}"
    );
    for (card, check, word) in [
        ("", "tls", "demands a client certificate"),
        ("", "tls", "Give --client-cert-file and --client-key-file"),
        (&over, "tls", "not accepted"),
        (&strange, "tls", "ca-file"),
        (&mixed, "connect", "client_key_file"),
    ] {
        let (code, found) = verify(&format!("{all} {card}"), check);
        assert_eq!((code, &found["verdict"]), (2, &"fail".into()), "{card}: {found:#}");
        assert!(found.to_string().contains(word), "{card}: {word}: {found:#}");
    }
    // Refused clients have no effect on the server.
    server.assert_running();
    for check in ["tls", "certificate", "welcome", "broadcast"] {
        let (code, found) = verify(&format!("{all} {good}"), check);
        assert_eq!((code, &found["verdict"]), (0, &"pass".into()), "{found:#}");
    }
}

#[test]
fn half_a_pair_is_not_understood() {
    let mut command = Command::new(PROGRAM);
    let output = command.args(["verify", "--tls", "--client-cert-file=x"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--client-key-file"));
}
