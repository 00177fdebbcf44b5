//! session-buddy's own protocol: docs/PROTOCOL.md section 7. Its messages have a `type`, mostly a
//! `timestamp`, and no envelope around them.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::Secret;
use super::encoder::Encoder;
use super::envelope::DecodeError;
use super::json_members::{members, string};
use crate::limits::MAX_CHANNEL_NAME;

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
            ("subscribe", Some(Value::String(skill))) if skill.len() <= MAX_CHANNEL_NAME => {
                FeedRequest::Subscribe(Some(skill))
            }
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
    pub fn feed_update(&mut self, unix_us: i64, data: &Update<'_>, out: &mut Vec<u8>) {
        let timestamp = self.timestamp(unix_us);
        #[derive(Serialize)]
        struct Message<'a> {
            #[serde(rename = "type")]
            kind: &'static str,
            timestamp: String,
            data: &'a Update<'a>,
        }
        self.document(&Message { kind: "metrics_update", timestamp, data }, out);
    }
}

/// The `data` of an update; its entries are as they were published.
#[derive(Debug, Serialize)]
pub struct Update<'a> {
    top_skills: Vec<&'a RawValue>,
    anomalies: Vec<&'a RawValue>,
}

/// The `data` of an update from the envelope of what was last published.
pub fn update_of(published: Option<&str>) -> Update<'_> {
    let [data] = published.and_then(|text| members(text, &["data"]).ok()).unwrap_or_default();
    let lists = data.and_then(|data| members(data.get(), &["top_skills", "anomalies"]).ok());
    let [top_skills, anomalies] = lists.unwrap_or_default().map(entries);
    Update { top_skills, anomalies }
}

fn entries(list: Option<&RawValue>) -> Vec<&RawValue> {
    let all = list.and_then(|list| serde_json::from_str(list.get()).ok());
    let mut all: Vec<&RawValue> = all.unwrap_or_default();
    all.truncate(MAX_ENTRIES);
    all
}

/// The `data` of an update as those see it who asked for one skill; `None` when it has nothing
/// about that.
pub fn only<'a>(update: &'a str, skill: &str) -> Option<Update<'a>> {
    let mut own = update_of(Some(update)).top_skills;
    own.retain(|entry| {
        let [name] = members(entry.get(), &["skill_name"]).unwrap_or_default();
        name.and_then(string).is_some_and(|name| name == skill)
    });
    (!own.is_empty()).then_some(Update { top_skills: own, anomalies: Vec::new() })
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
        let long = |len| format!(r#"{{"type":"subscribe","skill":"{}"}}"#, "s".repeat(len));
        let longest = Some("s".repeat(MAX_CHANNEL_NAME));
        assert_eq!(read(&long(MAX_CHANNEL_NAME)), FeedRequest::Subscribe(longest));
        assert_eq!(read(&long(MAX_CHANNEL_NAME + 1)), FeedRequest::Other, "never taken for all");
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
        let value = |update| serde_json::to_value(update).unwrap();
        let update = value(update_of(Some(&published)));
        assert_eq!(update["top_skills"].as_array().unwrap().len(), MAX_ENTRIES);
        assert_eq!(update["anomalies"], json!([]));
        assert_eq!(value(update_of(None)), json!({"top_skills": [], "anomalies": []}));
        let text = json!({"type": "metrics_update", "data": update}).to_string();
        let one = value(only(&text, "s3").unwrap());
        assert_eq!(one, json!({"top_skills": [{"skill_name": "s3"}], "anomalies": []}));
        assert!(only(&text, "s11").is_none());
    }

    #[test]
    fn an_entry_that_cannot_be_a_value_of_ours_hides_no_other() {
        let odd = r#"{"skill_name":"\ud800","n":1e999}"#;
        let data = format!(r#"{{"top_skills":[{odd},{{"skill_name":"a"}}],"anomalies":[{odd}]}}"#);
        let published = format!(r#"{{"data":{data}}}"#);
        let told = |update: Update<'_>| serde_json::to_string(&update).unwrap();
        assert_eq!(told(update_of(Some(&published))), data);
        let own = r#"{"top_skills":[{"skill_name":"a"}],"anomalies":[]}"#;
        assert_eq!(told(only(&published, "a").unwrap()), own);
    }
}
