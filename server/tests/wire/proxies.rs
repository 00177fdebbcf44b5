//! Clients behind proxies: the PROXY protocol, and nginx and haproxy with the configurations that
//! are shipped (server/packaging), of which only ports and paths are exchanged.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs::File;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use crate::common::pki::Authority;
use crate::support::sse::Stream;
use crate::support::tools::{self, program};
use crate::support::ws::{Client, TEXT};
use crate::support::{PATIENCE, Process, Server, until};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use serde_json::json;
use socket2::{Domain, Socket, Type};

/// Proxies connect from 127.0.0.1, and no client does.
const TRUSTING: &str = "--shards 2 --max-message-size 1KiB --trusted-proxies 127.0.0.1";
const V1: &[u8] = b"PROXY TCP4 203.0.113.7 10.0.0.1 52953 443\r\n";

/// A TCP connection from an address of this machine's loopback.
fn connect(from: [u8; 4], to: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((from, 0)).into()).unwrap();
    socket.connect(&to.into()).unwrap();
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// A client that has read its welcome.
fn welcomed(mut client: Client) -> Client {
    assert_eq!(client.message()["event"], "session.created");
    client
}

/// Makes the server close the connection for a fault, which it logs with the peer's address.
fn assert_seen_as(server: &Server, mut client: Client, address: &str) {
    client.send(TEXT, &[b'x'; 2_048]);
    assert_eq!(client.closed().0, 1009);
    let peer = format!("peer={address}:");
    until(&format!("{peer} in the log"), || server.log().contains(&peer).then_some(()));
}

#[test]
fn a_header_of_a_trusted_proxy_names_the_client() {
    let server = Server::start(&format!("{TRUSTING} --proxy-protocol"));
    let mut stream = connect([127, 0, 0, 1], server.clients[0]);
    stream.write_all(V1).unwrap();
    assert_seen_as(&server, welcomed(Client::upgrade(stream)), "203.0.113.7");
    // A peer that is no trusted proxy is a client like any other.
    let direct = connect([127, 0, 0, 9], server.clients[0]);
    assert_seen_as(&server, welcomed(Client::upgrade(direct)), "127.0.0.9");
}

/// A header of version 2 from 203.0.113.7, or with another command, family and block.
fn version2(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
    let fixed = [b"\r\n\r\n\0\r\nQUIT\n", &[command, family, 0, block.len() as u8][..]];
    [fixed.concat(), block.to_vec()].concat()
}

/// The `data` of the welcome behind a header and with further headers of the request.
fn welcome(server: &Server, header: &[u8], extra: &str) -> serde_json::Value {
    let mut stream = connect([127, 0, 0, 1], server.clients[0]);
    stream.write_all(header).unwrap();
    let request = crate::support::ws::upgrade_request(server.clients[0], extra);
    let mut client = Client::request_as(stream, None, &request);
    assert!(client.head().starts_with("HTTP/1.1 101 "));
    client.message()["data"].clone()
}

#[test]
fn a_health_check_of_a_proxy_is_accepted_whatever_family_it_names() {
    let server = Server::start(&format!("{TRUSTING} --proxy-protocol"));
    for (family, block) in [(0x11, &b""[..]), (0x21, &[1; 12]), (0x00, b""), (0xf7, b"more")] {
        assert_eq!(welcome(&server, &version2(0x20, family, block), "")["tls_mode"], "WS");
    }
    assert_eq!(server.settled("websocket_connection_errors_total", "\"proxy_header\""), 0.0);
}

#[test]
fn a_proxy_that_ends_tls_says_so() {
    const ADDRESSES: &[u8] = b"\xcb\0\x71\x07\x0a\0\0\x01\xce\xd9\x01\xbb";
    let server = Server::start(&format!("{TRUSTING} --proxy-protocol"));
    for (tlv, mode) in [(&b"\x20\0\x05\x01\0\0\0\0"[..], "WSS"), (b"", "WS")] {
        let header = version2(0x21, 0x11, &[ADDRESSES, tlv].concat());
        let data = welcome(&server, &header, "X-Forwarded-Proto: https\r\n");
        assert_eq!((&data["tls_mode"], &data["secure"]), (&json!(mode), &json!(mode == "WSS")));
    }
    let server = Server::start(TRUSTING);
    for (scheme, mode) in [("https", "WSS"), ("http", "WS")] {
        let extra = format!("X-Forwarded-For: 203.0.113.7\r\nX-Forwarded-Proto: {scheme}\r\n");
        assert_eq!(welcome(&server, b"", &extra)["tls_mode"], mode);
    }
    let untrusting = Server::start("");
    let data = welcome(&untrusting, b"", "X-Forwarded-Proto: https\r\n");
    assert_eq!(data["secure"], false, "only a trusted proxy is believed");
}

#[test]
fn a_proxy_without_its_header_is_closed_counted_and_logged() {
    let server = Server::start(&format!("{TRUSTING} --proxy-protocol --auto-cert"));
    for bytes in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"PROXY TCP4 one two 3 4\r\n"] {
        let mut stream = connect([127, 0, 0, 1], server.clients[0]);
        stream.write_all(bytes).unwrap();
        let mut answer = Vec::new();
        // Reset or closed: a peer of another protocol receives no answer.
        let _ = stream.read_to_end(&mut answer);
        assert!(answer.is_empty());
    }
    server.wait_metric("websocket_connection_errors_total", "\"proxy_header\"", 2.0);
    server.logged("without a good PROXY header");
}

#[test]
fn a_header_or_a_claim_of_anybody_else_is_not_believed() {
    let server = Server::start(&format!("{TRUSTING} --proxy-protocol"));
    let mut stream = connect([127, 0, 0, 9], server.clients[0]);
    stream.write_all(V1).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    let mut stream = connect([127, 0, 0, 9], server.clients[0]);
    let request =
        crate::support::ws::upgrade_request(server.clients[0], "X-Forwarded-For: 1.2.3.4\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    assert_seen_as(&server, welcomed(Client::requested(stream)), "127.0.0.9");
}

#[test]
fn the_limit_for_an_address_is_the_clients_and_not_the_proxys() {
    const ERRORS: &str = "websocket_connection_errors_total";
    let server = Server::start(&format!(
        "{TRUSTING} --proxy-protocol --max-connections-per-address 2 --max-connections 10"
    ));
    let through_the_proxy = |client: u8| {
        let mut stream = connect([127, 0, 0, 1], server.clients[0]);
        write!(stream, "PROXY TCP4 203.0.113.{client} 10.0.0.1 52953 443\r\n").unwrap();
        let mut client = Client::request(stream);
        let head = client.head();
        (head.split(' ').nth(1) == Some("101")).then(|| welcomed(client)).ok_or(head)
    };
    let mut inside: Vec<Client> = [7, 7, 8, 8, 9]
        .map(|client| through_the_proxy(client).unwrap_or_else(|h| panic!("{h}")))
        .into();
    for client in [7, 8] {
        let refused = through_the_proxy(client).err().expect("a third one");
        assert!(refused.starts_with("HTTP/1.1 429 "), "{refused}");
    }
    server.wait_metric(ERRORS, "max_per_address", 2.0);
    inside.push(through_the_proxy(9).unwrap_or_else(|head| panic!("{head}")));
    inside.iter_mut().for_each(Client::assert_alive);
    // A connection that closes frees a place for its own address.
    drop(inside.remove(0));
    until("a place for the first client", || through_the_proxy(7).ok());
    assert!(through_the_proxy(8).is_err());
}

#[test]
fn canaries_get_in_where_proxies_are_expected() {
    let server = Server::start(&format!("{TRUSTING} --proxy-protocol --canary-interval 100ms"));
    server.wait_metric("canary_latency_seconds_count", "", 2.0);
    assert_eq!(server.settled("websocket_connection_errors_total", ""), 0.0);
}

/// A proxy with a configuration of server/packaging.
struct Proxy {
    process: Process,
    dir: tempfile::TempDir,
    authority: Authority,
    ports: Vec<u16>,
}

impl Proxy {
    /// Starts it with a copy of the file, in which free ports replace those of the directives
    /// `listens`, and addresses of `servers` their ports.
    fn start(file: &str, listens: &[&str], servers: &[(u16, SocketAddr)]) -> Option<Proxy> {
        let test = "clients behind proxies";
        let name = file.split('.').next().unwrap();
        // Debian has them in a directory that only root's PATH has.
        let path = PathBuf::from("/usr/sbin").join(name);
        let binary = if path.exists() { path } else { program(test, name)? };
        let dir = tempfile::tempdir().unwrap();
        let text = std::fs::read_to_string(tools::root().join("server/packaging").join(file));
        let mut text = text.unwrap();
        let mut replace = |old: &str, new: &str| {
            assert!(text.contains(old), "{file} has no {old}");
            text = text.replace(old, new);
        };
        let listeners = listens.iter().map(|_| TcpListener::bind("127.0.0.1:0").unwrap());
        let listeners: Vec<_> = listeners.collect();
        let ports: Vec<u16> = listeners.iter().map(|l| l.local_addr().unwrap().port()).collect();
        for (listen, port) in listens.iter().zip(&ports) {
            let end = listen.chars().last().unwrap();
            let kept = listen.split_once(' ').unwrap().0;
            replace(listen, &format!("{kept} 127.0.0.1:{port}{end}"));
        }
        for (port, server) in servers {
            replace(&format!("127.0.0.1:{port}"), &server.to_string());
        }
        let here = dir.path().to_str().unwrap().to_owned();
        if name == "nginx" {
            replace("/run/nginx.pid", &format!("{here}/pid"));
            replace("/var/log/nginx", &here);
        }
        replace("/etc/uringcast", &here);
        let authority = Authority::new("proxies");
        write_certificate(dir.path(), &authority, "first");
        let config = dir.path().join(file);
        std::fs::write(&config, text).unwrap();
        drop(listeners);
        let log = File::create(dir.path().join("output")).unwrap();
        let mut command = Command::new(binary);
        match name {
            "nginx" => command.args(["-g", "daemon off;", "-e"]).arg(dir.path().join("error.log")),
            // A master with a worker, as in Debian's unit.
            _ => command.args(["-W", "-db"]),
        };
        command.arg(if name == "nginx" { "-c" } else { "-f" }).arg(config);
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let process = Process(command.spawn().unwrap());
        let proxy = Proxy { process, dir, authority, ports };
        for port in &proxy.ports {
            let listens = || TcpStream::connect((Ipv4Addr::LOCALHOST, *port)).ok();
            until(&format!("{file} to listen"), listens);
        }
        Some(proxy)
    }

    fn at(&self, place: usize) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.ports[place]).into()
    }

    /// A client from 127.0.0.`from`, over TLS or not; `None` when the proxy reaches no server.
    fn client(&self, from: u8, place: usize, tls: Option<&Arc<ClientConfig>>) -> Option<Client> {
        let stream = connect([127, 0, 0, from], self.at(place));
        let session = tls.map(crate::support::tls::client);
        let mut client = Client::request_over(stream, session);
        let head = client.head();
        if head.contains(" 503 ") || head.contains(" 502 ") {
            return None;
        }
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        assert_eq!(client.message()["data"]["secure"], tls.is_some(), "how the client came");
        Some(client)
    }

    fn trust(&self) -> Arc<ClientConfig> {
        trusting(&self.authority.pem())
    }

    /// Exchanges the certificate, has it read by `signal`, and waits until it is served.
    fn reload(&self, place: usize, signal: rustix::process::Signal) {
        write_certificate(self.dir.path(), &self.authority, "second");
        let pid = rustix::process::Pid::from_child(&self.process.0);
        let mut tries = 0;
        until("the new certificate", || {
            // A master that has just started loses signals.
            if tries % 100 == 0 {
                rustix::process::kill_process(pid, signal).unwrap();
            }
            tries += 1;
            let mut stream = TcpStream::connect(self.at(place)).ok()?;
            let mut session = crate::support::tls::client(&self.trust());
            while session.is_handshaking() {
                session.complete_io(&mut stream).ok()?;
            }
            let leaf = &session.peer_certificates().unwrap()[0];
            let (_, leaf) = x509_parser::parse_x509_certificate(leaf).unwrap();
            let name = leaf.subject().iter_common_name().next().unwrap().as_str().unwrap();
            (name == "second").then_some(())
        });
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for name in ["output", "error.log"] {
                let said = std::fs::read_to_string(self.dir.path().join(name));
                eprintln!("the proxy's {name}:\n{}", said.unwrap_or_default());
            }
        }
        // The master ends its workers on SIGTERM.
        let pid = rustix::process::Pid::from_child(&self.process.0);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = self.process.0.wait();
    }
}

fn write_certificate(dir: &Path, authority: &Authority, name: &str) {
    let issued = authority.server(&[name, "localhost"]);
    crate::common::file(dir, "chain.pem", &issued.cert);
    crate::common::file(dir, "key.pem", &issued.key);
    crate::common::file(dir, "haproxy.pem", &format!("{}{}", issued.cert, issued.key));
}

fn trusting(pem: &str) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config)
}

/// ws at the first port, wss at the second: clients are served, seen, and survive a reload.
fn serves_and_reloads(proxy: &Proxy, server: &Server, signal: rustix::process::Signal) {
    let trust = proxy.trust();
    let connect = |from, place| {
        let tls = (place == 1).then_some(&trust);
        until("somebody behind the proxy", || proxy.client(from, place, tls))
    };
    let mut live = [connect(7, 0), connect(7, 1)];
    for client in &mut live {
        client.subscribe("news");
    }
    proxy.reload(1, signal);
    server.publish("news", r#"{"x":1}"#);
    for client in &mut live {
        assert_eq!(client.message()["data"], json!({"x": 1}), "over the old worker");
        client.assert_alive();
    }
    for (from, place) in [(8, 0), (9, 1)] {
        let address = IpAddr::from([127, 0, 0, from]).to_string();
        assert_seen_as(server, connect(from, place), &address);
    }
}

#[test]
fn nginx_in_front_ends_tls_names_the_client_and_reloads() {
    let server = Server::start(TRUSTING);
    let servers = [(8765, server.clients[0])];
    let listens = ["listen 80;", "listen 443 "];
    let Some(proxy) = Proxy::start("nginx.conf", &listens, &servers) else { return };
    serves_and_reloads(&proxy, &server, rustix::process::Signal::HUP);
}

#[test]
fn nginx_in_front_passes_server_sent_events_on_as_they_come() {
    let server = Server::start(TRUSTING);
    let (listens, servers) = (["listen 80;", "listen 443 "], [(8765, server.clients[0])]);
    let Some(proxy) = Proxy::start("nginx.conf", &listens, &servers) else { return };
    let request = crate::support::sse::request(proxy.at(0), "channel=a&channel=b", "");
    let mut stream = until("somebody behind the proxy", || {
        let stream = Stream::send(connect([127, 0, 0, 7], proxy.at(0)), &request);
        (stream.status() == 200).then_some(stream)
    });
    stream.confirmed();
    for seq in (1..=3).map(|_| server.publish("a", "{}")) {
        assert_eq!(stream.message()["seq"], seq, "before the next is published");
    }
}

#[test]
fn haproxy_in_front_ends_tls_or_passes_it_through_names_the_client_and_reloads() {
    let server = Server::start(TRUSTING);
    let secure = Server::start(&format!("{TRUSTING} --proxy-protocol --auto-cert"));
    let servers = [(8765, server.clients[0]), (8775, secure.clients[0])];
    let listens = ["bind :80\n", "bind :443 ", "bind :8443\n"];
    let Some(proxy) = Proxy::start("haproxy.cfg", &listens, &servers) else { return };
    let trust = crate::support::tls::config(&secure, &rustls::version::TLS13, None);
    let mut live = proxy.client(7, 2, Some(&trust)).unwrap();
    serves_and_reloads(&proxy, &server, rustix::process::Signal::USR2);
    live.assert_alive();
    let again = proxy.client(6, 2, Some(&trust)).unwrap();
    assert_seen_as(&secure, again, "127.0.0.6");
    assert_eq!(secure.settled("websocket_connection_errors_total", "\"proxy_header\""), 0.0);
}
