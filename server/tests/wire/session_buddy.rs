//! session-buddy's own protocol: docs/PROTOCOL.md section 7.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::net::TcpStream;

use crate::support::Server;
use crate::support::session_buddy::{connect, publish, skills, update};
use crate::support::ws::{Client, FIN, Frame, PONG};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, get_current_timestamp};
use serde_json::{Value, json};

#[test]
fn everybody_gets_what_was_last_published_once_a_second() {
    let server = Server::start("--preset=session-buddy --shards=3");
    // On several shards, whatever the metrics channel's home is.
    let mut clients: Vec<Client> = (0..8).map(|_| connect(&server)).collect();
    let nothing = json!({"top_skills": [], "anomalies": []});
    clients.iter_mut().for_each(|client| update(client, &nothing));
    let anomalies = json!([{"skill_name": "a", "deviation_score": 2.5}]);
    publish(&server, &json!({"top_skills": skills(&["z"]), "anomalies": []}));
    publish(&server, &json!({"top_skills": skills(&["a", "b"]), "anomalies": anomalies}));
    let last = json!({"top_skills": skills(&["a", "b"]), "anomalies": anomalies});
    // Twice: the update is repeated.
    for _ in 0..2 {
        clients.iter_mut().for_each(|client| update(client, &last));
    }
    server.wait_metric("websocket_broadcast_total", "server=\"session-buddy\"", 3.0);
}

#[test]
fn one_skill_can_be_asked_for_and_given_up() {
    let server = Server::start("--preset=session-buddy --shards=3");
    let all = json!({"top_skills": skills(&["a", "b"]), "anomalies": [{"skill_name": "b"}]});
    assert_eq!(publish(&server, &all).status, 202);
    let mut clients: Vec<Client> = (0..6).map(|_| connect(&server)).collect();
    for client in &mut clients {
        update(client, &all);
        client.say(&json!({"type": "subscribe", "skill": "b"}));
        // An update may come before the confirmation.
        let confirmed = std::iter::from_fn(|| Some(client.message()))
            .find(|message| message["type"] != "metrics_update")
            .unwrap();
        assert_eq!(confirmed["type"], "subscription_confirmed", "{confirmed}");
        assert_eq!(confirmed["skill"], "b");
        assert!(confirmed["timestamp"].is_string());
    }
    let own = json!({"top_skills": skills(&["b"]), "anomalies": []});
    for client in &mut clients {
        // What is no skill's name is not answered and changes nothing.
        client.say(&json!({"type": "subscribe", "skill": "b".repeat(201)}));
        let message = client.message();
        assert_eq!((&message["type"], &message["data"]), (&json!("metrics_update"), &own));
    }
    for client in &mut clients {
        client.say(&json!({"type": "unsubscribe"}));
        update(client, &all);
    }
}

#[test]
fn a_client_of_session_buddy_without_a_good_token_is_closed_with_4001() {
    let secret = "an-old-oak-in-the-meadow-of-1849";
    let environment = [("SESSION_BUDDY_JWT_SECRET", secret)];
    let server = Server::start_in("--preset=session-buddy", &environment);
    let hasty = json!({"type": "ping"});
    for first in [hasty, json!({}), json!({"token": 7}), json!({"token": "no.token.this"})] {
        let mut client = Client::upgrade(TcpStream::connect(server.clients[0]).unwrap());
        client.say(&first);
        assert_eq!(client.closed(), (4001, "Authentication failed".into()), "{first}");
    }
    server.wait_metric("websocket_connection_errors_total", "auth_", 4.0);
    let key = EncodingKey::from_secret(secret.as_bytes());
    let claims = json!({"user_id": "u1", "exp": get_current_timestamp() + 60});
    let token = encode(&Header::new(Algorithm::HS256), &claims, &key).unwrap();
    let mut client = Client::upgrade(TcpStream::connect(server.clients[0]).unwrap());
    client.say(&json!({"token": token}));
    let hello = client.message();
    assert_eq!((&hello["type"], &hello["authenticated"]), (&json!("connected"), &json!(true)));
    update(&mut client, &json!({"top_skills": [], "anomalies": []}));
    assert!(!server.log().contains(&token));
}

#[test]
fn a_ping_is_answered_and_the_family_s_envelope_is_not_spoken() {
    let server = Server::start("--preset=session-buddy");
    let mut client = connect(&server);
    client.say(&json!({"type": "request", "event": "subscribe", "data": {"channel": "metrics"}}));
    client.send(crate::support::ws::TEXT, b"no JSON");
    client.say(&json!({"type": "ping"}));
    let pong = std::iter::from_fn(|| Some(client.message()))
        .find(|message| message["type"] != "metrics_update")
        .unwrap();
    assert_eq!(pong, json!({"type": "pong"}));
    server.wait_metric("websocket_message_errors_total", "error_type=\"decode_error\"", 1.0);
}

#[test]
fn a_slow_client_is_skipped_to_the_next_update_without_a_word_that_it_does_not_know() {
    let class = [("URINGCAST_CLASS", "metrics slow=skip, slow-bytes=64KiB")];
    let flags = "--preset=session-buddy --shards=2 --keepalive-interval=1h";
    let server = Server::start_in(flags, &class);
    let mut client = connect(&server);
    let large = json!({"top_skills": [], "anomalies": ["x".repeat(900_000)]});
    assert_eq!(publish(&server, &large).status, 202);
    // Updates come once a second, and a socket takes some of them.
    server.logged("passing over messages of a slow client");
    let last = json!({"top_skills": skills(&["last"]), "anomalies": []});
    assert_eq!(publish(&server, &last).status, 202);
    let mut passed_over = 0;
    loop {
        let frame = client.frame().unwrap();
        if frame == (Frame { first: FIN | PONG, payload: vec![] }) {
            passed_over += 1;
            continue;
        }
        let message: Value = serde_json::from_slice(&frame.payload).unwrap();
        assert_eq!(message["type"], "metrics_update", "{message}");
        if message["data"] == last {
            break;
        }
    }
    assert!(passed_over > 0);
    server.wait_metric("uringcast_skipped_total", "", 1.0);
}
