//! session-buddy's own protocol: docs/PROTOCOL.md section 7. Its messages have a `type`, mostly a
//! `timestamp`, and no envelope around them.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Secret;
use super::encoder::Encoder;
use super::envelope::DecodeError;

/// Entries of each list of an update, as in the original.
pub const MAX_ENTRIES: usize = 10;

/// What a client asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum FeedRequest {
    /// Updates about one skill, or about all.
    Subscribe(Option<String>),
    /// Updates about all again.
    Unsubscribe,
    /// Shows a token; `None` if that is empty or not a string.
    Token(Option<Secret>),
    /// Looks whether we live.
    Ping,
    /// Nothing that anybody answers.
    Other,
}

impl FeedRequest {
    /// Reads a message.
    ///
    /// # Errors
    /// [`DecodeError`] when it is not a JSON object with a `type` or a `token`.
    pub fn parse(text: &str) -> Result<FeedRequest, DecodeError> {
        #[derive(Deserialize)]
        struct Message {
            #[serde(rename = "type")]
            kind: Option<String>,
            skill: Option<Value>,
            token: Option<Value>,
        }
        let message: Message = serde_json::from_str(text).map_err(|_| DecodeError::NotObject)?;
        let kind = match (message.kind, message.token) {
            (Some(kind), _) => kind,
            (None, Some(Value::String(token))) if !token.is_empty() => {
                return Ok(FeedRequest::Token(Some(Secret::new(token))));
            }
            (None, Some(_)) => return Ok(FeedRequest::Token(None)),
            (None, None) => return Err(DecodeError::NotObject),
        };
        Ok(match (kind.as_str(), message.skill) {
            ("subscribe", Some(Value::String(skill))) => FeedRequest::Subscribe(Some(skill)),
            ("subscribe", None) => FeedRequest::Subscribe(None),
            ("unsubscribe", _) => FeedRequest::Unsubscribe,
            ("ping", _) => FeedRequest::Ping,
            _ => FeedRequest::Other,
        })
    }
}

impl Encoder {
    /// Appends the greeting.
    pub fn feed_connected(
        &mut self,
        unix_us: i64,
        message: &str,
        authenticated: bool,
        out: &mut Vec<u8>,
    ) {
        let timestamp = self.timestamp(unix_us);
        let greeting = json!({"type": "connected", "message": message,
            "authenticated": authenticated, "timestamp": timestamp});
        self.document(&greeting, out);
    }

    /// Appends the confirmation of a subscription.
    pub fn feed_confirmed(&mut self, unix_us: i64, skill: Option<&str>, out: &mut Vec<u8>) {
        let timestamp = self.timestamp(unix_us);
        let confirmed =
            json!({"type": "subscription_confirmed", "skill": skill, "timestamp": timestamp});
        self.document(&confirmed, out);
    }

    /// Appends the answer to a ping.
    pub fn feed_pong(&mut self, out: &mut Vec<u8>) {
        self.document(&json!({"type": "pong"}), out);
    }

    /// Appends an update with this `data`.
    pub fn feed_update(&mut self, unix_us: i64, data: &Value, out: &mut Vec<u8>) {
        let timestamp = self.timestamp(unix_us);
        self.document(
            &json!({"type": "metrics_update", "timestamp": timestamp, "data": data}),
            out,
        );
    }
}

/// The `data` of an update from the envelope of what was last published.
pub fn update_of(published: Option<&str>) -> Value {
    let envelope: Value =
        published.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let list = |key: &str| match &envelope["data"][key] {
        Value::Array(entries) => entries.iter().take(MAX_ENTRIES).cloned().collect(),
        _ => Value::Array(Vec::new()),
    };
    json!({"top_skills": list("top_skills"), "anomalies": list("anomalies")})
}

/// The `data` of an update as those see it who asked for one skill; `None` when it has nothing
/// about that.
pub fn only(update: &str, skill: &str) -> Option<Value> {
    let update: Map<String, Value> = serde_json::from_str(update).ok()?;
    let all = update.get("data")?.get("top_skills")?.as_array()?;
    let own: Vec<&Value> = all.iter().filter(|entry| entry["skill_name"] == skill).collect();
    (!own.is_empty()).then(|| json!({"top_skills": own, "anomalies": []}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read_and_others_are_nobody_s() {
        let read = |text: &str| FeedRequest::parse(text).unwrap();
        let skill = Some("pytest".to_owned());
        assert_eq!(read(r#"{"type":"subscribe","skill":"pytest"}"#), FeedRequest::Subscribe(skill));
        assert_eq!(read(r#"{"type":"subscribe","skill":null}"#), FeedRequest::Subscribe(None));
        assert_eq!(read(r#"{"type":"subscribe"}"#), FeedRequest::Subscribe(None));
        assert_eq!(read(r#"{"type":"unsubscribe"}"#), FeedRequest::Unsubscribe);
        assert_eq!(read(r#"{"type":"ping"}"#), FeedRequest::Ping);
        assert_eq!(read(r#"{"type":"subscribe","skill":7}"#), FeedRequest::Other);
        let token = Some(Secret::new("t"));
        assert_eq!(read(r#"{"token":"t"}"#), FeedRequest::Token(token));
        assert_eq!(read(r#"{"token":""}"#), FeedRequest::Token(None));
        assert_eq!(read(r#"{"token":7}"#), FeedRequest::Token(None));
        assert_eq!(read(r#"{"type":"ping","token":"t"}"#), FeedRequest::Ping);
        assert!(FeedRequest::parse("[]").is_err() && FeedRequest::parse("{}").is_err());
    }

    #[test]
    fn an_update_has_ten_entries_at_most_and_one_skill_where_one_was_asked_for() {
        let entries: Vec<Value> = (0..12).map(|i| json!({"skill_name": format!("s{i}")})).collect();
        let published = json!({"data": {"top_skills": entries, "other": 1}}).to_string();
        let update = update_of(Some(&published));
        assert_eq!(update["top_skills"].as_array().unwrap().len(), MAX_ENTRIES);
        assert_eq!(update["anomalies"], json!([]));
        assert_eq!(update_of(None), json!({"top_skills": [], "anomalies": []}));
        let text = json!({"type": "metrics_update", "data": update}).to_string();
        let one = only(&text, "s3").unwrap();
        assert_eq!(one, json!({"top_skills": [{"skill_name": "s3"}], "anomalies": []}));
        assert_eq!(only(&text, "s11"), None);
    }
}
