//! The project's own clients, in clients/: streams in the place of WebSockets, tabs, examples.

use crate::support::{Server, tools};

const SECRET: &str = "an-old-oak-in-the-meadow-of-1849";

#[test]
fn the_order_book_is_the_same_for_who_opens_early_and_late() {
    // The log is shorter than the book's history: a late page needs the state.
    let server = Server::start("--allowed-origin=* --log-frames=20");
    let test = "the_order_book_is_the_same_for_who_opens_early_and_late";
    tools::run_client(test, "chromium_order_book.mjs", &server);
}

#[test]
fn subscriptions_begin_with_what_they_ask_for_over_both_transports() {
    let test = "subscriptions_begin_with_what_they_ask_for_over_both_transports";
    for script in ["own_beginnings.mjs", "own_beginnings.py"] {
        let class = [("URINGCAST_CLASS", "keyed slow=latest")];
        tools::run_client(test, script, &Server::start_in("", &class));
    }
}

/// A server for clients of Server-Sent Events.
fn of_streams() -> Server {
    let flags = format!("--allowed-origin=* --auth-enabled=optional --jwt-secret={SECRET}");
    Server::start(&format!("{flags} --subscribe-permission=secret=s:read"))
}

#[test]
fn javascript_clients_hear_by_streams_what_they_hear_by_websockets() {
    let test = "javascript_clients_hear_by_streams_what_they_hear_by_websockets";
    tools::run_client(test, "stream_client.mjs", &of_streams());
    for runtime in ["node", "bun", "deno"] {
        tools::run_client_in(test, runtime, "stream_client.mjs", &of_streams());
    }
}

#[test]
fn pages_hear_by_streams_what_they_hear_by_websockets() {
    let test = "pages_hear_by_streams_what_they_hear_by_websockets";
    for browser in ["chromium", "firefox"] {
        tools::run_client_in(test, browser, "stream_client.mjs", &of_streams());
    }
}

#[test]
fn python_clients_hear_by_streams_what_they_hear_by_websockets() {
    let test = "python_clients_hear_by_streams_what_they_hear_by_websockets";
    tools::run_client(test, "own_streams.py", &of_streams());
}

#[test]
fn tabs_of_a_browser_share_a_connection() {
    let server = Server::start("--anonymous-publish --allowed-origin=*");
    tools::run_client("tabs_of_a_browser_share_a_connection", "chromium_shared.mjs", &server);
}
