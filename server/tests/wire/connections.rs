//! Who is connected, where and why: what the control port tells of connections, channels and
//! services, and the lines about who had whom sent away.

use std::net::TcpStream;

use crate::common::file;
use crate::common::pki::Authority;
use crate::support::ws::{Client, upgrade_request};
use crate::support::{Server, http, tls, until};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, get_current_timestamp};
use serde_json::{Value, json};
use socket2::{Domain, Socket, Type};

const SECRET: &str = "an-old-oak-in-the-meadow-of-1849";

fn server(flags: &str) -> Server {
    Server::start(&format!("--shards=2 --auth-enabled optional --jwt-secret {SECRET} {flags}"))
}

/// The answer to a GET, with its status.
fn ask(server: &Server, path: &str) -> (u16, Value) {
    ask_with(server, "", path)
}

fn ask_with(server: &Server, key: &str, path: &str) -> (u16, Value) {
    let header = if key.is_empty() { String::new() } else { format!("X-API-Key: {key}\r\n") };
    let answer = http::send(server.control, &format!("GET {path}"), &header, "");
    (answer.status, serde_json::from_str(&answer.body).expect("JSON"))
}

/// A user's client and the id that it was welcomed with.
fn connect(server: &Server, user: &str) -> (Client, String) {
    connect_by(TcpStream::connect(server.clients[0]).expect("connected"), user)
}

fn connect_by(stream: TcpStream, user: &str) -> (Client, String) {
    let claims = json!({"user_id": user, "exp": get_current_timestamp() + 600});
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    let token = encode(&Header::new(Algorithm::HS256), &claims, &key).expect("a token");
    let header = format!("Authorization: Bearer {token}\r\n");
    let address = stream.peer_addr().expect("an address");
    let mut client = Client::request_as(stream, None, &upgrade_request(address, &header));
    assert!(client.head().starts_with("HTTP/1.1 101 "));
    let welcome = client.message();
    let id = welcome["data"]["connection_id"].as_str().expect("an id").to_owned();
    (client, id)
}

/// The ids of all that a search finds, page by page.
fn ids(server: &Server, search: &str) -> Vec<String> {
    let (mut all, mut cursor) = (Vec::new(), json!(0));
    while !cursor.is_null() {
        let (status, page) = ask(server, &format!("{search}cursor={cursor}"));
        assert_eq!(status, 200, "{page}");
        let ids = page["connections"].as_array().expect("a list").iter();
        all.extend(ids.map(|one| one["id"].as_str().expect("an id").to_owned()));
        cursor = page["next"].clone();
    }
    all.sort();
    all
}

fn sorted<const N: usize>(mut ids: [&String; N]) -> Vec<String> {
    ids.sort();
    ids.map(String::clone).into()
}

#[test]
fn connections_are_found_by_user_channel_and_address_page_by_page() {
    let server = server("");
    let (mut ann, ann_id) = connect(&server, "ann");
    let (mut bob, bob_id) = connect(&server, "bob");
    let (_other, other_id) = connect(&server, "ann");
    ann.subscribe("room:1");
    bob.subscribe("room:1");
    bob.subscribe("room:ä/2");
    let all = sorted([&ann_id, &bob_id, &other_id]);
    for limit in ["", "limit=1&", "limit=2&", "limit=100&"] {
        assert_eq!(ids(&server, &format!("/v1/connections?{limit}")), all, "{limit}");
    }
    let at = ann.stream().local_addr().expect("an address");
    for (search, found) in [
        ("/v1/connections?user=ann&", sorted([&ann_id, &other_id])),
        ("/v1/connections?channel=room:1&", sorted([&ann_id, &bob_id])),
        ("/v1/connections?channel=room:1&user=ann&", sorted([&ann_id])),
        ("/v1/channels/room:1/subscribers?limit=1&", sorted([&ann_id, &bob_id])),
        ("/v1/channels/room:%C3%A4%2F2/subscribers?", sorted([&bob_id])),
        ("/v1/connections?address=127.0.0.1&", all.clone()),
        ("/v1/connections?address=127.0.0.0/8&", all),
        (&*format!("/v1/connections?address={at}&"), sorted([&ann_id])),
        ("/v1/connections?address=::1&", vec![]),
        ("/v1/connections?user=nobody&", vec![]),
        ("/v1/channels/nothing/subscribers?", vec![]),
        ("/v1/connections?behind=0&", vec![]),
    ] {
        assert_eq!(ids(&server, search), found, "{search}");
    }
    for bad in ["limit=0", "limit=101", "address=here", "behind=-1", "who=x", "channel=%01"] {
        assert_eq!(ask(&server, &format!("/v1/connections?{bad}")).0, 400, "{bad}");
    }
}

#[test]
fn a_connection_tells_who_it_is_and_what_it_may_do() {
    let server = server("--message-rate 50 --byte-rate 1MiB");
    let (mut client, id) = connect(&server, "ann");
    client.subscribe("room:1");
    let (status, one) = ask(&server, &format!("/v1/connections/{id}"));
    assert_eq!(status, 200, "{one}");
    let address = client.stream().local_addr().expect("an address").to_string();
    for (name, value) in [
        ("id", json!(id)),
        ("service", json!("uringcast")),
        ("user", json!("ann")),
        ("address", json!(address)),
        ("tls", Value::Null),
        ("kernel_tls", json!(false)),
        ("subscriptions", json!(1)),
        ("channels", json!([{"name": "room:1", "unread": 0}])),
        ("client_certificate", Value::Null),
        ("state", json!("live")),
        ("owed", json!(0)),
        ("laggard_since", Value::Null),
        ("skipped", json!(0)),
        ("conflated", json!(0)),
        ("paused", json!(false)),
    ] {
        assert_eq!(one[name], value, "{name} of {one}");
    }
    let since = one["since"].as_str().expect("a time").parse::<jiff::Timestamp>().expect("a time");
    let age = jiff::Timestamp::now().as_second() - since.as_second();
    assert!((0..300).contains(&age), "{one}");
    let rates = &one["rates"];
    assert_eq!(
        (&rates["messages_per_second"], &rates["bytes_per_second"]),
        (&json!(50), &json!(1 << 20))
    );
    assert!(rates["messages_left"].as_u64().is_some_and(|left| left <= 75), "{one}");

    let (status, none) = ask(&server, "/v1/connections/no-id");
    assert_eq!((status, &none["error"]["code"]), (404, &json!("unknown_connection")));
    let gone = http::post(server.control, "/v1/disconnect", &json!({"connection": id}).to_string());
    assert_eq!(gone.body, r#"{"disconnected":1}"#);
    until("it to be gone", || {
        (ask(&server, &format!("/v1/connections/{id}")).0 == 404).then_some(())
    });
}

#[test]
fn a_connection_over_tls_tells_the_version() {
    let server = Server::start("--auto-cert");
    for (version, named) in [(&rustls::version::TLS12, "1.2"), (&rustls::version::TLS13, "1.3")] {
        let client = Client::connect_secure(&server, &tls::config(&server, version, None));
        let address = client.stream().local_addr().expect("an address");
        let (_, found) = ask(&server, &format!("/v1/connections?address={address}"));
        assert_eq!(found["connections"][0]["tls"], named, "{found}");
    }
}

#[test]
fn a_connection_tells_the_common_name_of_its_certificate() {
    let dir = tempfile::tempdir().expect("a directory");
    let authority = Authority::new("ours");
    let ca = file(dir.path(), "ca.pem", &authority.pem());
    let served = authority.server(&["localhost"]).write(dir.path(), "server");
    let (cert, key) = (served.cert.display(), served.key.display());
    let server = Server::start(&format!("--cert-file={cert} --key-file={key} --ca-file={ca}"));
    let own = authority.client(1, false);
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let config = tls::with_certificate(&authority.pem(), (&own.cert, &own.key), version);
        let client = Client::connect_secure(&server, &config);
        let address = client.stream().local_addr().expect("an address");
        let (_, found) = ask(&server, &format!("/v1/connections?address={address}"));
        let id = found["connections"][0]["id"].as_str().expect("an id");
        let (_, one) = ask(&server, &format!("/v1/connections/{id}"));
        assert_eq!(one["client_certificate"], "client", "{one}");
    }
}

#[test]
fn a_laggard_is_found_with_what_it_is_owed_and_since_when() {
    let server = server("--log-bytes 64MiB --log-frames 100000");
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.set_recv_buffer_size(4096).expect("a small buffer");
    socket.connect(&server.clients[0].into()).expect("connected");
    let (mut slow, id) = connect_by(socket.into(), "sam");
    let (mut other, _) = connect(&server, "ann");
    slow.subscribe("flood");
    other.subscribe("calm");
    let large = format!(r#"{{"x":"{}"}}"#, "x".repeat(60_000));
    let found = until("the slow consumer to be found", || {
        server.publish("flood", &large);
        let (_, page) = ask(&server, "/v1/connections?behind=65536");
        page["connections"].as_array().expect("a list").first().cloned()
    });
    assert_eq!((&found["id"], &found["user"]), (&json!(id), &json!("sam")), "{found}");
    assert!(found["owed"].as_u64().is_some_and(|owed| owed >= 65_536), "{found}");
    assert_eq!(found["state"], "waiting", "{found}");
    assert!(found["laggard_since"].as_str().is_some_and(|at| at.ends_with('Z')), "{found}");
    let (_, one) = ask(&server, &format!("/v1/connections/{id}"));
    assert!(one["channels"][0]["unread"].as_u64().is_some_and(|unread| unread > 0), "{one}");
    assert_eq!(ids(&server, "/v1/connections?behind=0&user=ann&"), Vec::<String>::new());
    other.assert_alive();
}

#[test]
fn a_channel_and_a_service_tell_what_they_hold() {
    let server = server("--max-connections 7 --canary-interval 1s");
    let (mut one, _) = connect(&server, "ann");
    let (mut two, _) = connect(&server, "bob");
    one.subscribe("room:1");
    two.subscribe("room:1");
    two.subscribe("room:2");
    server.publish("room:1", "{}");
    server.publish("room:1", "{}");
    let (status, channel) = ask(&server, "/v1/channels/room:1");
    assert_eq!(status, 200, "{channel}");
    for (name, value) in [
        ("name", json!("room:1")),
        ("seq", json!(2)),
        ("subscribers", json!(2)),
        ("status", json!(false)),
        ("class", json!("default")),
    ] {
        assert_eq!(channel[name], value, "{channel}");
    }
    assert_eq!(channel["log"]["messages"], 2, "{channel}");
    assert!(channel["log"]["bytes"].as_u64().is_some_and(|bytes| bytes > 100), "{channel}");
    assert!(channel["last_publish"].as_f64().is_some_and(|ago| ago < 300.0), "{channel}");
    assert_eq!(ask(&server, "/v1/channels/nothing").1["error"]["code"], "unknown_channel");

    let (status, all) = ask(&server, "/v1/services");
    assert_eq!(status, 200, "{all}");
    let service = &all["services"][0];
    for (name, value) in [
        ("name", json!("uringcast")),
        ("listen", json!([server.clients[0].to_string()])),
        ("tls", json!(false)),
        ("protocol", json!("envelope")),
        ("authentication", json!("optional")),
        ("connections", json!(2)),
        ("subscriptions", json!(3)),
    ] {
        assert_eq!(service[name], value, "{name} of {all}");
    }
    let limits = (&service["limits"]["connections"], &service["limits"]["messages_per_second"]);
    assert_eq!(limits, (&json!(7), &json!(100)), "{all}");

    // The page tells the server's own subscriptions apart, which its canaries have.
    until("clients and canaries to be counted apart", || {
        let (_, live) = ask(&server, "/debug/live");
        let engine = &live["now"]["engine"];
        (engine["probe_subscriptions"] == 2 && engine["subscriptions"] == 3).then_some(())
    });
}

#[test]
fn only_a_key_for_all_channels_sees_who_is_there_and_its_name_is_in_the_audit_line() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("keys");
    let (whole, part) = ("the-whole-of-it-0123456789", "a-part-of-it-0123456789");
    std::fs::write(&file, format!("ops {whole}\nci {part} room:*\n")).expect("written");
    let server = server(&format!("--api-keys-file {}", file.display()));
    let (mut client, id) = connect(&server, "a\nn");
    client.subscribe("room:1");
    client.subscribe("hall");
    for (path, status) in [
        ("/v1/connections".to_owned(), 403),
        (format!("/v1/connections/{id}"), 403),
        ("/v1/channels/room:1/subscribers".into(), 403),
        ("/v1/services".into(), 403),
        ("/v1/channels/hall".into(), 403),
        ("/v1/channels/room:1".into(), 200),
    ] {
        assert_eq!(ask(&server, &path).0, 401, "{path}");
        assert_eq!(ask_with(&server, part, &path).0, status, "{path}");
        assert_eq!(ask_with(&server, whole, &path).0, 200, "{path}");
    }

    let post = |path: &str, body: Value| {
        let header = format!("X-API-Key: {whole}\r\n");
        let answer =
            http::send(server.control, &format!("POST {path}"), &header, &body.to_string());
        assert_eq!(answer.status, 200, "{}", answer.body);
    };
    post("/v1/unsubscribe", json!({"user": "a\nn", "channel": "hall"}));
    post("/v1/disconnect", json!({"connection": id}));
    assert_eq!(client.message()["event"], "unsubscribe");
    client.closed();
    post("/v1/disconnect", json!({"channel": "room:1"}));
    // A thread of its own writes the log.
    let log = until("three lines", || {
        let log = server.log();
        (log.lines().filter(|line| line.contains(" by request")).count() == 3).then_some(log)
    });
    let lines = log.lines().filter(|line| line.contains(" by request"));
    let start = "key=\"ops\" service=\"uringcast\"";
    for (line, parts) in lines.zip([
        [r#"user="a\nn" channel="hall" count=1"#, "unsubscribed by request"],
        [&format!("connection=\"{id}\" count=1"), "disconnected by request"],
        ["channel=\"room:1\" count=0", "disconnected by request"],
    ]) {
        for part in [" INFO ", start].iter().chain(&parts) {
            assert!(line.contains(part), "{part} in {line}");
        }
    }
    assert!(!log.contains(whole), "a key is never logged");
}
