//! The project's own clients, in clients/, through cuts, stalls, restarts and the ends of tokens:
//! each gets every message once and in order, or is told of the gap. What is sent is compressed in
//! a context that all share, for those that negotiate it, and every text is compared by its CRC.

use crate::support::storm::{Clients, storm};
use crate::support::{raise_descriptors, tools};

const SECRET: &str = "an-old-oak-in-the-meadow-of-1849";

/// Clients of Python, or of JavaScript in Node 20, which has no WebSocket of its own: `SOCKET`.
fn clients(test: &str, script: &str, count: usize, flags: &str, more: &[(&str, &str)]) {
    storm(test, flags, true, |proxy| {
        let command = tools::client_command(test, script);
        command.map(|command| Clients::start(command, proxy, count, more)).into_iter().collect()
    });
}

/// Clients of JavaScript in a runtime with a WebSocket of its own.
fn runs_in(test: &str, runtime: &str, script: &str, count: usize) {
    // Deno's own does not offer it.
    storm(test, "--allowed-origin=*", runtime != "deno", |proxy| {
        let command = tools::runtime(test, runtime, script);
        // One page of WebKit is driven at a time.
        let more = [("PER_PAGE", if runtime == "webkit" { "12" } else { "4" })];
        command.map(|command| Clients::start(command, proxy, count, &more)).into_iter().collect()
    });
}

#[test]
#[ignore = "takes two minutes: scripts/storm --kinds"]
fn python_clients_get_every_message_once_or_are_told() {
    let test = "python_clients_get_every_message_once_or_are_told";
    clients(test, "own_client.py", 60, "", &[]);
}

#[test]
#[ignore = "takes two minutes: scripts/storm --kinds"]
fn python_clients_over_aiohttp_get_every_message_once_or_are_told() {
    let test = "python_clients_over_aiohttp_get_every_message_once_or_are_told";
    clients(test, "own_client.py", 20, "", &[("SOCKET", "aiohttp")]);
}

#[test]
fn python_clients_renew_their_tokens_on_the_way() {
    let test = "python_clients_renew_their_tokens_on_the_way";
    let flags = format!("--auth-enabled true --jwt-secret {SECRET}");
    clients(test, "own_client.py", 20, &flags, &[("JWT_SECRET", SECRET)]);
}

#[test]
#[ignore = "takes two minutes: scripts/storm --kinds"]
fn javascript_clients_get_every_message_once_or_are_told() {
    let test = "javascript_clients_get_every_message_once_or_are_told";
    clients(test, "own_client.mjs", 30, "", &[("SOCKET", "ws")]);
    clients(test, "own_client.mjs", 30, "", &[("SOCKET", "undici")]);
}

#[test]
#[ignore = "takes two minutes: scripts/storm --kinds"]
fn javascript_clients_renew_their_tokens_on_the_way() {
    let test = "javascript_clients_renew_their_tokens_on_the_way";
    let flags = format!("--auth-enabled true --jwt-secret {SECRET}");
    let more = [("SOCKET", "ws"), ("JWT_SECRET", SECRET)];
    clients(test, "own_client.mjs", 20, &flags, &more);
}

#[test]
#[ignore = "takes two minutes: scripts/storm --kinds"]
fn clients_in_node_get_every_message_once_or_are_told() {
    let test = "clients_in_node_get_every_message_once_or_are_told";
    runs_in(test, "node", "own_client.mjs", 30);
}

#[test]
#[ignore = "takes two minutes: scripts/storm --kinds"]
fn clients_in_bun_get_every_message_once_or_are_told() {
    let test = "clients_in_bun_get_every_message_once_or_are_told";
    runs_in(test, "bun", "own_client.mjs", 30);
}

#[test]
#[ignore = "takes two minutes: scripts/storm --kinds"]
fn clients_in_deno_get_every_message_once_or_are_told() {
    let test = "clients_in_deno_get_every_message_once_or_are_told";
    runs_in(test, "deno", "own_client.mjs", 30);
}

#[test]
#[ignore = "takes two minutes: scripts/storm --kinds"]
fn pages_of_chromium_get_every_message_once_or_are_told() {
    let test = "pages_of_chromium_get_every_message_once_or_are_told";
    runs_in(test, "chromium", "browser_own.mjs", 12);
}

#[test]
#[ignore = "takes two minutes: scripts/storm --kinds"]
fn pages_of_firefox_get_every_message_once_or_are_told() {
    let test = "pages_of_firefox_get_every_message_once_or_are_told";
    runs_in(test, "firefox", "browser_own.mjs", 12);
}

#[test]
#[ignore = "takes two minutes: scripts/storm --kinds"]
fn a_page_of_webkit_gets_every_message_once_or_is_told() {
    let test = "a_page_of_webkit_gets_every_message_once_or_is_told";
    runs_in(test, "webkit", "browser_own.mjs", 12);
}

/// 1,000 clients of Python and 50 pages of Chromium, unless STORM_PYTHON and STORM_PAGES say
/// otherwise, with tokens that end on the way.
#[test]
#[ignore = "takes some minutes and much memory: scripts/storm"]
fn a_thousand_clients_and_fifty_pages_weather_a_storm() {
    const PROGRAMS: usize = 4;
    let test = "a_thousand_clients_and_fifty_pages_weather_a_storm";
    let number = |name: &str, default| {
        std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
    };
    let (python, pages) = (number("STORM_PYTHON", 1_000), number("STORM_PAGES", 50));
    raise_descriptors();
    // All come from one address; some are back before they are missed.
    let room = format!("--max-connections={}", 2 * (python + pages));
    let flags = format!("--allowed-origin=* --auth-enabled true --jwt-secret {SECRET} {room}");
    let more = [("JWT_SECRET", SECRET), ("LIFE", "20"), ("LIMIT", "1500")];
    storm(test, &flags, true, |proxy| {
        let script = || tools::client_command(test, "own_client.py").expect("Python");
        let browser = tools::runtime(test, "chromium", "browser_own.mjs").expect("Chromium");
        let start = |_| Clients::start(script(), proxy, python / PROGRAMS, &more);
        let mut all: Vec<Clients> = (0..PROGRAMS).map(start).collect();
        all.push(Clients::start(browser, proxy, pages, &more));
        all
    });
}
