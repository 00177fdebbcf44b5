//! Tokens of another implementation, PyJWT, with keys of every kind; and keys that change.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::tools::{python, root, run_client_with};
use crate::support::{Server, until};

/// Runs the issuer, which makes its keys; `None` without Python.
fn keys(test: &str) -> Option<tempfile::TempDir> {
    let dir = tempfile::tempdir().expect("a directory");
    let script = root().join("server/tests/scripts/issuer.py");
    let output = Command::new(python(test, "python")?)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .arg(script)
        .arg(dir.path())
        .output()
        .expect("Python runs");
    assert!(output.status.success(), "{output:?}");
    Some(dir)
}

fn step(test: &str, server: &Server, keys: &Path, step: &str, key: &str) {
    let keys = keys.to_str().expect("UTF-8");
    let environment = [("KEYS", keys), ("STEP", step), ("KEY", key)];
    run_client_with(test, "token_client.py", server, &environment);
}

/// Replaces a file that the server reads, atomically.
fn replace(dir: &Path, with: &str) {
    fs::copy(dir.join(with), dir.join("jwks.new")).expect("copied");
    fs::rename(dir.join("jwks.new"), dir.join("jwks.json")).expect("renamed");
}

#[test]
fn tokens_of_every_algorithm_are_good_by_the_keys_of_a_jwks_file_that_may_change() {
    const TEST: &str = "tokens_of_every_algorithm_are_good_by_the_keys_of_a_jwks_file";
    let Some(dir) = keys(TEST) else { return };
    replace(dir.path(), "first.json");
    // Nothing but the file: a key file turns on authentication.
    let server = Server::start(&format!("--jwks-file={}/jwks.json", dir.path().display()));
    step(TEST, &server, dir.path(), "first", "");
    replace(dir.path(), "next.json");
    step(TEST, &server, dir.path(), "rotated", "");

    // On SIGHUP the file is read even if it has not changed.
    let reads = |server: &Server| server.log().matches("jwks_file read again").count();
    let before = reads(&server);
    server.hang_up();
    until("the file to be read again", || (reads(&server) > before).then_some(()));
    fs::write(dir.path().join("bad.json"), "{\"keys\": [").expect("written");
    replace(dir.path(), "bad.json");
    server.hang_up();
    until("the bad file to be told", || {
        server.log().contains("The keys of before stay in force").then_some(())
    });
    step(TEST, &server, dir.path(), "rotated", "");
}

#[test]
fn tokens_are_good_by_a_public_key_in_pem_form() {
    const TEST: &str = "tokens_are_good_by_a_public_key_in_pem_form";
    let Some(dir) = keys(TEST) else { return };
    for key in ["rsa", "ec", "ed"] {
        let path = dir.path().join(format!("{key}.pub.pem"));
        let server = Server::start(&format!("--jwt-public-key={}", path.display()));
        step(TEST, &server, dir.path(), "public key", key);
    }
}
