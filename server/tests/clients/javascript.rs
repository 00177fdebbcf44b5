//! JavaScript clients: npm's `ws` and `undici`, and a page in headless Chromium.

use crate::support::Server;
use crate::support::tools::{run_client, run_client_with};

/// The page is on a port of its own.
const PAGES: &str = "--allowed-origin=*";

#[test]
fn node_ws_works_over_ws() {
    run_client("node_ws_works_over_ws", "ws_client.mjs", &Server::start(""));
}

#[test]
fn node_ws_works_over_wss() {
    run_client("node_ws_works_over_wss", "ws_client.mjs", &Server::start("--auto-cert"));
}

#[test]
fn undici_works_over_ws() {
    run_client("undici_works_over_ws", "undici_client.mjs", &Server::start(""));
}

#[test]
fn undici_works_over_wss() {
    run_client("undici_works_over_wss", "undici_client.mjs", &Server::start("--auto-cert"));
}

#[test]
fn a_page_in_chromium_works_over_ws() {
    run_client("a_page_in_chromium_works_over_ws", "chromium_client.mjs", &Server::start(PAGES));
}

#[test]
fn a_page_in_chromium_works_over_wss() {
    let server = Server::start(&format!("--auto-cert {PAGES}"));
    run_client("a_page_in_chromium_works_over_wss", "chromium_client.mjs", &server);
}

#[test]
fn a_page_in_chromium_works_over_each_version_of_tls() {
    let (test, script) =
        ("a_page_in_chromium_works_over_each_version_of_tls", "chromium_client.mjs");
    let only_13 = Server::start(&format!("--auto-cert --tls-min-version 1.3 {PAGES}"));
    run_client(test, script, &only_13);
    let server = Server::start(&format!("--auto-cert {PAGES}"));
    run_client_with(test, script, &server, &[("TLS_MAX", "tls1.2")]);
}
