//! `POST /v1/tokens/revoke`: who is sent away stays away.

use std::net::TcpStream;

use crate::support::http::{self, Answer};
use crate::support::ws::Client;
use crate::support::{Server, until};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, get_current_timestamp};
use serde_json::{Value, json};

const SECRET: &str = "an-old-oak-in-the-meadow-of-1849";
const AWAY: u16 = 4005;

fn server(flags: &str) -> Server {
    Server::start(&format!("--shards 2 --jwt-secret {SECRET} {flags}"))
}

/// A token of a user, issued so many seconds ago.
fn token(user: &str, jti: &str, age: u64) -> String {
    let now = get_current_timestamp();
    let claims = json!({"sub": user, "jti": jti, "iat": now - age, "exp": now + 600});
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    encode(&Header::new(Algorithm::HS256), &claims, &key).expect("a token")
}

/// Connects, and returns what the token is answered: the welcome's event, or the error.
fn connect(server: &Server, token: &str) -> (Client, Value) {
    let stream = TcpStream::connect(server.clients[0]).expect("connected");
    let mut client = Client::upgrade(stream);
    let data = json!({"token": token});
    let reply = client.ask(&json!({"type": "request", "event": "auth", "data": data}));
    let said = match reply["error_code"].as_str() {
        None => client.message()["event"].clone(),
        Some(code) => code.into(),
    };
    (client, said)
}

fn admitted(server: &Server, token: &str) -> Client {
    let (client, said) = connect(server, token);
    assert_eq!(said, "session.created");
    client
}

fn refused(server: &Server, token: &str) {
    let (mut client, said) = connect(server, token);
    assert_eq!(said, "AUTH_FAILED");
    assert_eq!(client.closed(), (4001, "Authentication failed".into()));
}

fn revoke(server: &Server, body: &Value) -> Answer {
    http::post(server.control, "/v1/tokens/revoke", &body.to_string())
}

/// Revokes, and expects so many connections to be closed.
fn revoked(server: &Server, body: &Value, closed: u64) {
    let answer = revoke(server, body);
    let said: Value = serde_json::from_str(&answer.body).expect("JSON");
    assert_eq!((answer.status, &said["disconnected"]), (200, &json!(closed)), "{said}");
    assert!(said["expires_at"].as_u64() > Some(get_current_timestamp()), "{said}");
}

#[test]
fn a_user_a_token_and_all_of_a_time_are_sent_away_and_stay_away() {
    let server = server("");
    let (ann, bob) = (token("ann", "a1", 60), token("bob", "b1", 60));
    let mut anns = [admitted(&server, &ann), admitted(&server, &ann)];
    let mut bobs = admitted(&server, &bob);
    revoked(&server, &json!({"user": "ann"}), 2);
    for client in &mut anns {
        assert_eq!(client.closed(), (AWAY, "Disconnected by the service".into()));
    }
    refused(&server, &ann);
    bobs.assert_alive();
    let line = until("a line about it", || {
        let log = server.log();
        log.lines().find(|line| line.contains("cause=\"revoked\"")).map(String::from)
    });
    assert!(line.contains("user=\"ann\""), "{line}");

    let other = token("bob", "b2", 60);
    let mut others = admitted(&server, &other);
    revoked(&server, &json!({"jti": "b1", "expires_in": 600}), 1);
    assert_eq!(bobs.closed().0, AWAY);
    refused(&server, &bob);
    others.assert_alive();

    let fresh = token("eve", "e1", 0);
    let mut eve = admitted(&server, &fresh);
    revoked(&server, &json!({"issued_before": get_current_timestamp() - 30}), 1);
    assert_eq!(others.closed().0, AWAY);
    refused(&server, &token("carl", "c1", 40));
    eve.assert_alive();
    drop(admitted(&server, &fresh));
}

#[test]
fn a_revocation_outlives_reloads_and_where_a_file_keeps_it_the_server() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("revoked");
    let flags = format!("--revocations-file {}", file.display());
    let ann = token("ann", "a1", 60);
    let first = server(&flags);
    drop(admitted(&first, &ann));
    assert_eq!(revoke(&first, &json!({"user": "ann"})).status, 200);
    let kept = std::fs::read_to_string(&file).expect("a file");
    // A reload reads the file too, and keeps what is in force.
    for (reloads, jti) in [(1, "b1"), (2, "c1")] {
        first.hang_up();
        let reloaded = "reloaded: nothing has changed";
        until(reloaded, || (first.log().matches(reloaded).count() == reloads).then_some(()));
        refused(&first, &ann);
        assert_eq!(revoke(&first, &json!({"jti": jti})).status, 200);
    }
    let all = std::fs::read_to_string(&file).expect("a file");
    assert!(all.lines().count() == 3 && all.contains(kept.trim()), "{all}");
    drop(first);
    refused(&server(&flags), &ann);
    drop(admitted(&server(""), &ann));

    std::fs::write(&file, "half a li").expect("written");
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_uringcast-server"))
        .args(["check-config", "--jwt-secret", SECRET])
        .args(flags.split(' '))
        .output()
        .expect("it runs");
    let said = crate::support::text(&*output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("revocations_file") && said.contains("line 1"), "{said}");
}

#[test]
fn a_revocation_that_cannot_be_is_refused_with_a_reason() {
    let server = server("");
    for (body, why) in [
        (json!({}), "name a user, a jti or issued_before"),
        (json!({"user": "a", "jti": "b"}), "a jti alone"),
        (json!({"user": ""}), "1 to 256 characters"),
        (json!({"user": "x".repeat(257)}), "1 to 256 characters"),
        (json!({"user": null}), "null"),
        (json!({"users": "a"}), "unknown field"),
        (json!({"user": "a", "expires_in": 0}), "whole number, 1 to 34560000"),
        (json!({"user": "a", "issued_before": 1.5}), "whole number"),
        (json!({"user": "a", "issued_before": 1e20}), "whole number"),
        (json!({"user": "a", "expires_in": 500 * 86_400}), "1 to 34560000"),
    ] {
        let answer = revoke(&server, &body);
        assert!(answer.status == 400 && answer.body.contains(why), "{body}: {}", answer.body);
    }
    let open = Server::start("");
    let answer = revoke(&open, &json!({"user": "a"}));
    assert!(answer.status == 400 && answer.body.contains("auth_enabled"), "{}", answer.body);
}
