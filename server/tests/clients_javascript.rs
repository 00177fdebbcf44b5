//! JavaScript clients: npm's `ws` and `undici`, and a page in headless Chromium.

mod support;

use support::{Server, tools::run_client};

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
    run_client("a_page_in_chromium_works_over_ws", "chromium_client.mjs", &Server::start(""));
}

#[test]
fn a_page_in_chromium_works_over_wss() {
    let server = Server::start("--auto-cert");
    run_client("a_page_in_chromium_works_over_wss", "chromium_client.mjs", &server);
}
