//! Clients of session-buddy's own protocol, and what is published for them.

use std::net::TcpStream;

use serde_json::{Value, json};

use super::Server;
use super::http;
use super::ws::Client;

/// A client that was greeted.
pub fn connect(server: &Server) -> Client {
    let stream = TcpStream::connect(server.clients[0]).expect("connected");
    let mut client = Client::upgrade(stream);
    let hello = client.message();
    assert_eq!(hello["type"], "connected");
    assert_eq!(hello["message"], "Connected to Session-Buddy real-time metrics");
    assert_eq!(hello["authenticated"], false);
    assert!(hello["timestamp"].as_str().is_some_and(|time| time.ends_with("+00:00")));
    client
}

/// The next update that matches; those before it may be older.
pub fn update(client: &mut Client, wanted: &Value) {
    loop {
        let message = client.message();
        assert_eq!(message["type"], "metrics_update", "{message}");
        assert!(message["timestamp"].is_string());
        if message["data"] == *wanted {
            return;
        }
    }
}

/// Publishes what updates are made of.
pub fn publish(server: &Server, data: &Value) -> http::Answer {
    let body = json!({"channel": "metrics", "event": "metrics.updated", "data": data}).to_string();
    http::post(server.control, "/v1/publish", &body)
}

/// Entries of an update.
pub fn skills(names: &[&str]) -> Value {
    names.iter().map(|name| json!({"skill_name": name, "total_invocations": 3})).collect()
}
