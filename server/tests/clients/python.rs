//! Python clients: the original family's own, and PyPI's `websockets`.

use crate::support::{Server, tools::run_client};

#[test]
fn the_stock_client_works_over_ws() {
    let server = Server::start("");
    run_client("the_stock_client_works_over_ws", "stock_client.py", &server);
}

#[test]
fn the_stock_client_works_over_wss() {
    let server = Server::start("--auto-cert");
    run_client("the_stock_client_works_over_wss", "stock_client.py", &server);
}

#[test]
fn every_request_is_answered_over_ws() {
    let server = Server::start("--anonymous-publish");
    run_client("every_request_is_answered_over_ws", "raw_client.py", &server);
}

#[test]
fn every_request_is_answered_over_wss() {
    let server = Server::start("--anonymous-publish --auto-cert");
    run_client("every_request_is_answered_over_wss", "raw_client.py", &server);
}

#[test]
fn tokens_made_by_pyjwt_open_what_they_should() {
    let flags = "--auth-enabled true --jwt-secret an-old-oak-in-the-meadow-of-1849 \
                  --subscribe-permission workflow:=workflow:read,pool:=pool:read";
    let server = Server::start(flags);
    run_client("tokens_made_by_pyjwt_open_what_they_should", "auth_client.py", &server);
}
