//! The same broadcasts over ws, over TLS in user space and over TLS in the kernel.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::net::TcpStream;

use socket2::{Domain, Socket, Type};
use support::tls;
use support::ws::{CLOSE, Client};
use support::{PATIENCE, Server};

/// Flags that every transport's server gets: a log that loses nothing of what the tests publish.
const FLAGS: &str = "--shards 2 --log-bytes 128MiB --max-message-size 1MiB";

fn with(flags: &str) -> Server {
    Server::start(&format!("{FLAGS} {flags}"))
}

/// A client with a small receive buffer.
fn narrow(server: &Server) -> Client {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(16 << 10).unwrap();
    socket.connect_timeout(&server.clients[0].into(), PATIENCE).unwrap();
    let session = (server.scheme == "wss")
        .then(|| tls::client(&tls::config(server, &rustls::version::TLS13, None)));
    let mut client = Client::request_over(TcpStream::from(socket), session);
    assert!(client.head().starts_with("HTTP/1.1 101 "));
    assert_eq!(client.message()["event"], "session.created");
    client
}

fn connect(server: &Server) -> Client {
    match server.scheme.as_str() {
        "ws" => Client::connect(server),
        _ => Client::connect_secure(server, &tls::config(server, &rustls::version::TLS13, None)),
    }
}

/// The guarantees of every transport.
fn broadcasts_keep_their_promises(server: &Server) {
    let mut healthy: Vec<Client> = (0..4).map(|_| connect(server)).collect();
    let mut slow = narrow(server);
    for client in healthy.iter_mut().chain([&mut slow]) {
        client.subscribe("news");
    }
    // Small ones in a row, which may travel joined, and one of many records.
    let long = format!("{{\"x\":\"{}\"}}", "x".repeat(300_000));
    let sent: Vec<String> = (0..50).map(|i| format!("{{\"x\":{i}}}")).chain([long]).collect();
    for data in &sent {
        server.publish("news", data);
    }
    let expect = |client: &mut Client, from: usize, data: &[String]| {
        for (i, data) in data.iter().enumerate() {
            let message = client.message();
            assert_eq!(message["seq"], from + i + 1);
            let got = message["data"].to_string();
            assert!(got == *data, "{}: not what was sent", from + i + 1);
        }
    };
    for client in &mut healthy {
        expect(client, 0, &sent);
        client.assert_alive();
    }
    // More than fits the slow one's socket: it falls behind, and loses nothing.
    let much: Vec<String> =
        (0..40).map(|i| format!("{{\"x\":\"{}\"}}", format!("{i:04}").repeat(60_000))).collect();
    for data in &much {
        server.publish("news", data);
        for client in &mut healthy {
            let got = client.message()["data"].to_string();
            assert!(got == *data);
        }
    }
    server.wait_metric("uringcast_laggards_total", "", 1.0);
    expect(&mut slow, 0, &sent);
    expect(&mut slow, sent.len(), &much);
    server.publish("news", r#"{"x":"live again"}"#);
    for client in healthy.iter_mut().chain([&mut slow]) {
        assert_eq!(client.message()["data"]["x"], "live again");
        client.send(CLOSE, &1000_u16.to_be_bytes());
        let close = client.frame().expect("a close frame");
        assert_eq!(close.payload[..2], 1000_u16.to_be_bytes());
        assert_eq!(client.frame(), None, "and the end, over TLS behind a close_notify");
    }
}

#[test]
fn broadcasts_over_ws() {
    broadcasts_keep_their_promises(&with(""));
}

/// One more connection is this kind of TLS, and none is another kind.
fn all_are(server: &Server, mode: &str) {
    let _one = connect(server);
    server.wait_metric("tls_connections", mode, 1.0);
    let all = server.metric("tls_connections", "");
    assert_eq!(server.metric("tls_connections", mode), all);
}

#[test]
fn broadcasts_over_tls_in_user_space() {
    let server = with("--auto-cert --ktls off");
    broadcasts_keep_their_promises(&server);
    all_are(&server, "user");
}

#[test]
#[ignore = "needs kernel TLS: runs under scripts/ktls-vm"]
fn broadcasts_over_tls_in_the_kernel() {
    let server = with("--auto-cert --ktls on");
    let (sealed, broken) = (tls::kernel_count("TlsTxSw"), tls::kernel_count("TlsDecryptError"));
    broadcasts_keep_their_promises(&server);
    all_are(&server, "kernel");
    assert!(tls::kernel_count("TlsTxSw") >= sealed + 5, "the kernel says that it did it");
    assert_eq!(tls::kernel_count("TlsDecryptError"), broken);
}
