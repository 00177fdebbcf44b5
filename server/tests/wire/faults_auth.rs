//! Clients that send no token or a bad one, have the wrong origin, or are too many. The table
//! in docs/PROTOCOL.md names these tests; every kind of bad token is in server/src/auth/tests.rs.

use std::io::Write;
use std::net::TcpStream;

use crate::support::ws::{Client, TEXT, upgrade_request};
use crate::support::{PATIENCE, Server, until};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, get_current_timestamp};
use serde_json::{Value, json};
use uringcast_engine::limits::MAX_AUTH_MESSAGE;

const ERRORS: &str = "websocket_connection_errors_total";
const SECRET: &str = "an-old-oak-in-the-meadow-of-1849";

fn server(flags: &str) -> Server {
    Server::start(&format!("--auth-enabled true --jwt-secret {SECRET} {flags}"))
}

fn signed(claims: Value) -> String {
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    encode(&Header::new(Algorithm::HS256), &claims, &key).expect("a token")
}

fn token(permissions: &[&str], seconds: u64) -> String {
    let exp = get_current_timestamp() + seconds;
    signed(json!({"user_id": "u1", "permissions": permissions, "exp": exp}))
}

fn auth(token: &str) -> Value {
    json!({"type": "request", "id": "a", "event": "auth", "data": {"token": token}})
}

fn connect(server: &Server) -> Client {
    Client::upgrade(TcpStream::connect(server.clients[0]).expect("connected"))
}

/// Sends an upgrade with further headers and reads the head of the answer.
fn upgrade_with(server: &Server, headers: &str) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(server.clients[0]).expect("connected");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let request = upgrade_request(server.clients[0], headers);
    stream.write_all(request.as_bytes()).expect("written");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        std::io::Read::read_exact(&mut stream, &mut byte).expect("an answer");
        head.push(byte[0]);
    }
    (stream, String::from_utf8(head).expect("text"))
}

#[test]
fn no_token_in_five_seconds_is_closed_with_4101() {
    let server = server("");
    let mut client = connect(&server);
    assert_eq!(client.message()["error_code"], "AUTH_REQUIRED");
    assert_eq!(client.closed(), (4101, "Authentication required".into()));
    server.wait_metric(ERRORS, "auth_missing", 1.0);
}

#[test]
fn a_first_frame_without_a_token_is_closed() {
    let server = server("");
    for (frame, code, closed, reason, label) in [
        (
            json!({"type": "ping"}),
            "AUTH_REQUIRED",
            4002,
            "Authentication required",
            "auth_required",
        ),
        (
            json!({"type": "request", "event": "auth", "data": {}}),
            "AUTH_FAILED",
            4001,
            "Authentication failed",
            "auth_missing",
        ),
    ] {
        let mut client = connect(&server);
        assert_eq!(client.ask(&frame)["error_code"], code);
        assert_eq!(client.closed(), (closed, reason.into()));
        server.wait_metric(ERRORS, label, 1.0);
    }
    let mut client = connect(&server);
    client.send(TEXT, b"hello?");
    assert_eq!(client.closed(), (4003, "Authentication error".into()));
    server.wait_metric(ERRORS, "auth_error", 1.0);
}

#[test]
fn a_first_frame_of_more_than_a_token_is_closed_with_1009() {
    let server = server("");
    let mut client = connect(&server);
    client.say(&auth(&"x".repeat(MAX_AUTH_MESSAGE)));
    assert_eq!(client.closed(), (1009, "Message too big".into()));
    server.wait_metric(ERRORS, "message_too_big", 1.0);
}

#[test]
fn a_bad_token_is_closed_with_4001() {
    let server = server("");
    let good = token(&[], 60);
    let stale = signed(json!({"user_id": "u1", "exp": get_current_timestamp() - 1}));
    for bad in ["", "x.y.z", &good[..good.len() - 2], &stale] {
        let mut client = connect(&server);
        let reply = client.ask(&auth(bad));
        assert_eq!(reply["error_code"], "AUTH_FAILED");
        assert_eq!(reply["error_message"], "Invalid or expired token");
        assert_eq!(client.closed(), (4001, "Authentication failed".into()));
    }
    server.wait_metric(ERRORS, "auth_failed", 4.0);
    assert!(!server.log().contains(&good[..20]), "no token in the log");
}

#[test]
fn a_token_that_expires_is_closed_with_4201_unless_renewed() {
    let server = server("");
    let mut client = connect(&server);
    client.say(&auth(&token(&[], 2)));
    assert_eq!(client.message()["data"]["user_id"], "u1");
    assert_eq!(client.message()["event"], "session.created");
    let reply = client.ask(&auth(&token(&[], 3)));
    assert_eq!(reply["data"]["status"], "authenticated");
    assert_eq!(client.closed(), (4201, "Token expired".into()));
    server.wait_metric(ERRORS, "token_expired", 1.0);
}

#[test]
fn the_family_s_clients_are_closed_with_1008() {
    for flags in ["--close-codes family", "--preset crackerjack"] {
        let server = server(flags);
        let mut client = connect(&server);
        assert_eq!(client.ask(&auth("x.y.z"))["error_code"], "AUTH_FAILED");
        assert_eq!(client.closed(), (1008, "Authentication failed".into()), "{flags}");
        server.wait_metric("uringcast_closes_total", r#"code="1008",reason="unauth"#, 1.0);
    }
}

#[test]
fn a_channel_without_its_permission_is_forbidden() {
    let server = server("--subscribe-permission workflow:=workflow:read");
    let mut client = connect(&server);
    client.say(&auth(&token(&["pool:read"], 60)));
    client.message();
    client.message();
    let reply = client.ask(&json!({"type": "subscribe", "room": "workflow:1"}));
    assert_eq!(reply["error_code"], "FORBIDDEN");
    assert_eq!(reply["error_message"], "Not authorized to subscribe to workflow:1");
    let data = json!({"channel": "c", "event": "e", "data": {}});
    let reply = client.ask(&json!({"type": "request", "event": "publish", "data": data}));
    assert_eq!(reply["error_code"], "FORBIDDEN");
    client.subscribe("open");
    server.wait_metric("websocket_message_errors_total", "forbidden", 2.0);
}

#[test]
fn a_page_of_an_origin_that_is_not_listed_is_answered_403() {
    let server = Server::start("--allowed-origin https://app.example.com");
    for (headers, status) in [
        ("Origin: https://app.example.com\r\n", "101"),
        ("Origin: https://app.example.com.evil.example\r\n", "403"),
        ("Origin: http://app.example.com\r\n", "403"),
        ("Origin: null\r\n", "403"),
        ("", "101"),
    ] {
        let (_stream, head) = upgrade_with(&server, headers);
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{headers} {head}");
    }
    server.wait_metric(ERRORS, "origin", 3.0);
    let open = Server::start("--allowed-origin *");
    let (_stream, head) = upgrade_with(&open, "Origin: https://any.example\r\n");
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
}

#[test]
fn without_a_list_pages_of_the_same_host_may_connect() {
    let server = Server::start("");
    let (own, control) = (server.clients[0], server.control);
    for (origin, status) in [
        (format!("http://{own}"), "101"),
        (format!("http://{control}"), "101"),
        (format!("http://localhost:{}", own.port()), "403"),
        ("https://evil.example".into(), "403"),
        ("null".into(), "403"),
    ] {
        let (_stream, head) = upgrade_with(&server, &format!("Origin: {origin}\r\n"));
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{origin} {head}");
    }
    Client::connect(&server).assert_alive();
}

#[test]
fn one_connection_too_many_from_an_address_is_answered_429() {
    let server = Server::start("--max-connections-per-address 2");
    let first = Client::connect(&server);
    let _second = Client::connect(&server);
    let (_stream, head) = upgrade_with(&server, "");
    assert!(head.starts_with("HTTP/1.1 429 "), "{head}");
    server.wait_metric(ERRORS, "max_per_address", 1.0);
    let passed = "limit_name=\"max_connections_per_address\" limit=2 value=3";
    server.logged(passed);
    drop(first);
    until("a place that is given back", || {
        upgrade_with(&server, "").1.starts_with("HTTP/1.1 101 ").then_some(())
    });
}

#[test]
fn one_subscription_too_many_is_refused() {
    let server = Server::start("--max-subscriptions 2");
    let mut client = Client::connect(&server);
    ["a", "b", "a"].iter().for_each(|channel| drop(client.subscribe(channel)));
    let reply = client.ask(&json!({"type": "subscribe", "room": "c"}));
    assert_eq!(reply["error_code"], "LIMIT_EXCEEDED");
    let said = "A connection may have 2 subscriptions (max_subscriptions)";
    assert_eq!(reply["error_message"], said);
    server.wait_metric("websocket_message_errors_total", "limit", 1.0);
    client.assert_alive();
}

#[test]
fn one_channel_too_many_is_refused() {
    let server = Server::start("--shards 1 --shard-channels 1 --anonymous-publish");
    let mut client = Client::connect(&server);
    client.subscribe("a");
    for request in [json!({"type": "subscribe", "room": "b"}), publish_request("b")] {
        let reply = client.ask(&request);
        assert_eq!(reply["error_code"], "LIMIT_EXCEEDED", "{reply}");
        assert_eq!(reply["error_message"], "The server has no room for another channel");
    }
    server.wait_metric("websocket_message_errors_total", "limit", 2.0);
    let [one, two] = ["a", "b"].map(|name| json!({"channel": name, "event": "e"}));
    for (what, body) in [
        ("POST /v1/publish", two.to_string()),
        ("POST /v1/publish", json!([one, two]).to_string()),
        ("POST /v1/publish/raw?channel=b&event=e", "{}".into()),
        ("PUT /v1/channels/b/status", json!({"status": 1}).to_string()),
    ] {
        let answer = crate::support::http::send(server.control, what, "", &body);
        assert_eq!(answer.status, 507, "{what}: {}", answer.body);
        assert!(!answer.head.to_ascii_lowercase().contains("retry-after"), "{}", answer.head);
        assert!(answer.body.contains(r#""code":"channel_limit""#), "{}", answer.body);
    }
    server.wait_metric("uringcast_channel_refusals_total", "", 6.0);
    assert_eq!(server.metric("uringcast_refused_total", ""), 0.0, "not saturated");
}

#[test]
fn a_connection_has_a_share_of_the_channels_that_nothing_was_published_to() {
    let server = Server::start("--shards 2 --shard-channels 32 --anonymous-publish");
    let mut client = Client::connect(&server);
    client.subscribe("a");
    let reply = client.ask(&json!({"type": "subscribe", "room": "b"}));
    assert_eq!(reply["error_code"], "LIMIT_EXCEEDED", "{reply}");
    let said = reply["error_message"].as_str().unwrap();
    assert!(said.starts_with("This connection is subscribed to as many channels"), "{said}");
    server.wait_metric("websocket_message_errors_total", "limit", 1.0);
    server.wait_metric("uringcast_channel_refusals_total", "", 1.0);
    // Another client publishes there, and then there is something to subscribe to.
    let mut other = Client::connect(&server);
    assert_eq!(other.ask(&publish_request("a"))["data"]["status"], "published");
    assert_eq!(client.message()["room"], "a");
    client.subscribe("b");
    client.assert_alive();
}

fn publish_request(channel: &str) -> Value {
    let data = json!({"channel": channel, "event": "e", "data": {}});
    json!({"type": "request", "event": "publish", "data": data})
}

#[test]
fn each_shard_has_as_many_channels_as_it_may() {
    let server = Server::start("--shards 2 --shard-channels 1 --anonymous-publish");
    let names: Vec<String> = (0..16).map(|n| n.to_string()).collect();
    let post = |name: &String| {
        let path = format!("/v1/publish/raw?channel={name}&event=e");
        crate::support::http::post(server.control, &path, "{}").status
    };
    let (taken, refused): (Vec<_>, Vec<_>) = names.iter().partition(|name| post(name) == 202);
    assert_eq!(taken.len(), 2, "of 16 channels each shard is home of some");
    // Whichever shard the client is on, its own is home of some and the other of some.
    let mut client = Client::connect(&server);
    for name in refused {
        assert_eq!(client.ask(&publish_request(name))["error_code"], "LIMIT_EXCEEDED");
    }
    for name in taken {
        assert_eq!(client.ask(&publish_request(name))["data"]["status"], "published");
    }
}

#[test]
fn a_client_over_its_bytes_is_read_later_and_kept() {
    let server = Server::start("--byte-rate 256KiB --message-rate 0");
    let mut client = Client::connect(&server);
    // Half a second's worth more than the burst.
    let large = json!({"type": "ping", "id": "x".repeat(256 << 10)});
    assert_eq!(client.ask(&large)["type"], "pong");
    assert_eq!(client.ask(&large)["type"], "pong");
    client.assert_alive();
    server.wait_metric("uringcast_byte_pauses_total", "", 1.0);
}
