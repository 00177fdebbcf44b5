//! A protocol of the embedder.

use serde_json::{Value, json};

use crate::config::{ClientRequest, SessionProtocol};

/// The protocol, with this channel. An update has the data of what was last published.
#[derive(Debug)]
pub(crate) struct Ticker(pub(crate) &'static str);

impl SessionProtocol for Ticker {
    fn channel(&self) -> &str {
        self.0
    }
    fn greeting(&self, _: &str, authenticated: bool, _: &str) -> String {
        json!({"type": "connected", "authenticated": authenticated}).to_string()
    }
    fn request(&self, text: &str, _: &str) -> Option<ClientRequest> {
        let message: Value = serde_json::from_str(text).ok()?;
        let kind = message.get("type").and_then(Value::as_str);
        if let Some(token) = message.get("token") {
            let token = token.as_str().filter(|token| !token.is_empty());
            return Some(ClientRequest::Token(token.map(Into::into)));
        }
        Some(match kind? {
            "subscribe" => {
                let filter = message["only"].as_str().map(Into::into);
                ClientRequest::Subscribe { filter, reply: json!({"type": "confirmed"}).to_string() }
            }
            "unsubscribe" => ClientRequest::Unsubscribe,
            "ping" => ClientRequest::Ping { reply: json!({"type": "pong"}).to_string() },
            _ => ClientRequest::Unknown,
        })
    }
    fn update(&self, published: Option<&str>, _: &str) -> String {
        let published: Value = published.map_or(Value::Null, |p| serde_json::from_str(p).unwrap());
        json!({"type": "update", "data": published["data"]}).to_string()
    }
    fn part(&self, update: &str, filter: &str, _: &str) -> Option<String> {
        let update: Value = serde_json::from_str(update).ok()?;
        let part = update["data"].get(filter)?;
        Some(json!({"type": "update", "part": part}).to_string())
    }
    fn unauthenticated(&self) -> (u16, &'static str) {
        (4001, "Authentication failed")
    }
}
