//! Another process on the clients' port.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::net::{SocketAddr, SocketAddrV4};
use std::os::fd::OwnedFd;

use crate::support::ws::Client;
use crate::support::{Server, http, until};
use rustix::net::{AddressFamily, SocketType, bind, listen, socket, sockopt};

/// Listens where the server does, as a process of the same user may.
fn join(address: SocketAddr) -> OwnedFd {
    let SocketAddr::V4(address) = address else { panic!("{address}") };
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    sockopt::set_socket_reuseport(&socket, true).unwrap();
    bind(&socket, &SocketAddrV4::new(*address.ip(), address.port())).unwrap();
    listen(&socket, 8).unwrap();
    socket
}

#[test]
fn a_process_that_joins_the_port_is_noticed() {
    let server = Server::start("--shards=2");
    let ready = || http::get(server.control, "/ready");
    let metric = "uringcast_foreign_listeners";
    Client::connect(&server).assert_alive();
    // The server has looked for others by then, and found none.
    server.settle();
    assert_eq!((ready().status, server.metric(metric, "")), (200, 0.0));
    let thief = join(server.clients[0]);
    let answer = until("the server to notice", || Some(ready()).filter(|a| a.status == 503));
    assert!(answer.body.contains(&server.clients[0].to_string()), "{}", answer.body);
    assert!(answer.body.contains("Another process listens"), "{}", answer.body);
    assert_eq!(server.metric(metric, ""), 1.0);
    server.logged("another process listens on this port too");
    drop(thief);
    until("the server to be ready again", || (ready().status == 200).then_some(()));
    assert_eq!(server.metric(metric, ""), 0.0);
}
