//! What the load generator writes: JSON by its schema, HdrHistogram's formats as its Python port
//! reads them, and the page in a browser.

use std::path::Path;
use std::process::Command;

use crate::support::{Server, tools};

/// Runs loadgen against a server and has `a.json` and so on written to the directory.
fn measure(loadgen: &Path, server: &Server, directory: &Path, name: &str, more: &[&str]) {
    let file = |ending: &str| directory.join(format!("{name}.{ending}"));
    let output = Command::new(loadgen)
        .args(["--url", &format!("ws://{}", server.clients[0]), "--quiet"])
        .args(["--connections=20", "--rate=50", "--duration=6", "--warmup=1", "--threads=1"])
        .args(["--max-lateness=10"])
        .arg("--json")
        .arg(file("json"))
        .arg("--hgrm")
        .arg(file("hgrm"))
        .arg("--hlog")
        .arg(file("hlog"))
        .arg("--html")
        .arg(file("html"))
        .args(more)
        .output()
        .expect("loadgen runs");
    assert!(output.status.success(), "{output:?}");
}

/// Two runs, the second compared with the first.
fn measured(test: &str, directory: &Path) -> Option<Server> {
    let loadgen = tools::built(test, "loadgen")?;
    let server = Server::start("--anonymous-publish");
    measure(&loadgen, &server, directory, "before", &[]);
    let before = directory.join("before.json").display().to_string();
    measure(&loadgen, &server, directory, "now", &["--baseline", &before]);
    Some(server)
}

#[test]
fn files_are_as_their_readers_expect_and_the_page_is_fit_for_all() {
    const TEST: &str = "files_are_as_their_readers_expect_and_the_page_is_fit_for_all";
    let directory = tempfile::tempdir().expect("a directory");
    let Some(server) = measured(TEST, directory.path()) else { return };
    let reports = directory.path().display().to_string();
    let schema = tools::root().join("docs/loadgen-schema.json").display().to_string();
    let environment = [("REPORTS", &*reports), ("SCHEMA", &schema)];
    tools::run_client_with(TEST, "loadgen_files.py", &server, &environment);
    tools::run_client_with(TEST, "chromium_report.mjs", &server, &environment);
}

#[test]
#[ignore = "takes the pictures of docs/pictures: scripts/live-pictures"]
fn pictures_of_the_report() {
    const TEST: &str = "pictures_of_the_report";
    let pictures = std::env::var("SCREENSHOTS").expect("SCREENSHOTS, a directory");
    let directory = tempfile::tempdir().expect("a directory");
    let Some(server) = measured(TEST, directory.path()) else { return };
    let reports = directory.path().display().to_string();
    let environment = [("REPORTS", &*reports), ("SCREENSHOTS", &pictures)];
    tools::run_client_with(TEST, "chromium_report.mjs", &server, &environment);
}
