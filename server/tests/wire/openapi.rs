//! The control port conforms to its OpenAPI document: schemathesis tries it.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::process::{Command, Stdio};

use crate::support::{Server, http, tools};

/// So that there are tokens to revoke.
const AUTH: &str = "--auth-enabled optional --jwt-secret an-old-oak-in-the-meadow-of-1849";

/// Tries the requests of a document, which is at a URL or in a file, on a server. Returns `false`
/// if that was skipped, because the tools are missing.
fn tries(test: &str, server: &Server, document: &str, more: &[&str]) -> bool {
    let (Some(python), Some(_)) =
        (tools::python(test, "python"), tools::python(test, "schemathesis"))
    else {
        return false;
    };
    let scripts = tools::root().join("server/tests/scripts");
    let dir = tempfile::tempdir().unwrap();
    let output = Command::new(python)
        .args(["-m", "schemathesis.cli", "--config-file"])
        .arg(scripts.join("openapi.toml"))
        .args(["run", "--seed=1", "--max-examples=10", "--phases=coverage,fuzzing,stateful"])
        .arg("--no-color")
        .arg(format!("--url=http://{}", server.control))
        .args(more)
        .arg(document)
        .env("PYTHONPATH", &scripts)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("SCHEMATHESIS_HOOKS", "openapi_lines")
        .current_dir(dir.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = crate::support::text(&*output.stdout);
    assert!(output.status.success(), "{said}\n{}", crate::support::text(&*output.stderr));
    let count = |before: &str| -> usize {
        let line = said.lines().find_map(|line| line.trim().strip_prefix(before)).unwrap();
        line.split('/').next_back().unwrap().trim().parse().unwrap()
    };
    // One that takes no input may be left out.
    let (all, tried) = (count("Selected: "), count("Tested: "));
    assert!(all >= 20 && tried + 1 >= all, "not every operation was tried:\n{said}");
    true
}

#[test]
fn schemathesis_finds_nothing_that_the_document_does_not_say() {
    let server = Server::start(AUTH);
    let document = format!("http://{}/v1/openapi.json", server.control);
    let test = "schemathesis_finds_nothing_that_the_document_does_not_say";
    tries(test, &server, &document, &[]);
}

#[test]
fn the_document_holds_for_the_paths_of_a_service_and_with_a_key_too() {
    let key = "a-key-of-the-test";
    let server = Server::start(&format!("--preset=akosha --api-key={key} {AUTH}"));
    let document = http::get(server.control, "/v1/openapi.json").body;
    let mut document: serde_json::Value = serde_json::from_str(&document).unwrap();
    let paths = document["paths"].as_object_mut().unwrap();
    *paths = std::mem::take(paths)
        .into_iter()
        .map(|(path, operations)| match path.strip_prefix("/v1/") {
            Some(rest) if !["openapi.json", "services"].contains(&rest) => {
                (format!("/v1/services/akosha/{rest}"), operations)
            }
            _ => (path, operations),
        })
        .collect();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("openapi.json");
    std::fs::write(&file, document.to_string()).unwrap();
    let test = "the_document_holds_for_the_paths_of_a_service_and_with_a_key_too";
    let header = format!("X-API-Key: {key}");
    if !tries(test, &server, &file.to_string_lossy(), &["-H", &header]) {
        return;
    }
    // Without the key nothing went through.
    let tried = server.wait_metric("uringcast_api_requests_total", "code=\"202\"", 1.0);
    let named = "code=\"202\",key=\"default\"";
    assert_eq!(server.metric("uringcast_api_requests_total", named), tried);
}

#[test]
fn the_document_is_open_to_everybody() {
    let server = Server::start("");
    let answer = http::get(server.control, "/v1/openapi.json");
    assert_eq!(answer.status, 200);
    let document: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
}
