//! Addresses to listen on: the wildcards of IPv4 and IPv6, and both.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::process::Command;

use crate::support::{FREE_PORTS, PATIENCE, PROGRAM, Server, http, ws};

/// Whether this machine has IPv6; without it there is nothing to test.
fn has_ipv6() -> bool {
    std::net::TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok()
}

fn loopbacks(port: u16) -> [SocketAddr; 2] {
    [IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()].map(|ip| (ip, port).into())
}

#[test]
fn the_wildcard_of_ipv6_takes_both_families_on_every_port() {
    if !has_ipv6() {
        return;
    }
    let all = "--host :: --control-host :: --metrics-host :: --api-key 0123456789abcdef";
    let server = Server::start(all);
    for address in loopbacks(server.clients[0].port()) {
        let stream = TcpStream::connect(address).expect("connected");
        ws::Client::upgrade(stream).message();
    }
    for port in [server.control.port(), server.metrics.port()] {
        for address in loopbacks(port) {
            let path = if port == server.control.port() { "/health" } else { "/metrics" };
            assert_eq!(http::get(address, path).status, 200, "{address}");
        }
    }
}

#[test]
fn a_client_of_ipv4_has_its_own_address_behind_the_wildcard_of_ipv6() {
    if !has_ipv6() {
        return;
    }
    let server = Server::start("--host :: --max-message-size 1KiB");
    let [address, _] = loopbacks(server.clients[0].port());
    let mut client = ws::Client::upgrade(TcpStream::connect(address).expect("connected"));
    client.message();
    client.send(ws::TEXT, &[b'x'; 2_048]);
    assert_eq!(client.closed().0, 1009);
    let peer = "peer=127.0.0.1:";
    crate::support::until(peer, || server.log().contains(peer).then_some(()));
}

#[test]
fn a_server_on_both_wildcards_listens_on_each() {
    if !has_ipv6() {
        return;
    }
    let port = crate::support::free_ports(1)[0];
    let flags =
        format!("--host :: --host 0.0.0.0 --port {port} {} {}", FREE_PORTS[1], FREE_PORTS[2]);
    let server = Server::start_on(&flags);
    assert_eq!(server.clients.len(), 2);
    for address in loopbacks(port) {
        let mut stream = TcpStream::connect(address).expect("connected");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream.write_all(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n").expect("written");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 200 "), "{address}: {answer}");
    }
}

#[test]
fn an_address_beside_the_wildcard_that_has_it_is_refused_by_name() {
    for (hosts, narrow) in [
        (["--host=0.0.0.0", "--host=127.0.0.1"], "127.0.0.1"),
        (["--host=127.0.0.1", "--host=0.0.0.0"], "127.0.0.1"),
        (["--host=::", "--host=::1"], "::1"),
    ] {
        let mut command = Command::new(PROGRAM);
        command.env_clear().arg("check-config").args(hosts);
        let output = command.output().expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains("host = ") && said.contains("has in it"), "{said}");
        assert!(said.contains(&format!("Leave {narrow} out.")), "{said}");
    }
}
