//! What one node is asked reaches the clients of all: on three NATS servers, which are ended too.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::net::TcpStream;

use crate::support::nats::Nats;
use crate::support::ws::{CLOSE, Client};
use crate::support::{Server, http, until};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, get_current_timestamp};
use serde_json::{Value, json};

const SECRET: &str = "an-old-oak-in-the-meadow-of-1849";
const AWAY: u16 = 4005;

fn node(nats: &Nats, name: &str) -> Server {
    let flags = "--shards=1 --keepalive-interval=1h --jwt-secret";
    Server::start(&format!("{flags}={SECRET} --server-name={name} {}", nats.flag()))
}

/// A token of a user, issued before all that the test revokes.
fn token(user: &str) -> String {
    let now = get_current_timestamp();
    let claims =
        json!({"sub": user, "jti": format!("of-{user}"), "iat": now - 90, "exp": now + 600});
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    encode(&Header::new(Algorithm::HS256), &claims, &key).expect("a token")
}

/// Connects with a user's token; what was answered: the welcome's event, or the error.
fn connect(node: &Server, user: &str) -> (Client, Value) {
    let mut client = Client::upgrade(TcpStream::connect(node.clients[0]).expect("connected"));
    let data = json!({"token": token(user)});
    let reply = client.ask(&json!({"type": "request", "event": "auth", "data": data}));
    let said = match reply["error_code"].as_str() {
        None => client.message(),
        Some(code) => code.into(),
    };
    (client, said)
}

/// A user's client; the id of its connection.
fn admitted(node: &Server, user: &str) -> (Client, String) {
    let (client, said) = connect(node, user);
    assert_eq!(said["event"], "session.created", "{said}");
    let id = said["data"]["connection_id"].as_str().unwrap().to_owned();
    (client, id)
}

fn post(node: &Server, path: &str, body: &Value) -> (u16, Value) {
    let answer = http::post(node.control, path, &body.to_string());
    (answer.status, serde_json::from_str(&answer.body).unwrap())
}

/// Asks a node for something that all others are told.
fn told(node: &Server, path: &str, body: &Value) -> Value {
    let (status, answer) = post(node, path, body);
    assert_eq!((status, &answer["others"]), (200, &json!("told")), "{answer}");
    answer
}

fn assert_revoked(node: &Server, user: &str) {
    assert_eq!(connect(node, user).1, "AUTH_FAILED", "{user}");
}

#[test]
fn what_concerns_clients_reaches_those_of_all_nodes() {
    let Some(mut nats) = Nats::start("what_concerns_clients_reaches_all") else { return };
    let (asked, other) = (node(&nats, "asked"), node(&nats, "other"));
    commands(&asked, &other);
    revocations(&nats, &asked, &other);
    messages_of_strangers(&nats, &other);
    documents(&nats, &asked, &other);
    a_cluster_that_is_lost(&mut nats, &asked, &other);
}

fn commands(asked: &Server, other: &Server) {
    let (mut here, _) = admitted(asked, "ann");
    let (mut there, _) = admitted(other, "ann");
    let answer = told(asked, "/v1/disconnect", &json!({"user": "ann"}));
    assert_eq!(answer["disconnected"], 1, "of those at this node");
    assert_eq!([here.closed().0, there.closed().0], [AWAY; 2]);

    let (mut there, id) = admitted(other, "ann");
    let answer = told(asked, "/v1/disconnect", &json!({"connection": id}));
    assert_eq!(answer["disconnected"], 0);
    assert_eq!(there.closed().0, AWAY);

    let (mut there, _) = admitted(other, "ann");
    there.subscribe("room:1");
    told(asked, "/v1/unsubscribe", &json!({"user": "ann", "channel": "room:1"}));
    let reply = there.message();
    assert_eq!(reply["data"], json!({"status": "unsubscribed", "channel": "room:1"}), "{reply}");
    there.subscribe("room:2");
    told(asked, "/v1/disconnect", &json!({"channel": "room:2"}));
    assert_eq!(there.closed().0, AWAY);
    let (status, answer) = post(asked, "/v1/disconnect", &json!({}));
    assert_eq!((status, &answer["others"]), (400, &Value::Null), "{answer}");
}

fn revocations(nats: &Nats, asked: &Server, other: &Server) {
    let (mut there, _) = admitted(other, "bob");
    let (mut stays, _) = admitted(other, "ann");
    let answer = told(asked, "/v1/tokens/revoke", &json!({"user": "bob"}));
    assert!(answer["expires_at"].is_u64(), "{answer}");
    assert_eq!(there.closed().0, AWAY);
    told(other, "/v1/tokens/revoke", &json!({"jti": "of-eve"}));
    // One that ends sooner, and means less, takes nothing of it back.
    told(other, "/v1/tokens/revoke", &json!({"user": "bob", "issued_before": 7, "expires_in": 9}));
    // A node that begins later knows both, and does nothing that was over before.
    let (mut ann, late) = (None, node(nats, "late"));
    for node in [asked, other, &late] {
        until("a revocation at this node", || {
            (connect(node, "eve").1 == "AUTH_FAILED").then_some(())
        });
        assert_revoked(node, "bob");
        ann = Some(admitted(node, "ann").0);
    }
    told(&late, "/v1/disconnect", &json!({"user": "nobody"}));
    ann.unwrap().assert_alive();
    stays.assert_alive();
}

fn messages_of_strangers(nats: &Nats, other: &Server) {
    let (name, labels) = ("uringcast_cluster_events_total", "event=\"bad_shared_message\"");
    let before = other.metric(name, labels);
    // The service of nodes that have only one.
    let service = "_";
    let (mut stays, _) = admitted(other, "ann");
    let all = [
        ("nonsense".to_owned(), "{}".to_owned()),
        ("disconnect.no-such-service.1".to_owned(), r#"{"user":"ann"}"#.to_owned()),
        (format!("forget.{service}.1"), r#"{"user":"ann"}"#.to_owned()),
        (format!("disconnect.{service}.1"), r#"{"user":"ann","connection":"x"}"#.to_owned()),
        (format!("unsubscribe.{service}.1"), r#"{"users":"ann"}"#.to_owned()),
        (format!("revoke.{service}.1"), r#"{"user":"ann","expires_in":1e99}"#.to_owned()),
        (format!("disconnect.{service}.2"), format!(r#"{{"user":"{}"}}"#, "a".repeat(70_000))),
    ];
    let most = before + all.len() as f64;
    for (tail, body) in all {
        let answer = nats.ask(0, &format!("uringcast.control.{tail}"), &body);
        assert!(answer.contains("\"seq\""), "{answer}");
    }
    other.wait_metric(name, labels, most);
    stays.assert_alive();
}

/// Asks for a channel's document, of either kind.
fn document(node: &Server, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let answer = http::send(node.control, &format!("{method} /v1/channels/{path}"), "", &body);
    (answer.status, serde_json::from_str(&answer.body).unwrap_or_default())
}

fn documents(nats: &Nats, asked: &Server, other: &Server) {
    let put = |node: &Server, path: &str, body: &Value| document(node, "PUT", path, body);
    let get = |node: &Server, path: &str| document(node, "GET", path, &Value::Null);
    let reads = |node: &Server, path: &str, wanted: &Value| {
        until("a document", || (get(node, path) == (200, wanted.clone())).then_some(()));
    };
    let (mut newest, mut states) = (0, Vec::new());
    let page = http::get(asked.control, "/v1/channels/book/history").body;
    let epoch = serde_json::from_str::<Value>(&page).unwrap()["epoch"].clone();
    for n in 0..4 {
        newest = asked.publish("book", &json!({ "n": n }).to_string());
        let as_of = json!({"epoch": epoch, "seq": newest});
        states.push(json!({"state": {"up_to": n}, "as_of": as_of}));
    }
    assert_eq!(put(asked, "book/state", &states[1]), (204, Value::Null));
    assert_eq!(get(asked, "book/state"), (200, states[1].clone()));
    // The other node compares with what is stored, whether it has it or not.
    let (status, answer) = put(other, "book/state", &states[0]);
    assert_eq!((status, &answer["error"]["code"]), (409, &json!("state_position")), "{answer}");
    reads(other, "book/state", &states[1]);
    let (mut client, _) = admitted(other, "ann");
    let data = json!({"channel": "book", "state": true});
    let reply = client.ask(&json!({"type": "subscribe", "data": data}));
    assert_eq!(reply["data"]["state"], states[1]["state"], "{reply}");
    assert_eq!(reply["data"]["as_of"], states[1]["as_of"], "{reply}");
    let (first, second) = (client.message(), client.message());
    assert_eq!([&first["data"]["n"], &second["data"]["n"]], [2, 3], "{first} {second}");
    assert_eq!(second["seq"], newest);

    let up = json!({"status": "up"});
    assert_eq!(put(other, "a%20b/status", &up).0, 204);
    assert_eq!(put(other, "gone/status", &up).0, 204);
    assert_eq!(document(asked, "DELETE", "gone/status", &Value::Null).0, 204);
    assert_eq!(document(other, "DELETE", "gone/status", &Value::Null).0, 404);
    // A node that begins later has what is left.
    let late = node(nats, "later");
    for node in [asked, &late] {
        reads(node, "book/state", &states[1]);
        reads(node, "a%20b/status", &up);
        until("the end of a document", || (get(node, "gone/status").0 == 404).then_some(()));
    }
    assert_eq!(put(&late, "book/state", &states[3]).0, 204);
    reads(asked, "book/state", &states[3]);
    let of_before = json!({"state": {}, "as_of": {"epoch": "00000000000000aa", "seq": newest}});
    assert_eq!(put(&late, "book/state", &of_before).0, 409);
    // What is deleted may begin again with an older one.
    assert_eq!(document(&late, "DELETE", "book/state", &Value::Null).0, 204);
    assert_eq!(put(asked, "book/state", &states[0]).0, 204);
    reads(other, "book/state", &states[0]);
    // A stream that is deleted takes its documents along.
    for request in ["DELETE.uringcast_documents", "LEADER.STEPDOWN.uringcast_0"] {
        let answer = nats.ask(0, &format!("$JS.API.STREAM.{request}"), "");
        assert!(answer.contains("\"success\":true"), "{answer}");
    }
    until("the end of a document", || (get(other, "book/state").0 == 404).then_some(()));
    assert_eq!(put(asked, "book/state", &states[2]).0, 204);
    reads(other, "book/state", &states[2]);
}

fn a_cluster_that_is_lost(nats: &mut Nats, asked: &Server, other: &Server) {
    let (mut here, _) = admitted(asked, "dan");
    let (mut there, _) = admitted(other, "dan");
    (0..2).for_each(|place| nats.kill(place));
    let dan = json!({"user": "dan"});
    // Each waits as long as an election may take.
    let answers = std::thread::scope(|scope| {
        let requests = [
            scope.spawn(|| post(asked, "/v1/disconnect", &dan)),
            scope.spawn(|| post(asked, "/v1/tokens/revoke", &dan)),
            scope.spawn(|| document(other, "PUT", "c/status", &json!({"status": 1}))),
        ];
        requests.map(|request| request.join().unwrap())
    });
    let codes = answers.each_ref().map(|(status, answer)| (*status, &answer["error"]["code"]));
    let (untold, unknown) = (json!("others_not_told"), json!("unknown_outcome"));
    assert_eq!(codes, [(503, &untold), (503, &untold), (503, &unknown)]);
    assert!(answers[0].1["disconnected"].is_u64(), "{answers:?}");
    assert_eq!(here.closed().0, AWAY);
    assert_revoked(asked, "dan");
    (0..2).for_each(|place| nats.start_one(place));
    nats.wait();
    // What was revoked is told as soon as that is possible.
    while there.frame().is_some_and(|frame| frame.first & 0xf != CLOSE) {}
    until("a revocation at the other node", || {
        (connect(other, "dan").1 == "AUTH_FAILED").then_some(())
    });
}
