//! The control port does what its OpenAPI document says: schemathesis tries.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::process::{Command, Stdio};

use support::{Server, http, tools};

#[test]
fn schemathesis_finds_nothing_that_the_document_does_not_say() {
    const TEST: &str = "schemathesis_finds_nothing_that_the_document_does_not_say";
    let (Some(python), Some(_)) =
        (tools::python(TEST, "python"), tools::python(TEST, "schemathesis"))
    else {
        return;
    };
    let server = Server::start("");
    let scripts = tools::root().join("server/tests/scripts");
    let dir = tempfile::tempdir().unwrap();
    let output = Command::new(python)
        .args(["-m", "schemathesis.cli", "--config-file"])
        .arg(scripts.join("openapi.toml"))
        .args(["run", "--seed=1", "--max-examples=10", "--phases=coverage,fuzzing,stateful"])
        .arg("--no-color")
        .arg(format!("http://{}/v1/openapi.json", server.control))
        .env("PYTHONPATH", &scripts)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("SCHEMATHESIS_HOOKS", "openapi_lines")
        .current_dir(dir.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = support::text(&*output.stdout);
    assert!(output.status.success(), "{said}\n{}", support::text(&*output.stderr));
    assert!(said.contains("Tested: 10"), "not every operation was tried:\n{said}");
}

#[test]
fn the_document_is_open_to_everybody() {
    let server = Server::start("");
    let answer = http::get(server.control, "/v1/openapi.json");
    assert_eq!(answer.status, 200);
    let document: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
}
