//! TLS in the kernel, seen by clients of a running server. The tests that need a kernel with TLS
//! are ignored by default; scripts/test runs them under scripts/ktls-vm.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use rustls::crypto::aws_lc_rs::default_provider;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, HandshakeKind};
use serde_json::json;
use support::ws::{self, Client, FIN, TEXT};
use support::{PROGRAM, Server, tls, tools};

const KEYS: (u16, &str) = (1012, "New TLS keys are needed: reconnect");
const KEYS_CLOSE: &str = "reason=\"keys\"";

/// A server whose kernel does TLS, and a client's configuration.
fn start() -> (Server, Arc<ClientConfig>) {
    let server = Server::start("--auto-cert --ktls on --shards 1");
    let config = tls::config(&server, &TLS13, None);
    (server, config)
}

#[test]
#[ignore = "needs kernel TLS: runs under scripts/ktls-vm"]
fn every_version_and_suite_is_served_by_the_kernel() {
    let (server, _) = start();
    let mut clients = Vec::new();
    for suite in default_provider().cipher_suites {
        let version = if suite.tls13().is_some() { &TLS13 } else { &TLS12 };
        // The automatic certificate is ECDSA.
        if format!("{suite:?}").contains("RSA") {
            continue;
        }
        let mut client =
            Client::connect_secure(&server, &tls::config(&server, version, Some(suite)));
        client.subscribe("all");
        clients.push(client);
    }
    assert_eq!(clients.len(), 6);
    server.publish("all", r#"{"x":"to every one"}"#);
    for client in &mut clients {
        assert_eq!(client.message()["data"]["x"], "to every one");
        client.assert_alive();
    }
    server.wait_metric("tls_connections", "kernel", 6.0);
    assert_eq!(server.metric("uringcast_tls_fallbacks_total", ""), 0.0);
    for client in &mut clients {
        client.close_tls();
        assert_eq!(client.frame(), None, "close_notify");
    }
    support::until("the connections' end", || {
        (server.metric("tls_connections", "kernel") == 0.0).then_some(())
    });
}

#[test]
#[ignore = "needs kernel TLS: runs under scripts/ktls-vm"]
fn a_record_cut_by_the_handover_is_not_lost() {
    let (server, config) = start();
    let mut tls = tls::client(&config);
    let mut stream = TcpStream::connect(server.clients[0]).unwrap();
    while tls.is_handshaking() {
        tls.complete_io(&mut stream).unwrap();
    }
    let ping = json!({"type": "ping", "id": "early"}).to_string();
    let mut wire = Vec::new();
    for bytes in [
        ws::upgrade_request(server.clients[0], "").into_bytes(),
        ws::frame(FIN | TEXT, ping.as_bytes()),
        ws::frame(FIN | TEXT, ping.replace("early", "cut").as_bytes()),
    ] {
        tls.writer().write_all(&bytes).unwrap();
        tls.write_tls(&mut wire).unwrap();
    }
    let (now, later) = wire.split_at(wire.len() - 30);
    stream.write_all(now).unwrap();
    let mut answer = [0; 12];
    rustls::Stream::new(&mut tls, &mut stream).read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 101");
    stream.write_all(later).unwrap();
    let mut read = String::new();
    while !(read.contains("\"early\"") && read.contains("\"cut\"")) {
        let mut bytes = [0; 4_096];
        let got = rustls::Stream::new(&mut tls, &mut stream).read(&mut bytes).unwrap();
        assert_ne!(got, 0, "{read}");
        read += &String::from_utf8_lossy(&bytes[..got]);
    }
    server.wait_metric("tls_connections", "kernel", 1.0);
}

#[test]
#[ignore = "needs kernel TLS: runs under scripts/ktls-vm"]
fn a_key_update_is_followed_or_answered_by_an_orderly_close() {
    let (server, config) = start();
    let mut bystander = Client::connect_secure(&server, &config);
    let mut client = Client::connect_secure(&server, &config);
    client.tls().refresh_traffic_keys().unwrap();
    client.say(&json!({"type": "ping", "id": "new keys"}));
    let frame = client.frame().expect("an answer or a close frame");
    if frame.first == FIN | TEXT {
        server.wait_metric("uringcast_tls_key_updates_total", "", 1.0);
        client.assert_alive();
    } else {
        assert_eq!(frame.payload[..2], KEYS.0.to_be_bytes());
        assert_eq!(&frame.payload[2..], KEYS.1.as_bytes());
        assert_eq!(client.frame(), None, "close_notify");
        server.wait_metric("uringcast_closes_total", KEYS_CLOSE, 1.0);
    }
    bystander.assert_alive();
}

#[test]
#[ignore = "needs kernel TLS: runs under scripts/ktls-vm"]
fn session_tickets_are_sent_before_the_keys_go() {
    let (server, config) = start();
    Client::connect_secure(&server, &config).assert_alive();
    let mut again = Client::connect_secure(&server, &config);
    assert_eq!(again.tls().handshake_kind(), Some(HandshakeKind::Resumed));
    again.assert_alive();
}

#[test]
#[ignore = "needs kernel TLS: runs under scripts/ktls-vm"]
fn broken_records_and_alerts_end_their_connection_only() {
    let (server, config) = start();
    let mut bystander = Client::connect_secure(&server, &config);
    // Not sealed with the keys; longer than allowed; a fatal alert in the clear; cut by FIN.
    let noise = [&[23, 3, 3, 0, 40][..], &[7; 40]].concat();
    for (i, bytes) in
        [&noise[..], &[23, 3, 3, 0xff, 0xff, 0], &[21, 3, 3, 0, 2, 2, 40]].into_iter().enumerate()
    {
        let client = Client::connect_secure(&server, &config);
        let mut stream = client.stream();
        stream.write_all(bytes).unwrap();
        let mut rest = Vec::new();
        // The connection may end by an alert, FIN or reset.
        let _ = stream.read_to_end(&mut rest);
        server.wait_metric("websocket_connection_errors_total", "protocol", i as f64 + 1.0);
    }
    let client = Client::connect_secure(&server, &config);
    client.stream().write_all(&noise[..20]).unwrap();
    client.stream().shutdown(std::net::Shutdown::Write).unwrap();
    let _ = client.stream().read_to_end(&mut Vec::new());
    server.wait_metric("websocket_connection_errors_total", "reset", 1.0);
    bystander.assert_alive();
    assert!(tls::kernel_count("TlsDecryptError") > 0, "the kernel has seen the broken record");
}

/// Runs openssl's client: upgrades, then writes `command` to it. Returns all that it printed.
fn openssl(server: &Server, flags: &[&str], command: &str, until: &str) -> String {
    let mut child = Command::new("openssl")
        .args(["s_client", "-connect", &server.clients[0].to_string()])
        .args(flags)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    stdin.write_all(ws::upgrade_request(server.clients[0], "").as_bytes()).unwrap();
    let mut said = Vec::new();
    let mut read_until = |word: &str| {
        let mut bytes = [0; 4_096];
        while !String::from_utf8_lossy(&said).contains(word) {
            match stdout.read(&mut bytes).unwrap() {
                0 => break,
                got => said.extend_from_slice(&bytes[..got]),
            }
        }
        String::from_utf8_lossy(&said).into_owned()
    };
    assert!(read_until("session.created").contains("session.created"));
    stdin.write_all(command.as_bytes()).unwrap();
    let said = read_until(until);
    let _ = child.kill();
    said + &support::text(child.stderr.take().unwrap()) + &format!("{:?}", child.wait())
}

#[test]
#[ignore = "needs kernel TLS: runs under scripts/ktls-vm"]
fn openssls_key_update_is_followed_or_answered_by_an_orderly_close() {
    let test = "KeyUpdate of openssl";
    let (server, _) = start();
    if tools::program(test, "openssl").is_none() {
        return;
    }
    let said = openssl(&server, &["-tls1_3"], "K\n", KEYS.1);
    let followed = support::until("the KeyUpdate to be counted", || {
        let followed = server.metric("uringcast_tls_key_updates_total", "") == 1.0;
        let closed = server.metric("uringcast_closes_total", KEYS_CLOSE) == 1.0;
        (followed || closed).then_some(followed)
    });
    assert!(followed || said.contains(KEYS.1), "{said}");
}

#[test]
#[ignore = "needs kernel TLS: runs under scripts/ktls-vm"]
fn renegotiation_is_refused() {
    let test = "renegotiation";
    let (server, _) = start();
    if tools::program(test, "openssl").is_none() {
        return;
    }
    let said = openssl(&server, &["-tls1_2"], "R\n", "never said");
    assert!(said.contains("no renegotiation"), "{said}");
    server.wait_metric("websocket_connection_errors_total", "protocol", 1.0);
}

/// Whether a connection to a server with these flags is the kernel's, and the server's log.
fn mode(flags: &str) -> (bool, String) {
    let server = Server::start(&format!("--auto-cert --shards 1 {flags}"));
    let _client = Client::connect_secure(&server, &tls::config(&server, &TLS13, None));
    server.wait_metric("tls_connections", "", 1.0);
    (server.metric("tls_connections", "kernel") == 1.0, server.log())
}

#[test]
#[ignore = "needs kernel TLS: runs under scripts/ktls-vm"]
fn auto_takes_the_kernel_for_large_messages() {
    assert!(!mode("").0);
    let (kernel, log) = mode("--typical-message 16KiB");
    assert!(kernel, "{log}");
}

#[test]
fn auto_takes_user_space_for_small_messages_and_where_the_kernel_has_no_tls() {
    assert!(!mode("").0);
    let (kernel, log) = mode("--typical-message 16KiB");
    assert!(kernel || log.contains("no kernel TLS (modprobe tls)"), "{log}");
}

#[test]
fn on_refuses_to_start_without_it_and_says_what_to_do() {
    let run = |flags: &[&str]| {
        let mut command = Command::new(PROGRAM);
        command.env_clear().env("HOME", std::env::temp_dir()).args(support::FREE_PORTS);
        let output = command.args(flags).arg("--ktls=on").output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, said) = run(&[]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("ktls") && said.contains("without TLS"), "{said}");
    if !Path::new("/proc/net/tls_stat").exists() {
        let (code, said) = run(&["--auto-cert"]);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains("ktls") && said.contains("modprobe tls"), "{said}");
    }
}
