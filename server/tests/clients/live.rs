//! The live page in headless Chromium: moving under load, tried out, read by axe-core.

use crate::support::Server;
use crate::support::nats::Nats;
use crate::support::tools::{run_client, run_client_with};

const SCRIPT: &str = "chromium_live.mjs";
/// The client that does not read is still there when a page on a slow machine looks for it.
const PATIENT: &str = "--log-frames=20000 --log-bytes=64MiB --keepalive-interval=10m";

#[test]
fn the_page_moves_under_load_and_what_it_publishes_comes_back() {
    let test = "the_page_moves_under_load_and_what_it_publishes_comes_back";
    run_client(test, SCRIPT, &Server::start(PATIENT));
}

#[test]
fn the_page_is_live_over_a_certificate_that_the_browser_trusts() {
    let test = "the_page_is_live_over_a_certificate_that_the_browser_trusts";
    run_client(test, SCRIPT, &Server::start(&format!("--auto-cert {PATIENT}")));
}

#[test]
fn the_page_asks_again_where_the_websocket_is_out_of_reach() {
    let test = "the_page_asks_again_where_the_websocket_is_out_of_reach";
    run_client_with(test, SCRIPT, &Server::start("--auto-cert"), &[("LIVE_MODE", "poll")]);
}

#[test]
fn the_page_asks_for_the_api_key_and_publishes_with_it() {
    let test = "the_page_asks_for_the_api_key_and_publishes_with_it";
    let server = Server::start("--api-key=0123456789abcdef");
    run_client_with(test, SCRIPT, &server, &[("LIVE_KEY", "0123456789abcdef")]);
}

#[test]
fn the_page_says_that_metrics_are_off_and_its_panel_serves() {
    let test = "the_page_says_that_metrics_are_off_and_its_panel_serves";
    run_client_with(test, SCRIPT, &Server::start("--no-metrics"), &[("LIVE_MODE", "off")]);
}

#[test]
fn the_page_shows_session_buddy_s_updates() {
    let test = "the_page_shows_session_buddy_s_updates";
    let server = Server::start("--preset=session-buddy");
    run_client_with(test, SCRIPT, &server, &[("LIVE_FEED", "1")]);
}

#[test]
fn the_page_shows_the_streams_of_a_cluster() {
    let test = "the_page_shows_the_streams_of_a_cluster";
    let Some(nats) = Nats::start(test) else { return };
    run_client_with(test, SCRIPT, &Server::start(&nats.flag()), &[("LIVE_CLUSTER", "1")]);
}

#[test]
#[ignore = "takes the pictures of docs/pictures: scripts/live-pictures"]
fn pictures_of_the_page() {
    let directory = std::env::var("SCREENSHOTS").expect("SCREENSHOTS, a directory");
    let server = Server::start("--canary-interval=1s");
    run_client_with("pictures_of_the_page", SCRIPT, &server, &[("SCREENSHOTS", &directory)]);
}
