//! session-buddy's protocol: docs/PROTOCOL.md section 7. Once a second every client gets what was
//! last published on the channel `metrics`; a client that subscribed to one skill gets its part.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use uringcast_engine::limits::MAX_CHANNEL_NAME;
use uringcast_engine::{ClientRequest, SessionProtocol};

/// Entries of each list of an update, as in the original.
const MAX_ENTRIES: usize = 10;

/// The protocol.
#[derive(Clone, Copy, Debug)]
pub struct SessionBuddy;

/// The `data` of an update; its entries are as they were published.
#[derive(Debug, Default, Serialize)]
struct Update<'a> {
    top_skills: Vec<&'a RawValue>,
    anomalies: Vec<&'a RawValue>,
}

impl SessionProtocol for SessionBuddy {
    fn channel(&self) -> &str {
        "metrics"
    }

    fn greeting(&self, message: &str, authenticated: bool, timestamp: &str) -> String {
        let greeting = json!({"type": "connected", "message": message,
            "authenticated": authenticated, "timestamp": timestamp});
        greeting.to_string()
    }

    fn request(&self, text: &str, timestamp: &str) -> Option<ClientRequest> {
        #[derive(Deserialize)]
        struct Message {
            #[serde(rename = "type")]
            kind: Option<String>,
            skill: Option<Value>,
            token: Option<Value>,
        }
        let message: Message = serde_json::from_str(text).ok()?;
        let kind = match (message.kind, message.token) {
            (Some(kind), _) => kind,
            (None, Some(Value::String(token))) if !token.is_empty() => {
                return Some(ClientRequest::Token(Some(token)));
            }
            (None, Some(_)) => return Some(ClientRequest::Token(None)),
            (None, None) => return None,
        };
        let subscribe = |filter: Option<String>| {
            let reply = json!({"type": "subscription_confirmed", "skill": filter,
                "timestamp": timestamp});
            ClientRequest::Subscribe { filter, reply: reply.to_string() }
        };
        Some(match (kind.as_str(), message.skill) {
            ("subscribe", Some(Value::String(skill))) if skill.len() <= MAX_CHANNEL_NAME => {
                subscribe(Some(skill))
            }
            ("subscribe", None) => subscribe(None),
            ("unsubscribe", _) => ClientRequest::Unsubscribe,
            ("ping", _) => ClientRequest::Ping { reply: json!({"type": "pong"}).to_string() },
            _ => ClientRequest::Unknown,
        })
    }

    fn update(&self, published: Option<&str>, timestamp: &str) -> String {
        message(&published.map(update_of).unwrap_or_default(), timestamp)
    }

    fn part(&self, update: &str, skill: &str, timestamp: &str) -> Option<String> {
        #[derive(Deserialize)]
        struct Entry<'a> {
            #[serde(borrow)]
            skill_name: Cow<'a, str>,
        }
        let mut own = update_of(update).top_skills;
        own.retain(|entry| {
            let entry: Result<Entry<'_>, _> = serde_json::from_str(entry.get());
            entry.is_ok_and(|entry| entry.skill_name == skill)
        });
        let part = Update { top_skills: own, anomalies: Vec::new() };
        (!part.top_skills.is_empty()).then(|| message(&part, timestamp))
    }

    fn unauthenticated(&self) -> (u16, &'static str) {
        (4001, "Authentication failed")
    }
}

fn message(data: &Update<'_>, timestamp: &str) -> String {
    let data = serde_json::to_string(data).expect("texts and checked JSON are JSON");
    format!(r#"{{"type":"metrics_update","timestamp":{},"data":{data}}}"#, json!(timestamp))
}

/// The lists of an envelope's `data`; one that is missing or of another type is empty.
fn update_of(envelope: &str) -> Update<'_> {
    #[derive(Default, Deserialize)]
    struct Envelope<'a> {
        #[serde(borrow)]
        data: Lists<'a>,
    }
    #[derive(Default, Deserialize)]
    struct Lists<'a> {
        #[serde(borrow)]
        top_skills: Option<&'a RawValue>,
        #[serde(borrow)]
        anomalies: Option<&'a RawValue>,
    }
    let Envelope { data } = serde_json::from_str(envelope).unwrap_or_default();
    Update { top_skills: entries(data.top_skills), anomalies: entries(data.anomalies) }
}

fn entries(list: Option<&RawValue>) -> Vec<&RawValue> {
    let all = list.and_then(|list| serde_json::from_str(list.get()).ok());
    let mut all: Vec<&RawValue> = all.unwrap_or_default();
    all.truncate(MAX_ENTRIES);
    all
}

#[cfg(test)]
mod tests;
