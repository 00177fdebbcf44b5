//! Clients of Server-Sent Events that others have made: Node's EventSource, Chromium's, curl.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::support::tools::{program, run_client};
use crate::support::{Process, Server};

/// The page is on a port of its own. Browsers come back soon.
const PAGES: &str = "--allowed-origin=* --reconnect-base=100ms";

#[test]
fn node_s_event_source_comes_back_and_has_every_message_once() {
    let test = "node_s_event_source_comes_back_and_has_every_message_once";
    run_client(test, "undici_events.mjs", &Server::start(PAGES));
}

#[test]
fn a_page_in_chromium_comes_back_and_has_every_message_once() {
    let test = "a_page_in_chromium_comes_back_and_has_every_message_once";
    run_client(test, "chromium_events.mjs", &Server::start(PAGES));
}

#[test]
fn a_page_in_chromium_comes_back_over_tls() {
    let test = "a_page_in_chromium_comes_back_over_tls";
    run_client(test, "chromium_events.mjs", &Server::start(&format!("--auto-cert {PAGES}")));
}

#[test]
fn curl_prints_what_is_published() {
    let Some(curl) = program("curl_prints_what_is_published", "curl") else { return };
    let server = Server::start("");
    let url = format!("http://{}/v1/sse?channel=a&channel=b", server.clients[0]);
    let mut child = Process(
        Command::new(curl).args(["-sSN", &url]).stdout(Stdio::piped()).spawn().expect("it runs"),
    );
    let mut lines = BufReader::new(child.0.stdout.take().expect("piped")).lines();
    let mut next = |what: &str| {
        let found = lines.find(|line| line.as_ref().is_ok_and(|line| line.contains(what)));
        found.unwrap_or_else(|| panic!("{what} is not printed")).expect("text")
    };
    next("session.created");
    next("id: ");
    server.publish("b", r#"{"text":"by curl"}"#);
    assert!(next("id: ").ends_with(":b=1"));
    assert!(next("by curl").starts_with("data: {"));
}
