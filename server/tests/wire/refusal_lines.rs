//! Every refusal and close is one line of the log that says who it was, where from, and why.

use std::io::Write as _;
use std::net::TcpStream;

use crate::common::pki;
use crate::support::ws::Client;
use crate::support::{Server, http, until, wss};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, get_current_timestamp};
use serde_json::{Value, json};

const SECRET: &str = "an-old-oak-in-the-meadow-of-1849";

fn token(claims: &Value) -> String {
    signed(claims, SECRET)
}

fn signed(claims: &Value, secret: &str) -> String {
    let key = EncodingKey::from_secret(secret.as_bytes());
    encode(&Header::new(Algorithm::HS256), claims, &key).expect("a token")
}

fn connect(server: &Server, place: usize) -> Client {
    Client::upgrade(TcpStream::connect(server.clients[place]).expect("connected"))
}

fn show(client: &mut Client, token: &str) -> Value {
    let data = json!({"token": token});
    client.ask(&json!({"type": "request", "event": "auth", "data": data}))
}

/// The first line with all of these.
fn line(server: &Server, parts: &[&str]) -> String {
    until("a line about it", || {
        let log = server.log();
        let mut lines = log.lines().filter(|line| parts.iter().all(|part| line.contains(part)));
        lines.next().map(String::from)
    })
}

#[test]
fn a_refused_token_is_a_line_with_user_address_and_reason_and_without_the_token() {
    let server = Server::start(&format!("--jwt-secret {SECRET}"));
    let now = get_current_timestamp();
    let stale = token(&json!({"sub": "ann", "exp": 1_000_000_000}));
    let other = token(&json!({"sub": "ann", "exp": now + 60, "aud": "app"}));
    let forged = signed(&json!({"sub": "ann", "exp": now + 60}), "another oak in another meadow");
    for (shown, user, cause) in [
        (&stale, "user=\"ann\"", "expired since 2001-09-09T01:46:40Z"),
        (&other, "user=\"ann\"", "its aud is \\\"app\\\", jwt_audience is not set"),
        (&forged, "code=4001", "wrong signature"),
    ] {
        let mut client = connect(&server, 0);
        let address = client.stream().local_addr().expect("an address").to_string();
        assert_eq!(show(&mut client, shown)["error_code"], "AUTH_FAILED");
        let line = line(&server, &["closing connection", &address]);
        assert!(line.contains(user) && line.contains(cause), "{line}");
        let named = line.contains("user=");
        assert_eq!(named, user.starts_with("user"), "a forged token names nobody: {line}");
    }
    // One that does not renew a session is a line too.
    let mut client = connect(&server, 0);
    let good = token(&json!({"sub": "ann", "exp": now + 60}));
    assert_eq!(show(&mut client, &good)["data"]["user_id"], "ann");
    client.message();
    assert_eq!(show(&mut client, &stale)["error_code"], "AUTH_FAILED");
    let renewal = line(&server, &["token refused", "cause=\"expired since"]);
    assert!(renewal.contains("user=\"ann\""), "{renewal}");
    let body = json!({"user": "ann"}).to_string();
    assert_eq!(http::post(server.control, "/v1/disconnect", &body).status, 200);
    line(&server, &["closing connection", "user=\"ann\"", "Disconnected by the service"]);
    let log = server.log();
    for token in [&stale, &other, &good] {
        let mut parts = token.split('.').skip(1);
        assert!(parts.all(|part| !log.contains(part)), "a part of a token is in the log");
    }
}

#[test]
fn what_a_setting_would_admit_is_a_line_that_names_it() {
    let plain = Server::start("");
    let refused = |server: &Server, sent: &[u8]| {
        let mut stream = TcpStream::connect(server.clients[0]).expect("connected");
        let address = stream.local_addr().expect("an address").to_string();
        stream.write_all(sent).expect("sent");
        line(server, &["no upgrade", &address])
    };
    let hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
    let logged = refused(&plain, hello);
    assert!(logged.contains("a TLS handshake, and this port serves ws"), "{logged}");
    let logged = refused(&plain, b"PROXY TCP4 192.0.2.7 192.0.2.1 1 2\r\nGET / HTTP/1.1\r\n\r\n");
    assert!(logged.contains("proxy_protocol or trusted_proxies"), "{logged}");
    let page = format!("https://{}.example", "p".repeat(400));
    let request = format!(
        "GET / HTTP/1.1\r\nHost: h\r\nOrigin: {page}\r\nUpgrade: websocket\r\n\
         Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    let logged = refused(&plain, request.as_bytes());
    assert!(logged.contains("setting=\"allowed_origin\""), "{logged}");
    assert!(logged.contains(&format!("origin=\"{}\"", &page[..256])), "{logged}");
    let logged = refused(&Server::start("--auto-cert"), b"GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    assert!(logged.contains("no TLS handshake, and this port serves wss"), "{logged}");
}

#[test]
fn lines_of_several_services_name_the_one() {
    let fleet = tempfile::NamedTempFile::with_suffix(".toml").expect("a file");
    let text = "[[service]]\nserver_name = \"one\"\nport = 0\nmetrics_port = 0\n\
                [[service]]\nserver_name = \"two\"\nport = 0\nmetrics_port = 0\n\
                max_connections = 1\n";
    std::fs::write(fleet.path(), text).expect("written");
    let flags = format!("--config {} --control-port 0", fleet.path().display());
    let server = Server::start_on(&flags);
    let mut inside = connect(&server, 1);
    inside.message();
    assert_eq!(connect(&server, 1).closed().0, 1013);
    line(&server, &["closing connection over a limit", "service=\"two\""]);
    let stranger = TcpStream::connect(server.clients[0]).expect("connected");
    let mut stranger = Client::request_as(stranger, None, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(stranger.head().starts_with("HTTP/1.1 426 "));
    line(&server, &["no upgrade", "service=\"one\""]);
}

#[test]
fn a_refused_client_certificate_is_a_line_that_says_why() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).expect("written");
        path.display().to_string()
    };
    let (root, ca) = (pki::Authority::new("root"), pki::Authority::new("clients"));
    let served = root.server(&["localhost"]);
    let flags = format!(
        "--cert-file {} --key-file {} --ca-file {} --verify-client --crl-file {}",
        file("cert.pem", &served.cert),
        file("key.pem", &served.key),
        file("ca.pem", &ca.pem()),
        file("crl.pem", &ca.revoke(&[2])),
    );
    let server = Server::start(&flags);
    let stranger = pki::Authority::new("strangers");
    for (certificate, why) in [
        (Some(ca.client(2, false)), "the client's certificate is revoked (crl_file)"),
        (Some(stranger.client(1, false)), "of an authority that ca_file does not name"),
        (None, "the client shows no certificate"),
    ] {
        let config = pki::client(&root.pem(), certificate.as_ref(), pki::BOTH);
        handshake(&server, config);
        line(&server, &["no upgrade", "peer=127.0.0.1:", why]);
    }
}

#[test]
fn a_client_whose_certificate_is_revoked_since_is_closed_on_reload_and_no_other() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = |name: &str| dir.path().join(name).display().to_string();
    let file = |name: &str, text: &str| {
        std::fs::write(path(name), text).expect("written");
        path(name)
    };
    let (root, ca) = (pki::Authority::new("root"), pki::Authority::new("clients"));
    let served = root.server(&["localhost"]);
    let flags = format!(
        "--cert-file {} --key-file {} --ca-file {} --verify-client --crl-file {} --access-log {}",
        file("cert.pem", &served.cert),
        file("key.pem", &served.key),
        file("ca.pem", &ca.pem()),
        file("crl.pem", &ca.revoke(&[9])),
        path("access.log"),
    );
    let server = Server::start(&flags);
    let connect = |serial, versions| {
        let config = pki::client(&root.pem(), Some(&ca.client(serial, false)), versions);
        wss::Client::connect(&server, &config.into()).expect("connected")
    };
    const TLS12: &[&rustls::SupportedProtocolVersion] = &[&rustls::version::TLS12];
    let mut stays = connect(1, pki::BOTH);
    let mut leave = [connect(2, pki::BOTH), connect(2, TLS12)];
    // In one move, as for any file that is followed.
    file("new.pem", &ca.revoke(&[9, 2]));
    std::fs::rename(path("new.pem"), path("crl.pem")).expect("renamed");
    for client in &mut leave {
        assert_eq!(client.closed(), (4006, "Client certificate revoked".into()));
    }
    let named = line(&server, &["closing connection", "code=4006"]);
    assert!(named.contains("certificate=\"client\""), "{named}");
    stays.say(&json!({"type": "ping"})).expect("written");
    assert_eq!(stays.message().expect("a message")["type"], "pong");
    let logged = until("its line of the access log", || {
        let text = std::fs::read_to_string(path("access.log")).expect("readable");
        text.lines().next().map(|line| serde_json::from_str::<Value>(line).expect("JSON"))
    });
    assert_eq!((&logged["certificate"], &logged["tls"]), (&json!("client"), &json!(true)));
    assert_eq!((&logged["code"], &logged["reason"]), (&json!(4006), &json!("certificate_revoked")));
}

/// A handshake that the server refuses, read to its end.
fn handshake(server: &Server, config: rustls::ClientConfig) {
    let name = "localhost".try_into().expect("a name");
    let mut tls = rustls::ClientConnection::new(config.into(), name).expect("a session");
    let mut stream = TcpStream::connect(server.clients[0]).expect("connected");
    let mut bytes = Vec::new();
    let _ = std::io::Write::write_all(&mut rustls::Stream::new(&mut tls, &mut stream), b"x");
    let _ = std::io::Read::read_to_end(&mut rustls::Stream::new(&mut tls, &mut stream), &mut bytes);
}
