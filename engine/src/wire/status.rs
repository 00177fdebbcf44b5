//! Requests for a channel's status: docs/PROTOCOL.md section 3.

use std::borrow::Cow;

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::envelope::Inbound;
use super::object::{members, string};
use super::request::data;

/// The member `key` of a request's `data`, if it is a string.
pub fn asked<'a>(message: &Inbound<'a>, key: &str) -> Option<Cow<'a, str>> {
    let [value] = data(message, &[key]);
    value.and_then(string)
}

/// What was said about a channel.
#[derive(Clone, Copy, Debug)]
pub enum Said<'a> {
    /// The envelope of its last event.
    Event(&'a str),
    /// A status document.
    Document(&'a str),
}

/// What a status request is answered with: the id it asks for, the status, and whatever else was
/// said about the channel. What was said about another id is nothing.
pub fn answer(id: Option<(&str, &str)>, said: Option<Said<'_>>) -> Map<String, Value> {
    let mut said = said.and_then(|said| read(said, id));
    let status = said.as_ref().map_or_else(|| "not_found".into(), |(status, _)| status.clone());
    let mut data = said.take().map(|(_, data)| data).unwrap_or_default();
    if let Some((key, id)) = id {
        data.insert(key.into(), id.into());
    }
    data.insert("status".into(), status);
    data
}

/// The status that is told, and everything that is said with it.
fn read(said: Said<'_>, id: Option<(&str, &str)>) -> Option<(Value, Map<String, Value>)> {
    let (event, data) = match said {
        Said::Document(data) => (None, data),
        Said::Event(envelope) => {
            let [event, data] = members(envelope, &["event", "data"]).ok()?;
            (event.and_then(string), data.map_or("{}", RawValue::get))
        }
    };
    let data: Map<String, Value> = serde_json::from_str(data).ok()?;
    if let Some((key, id)) = id
        && data.get(key).and_then(Value::as_str).is_some_and(|other| other != id)
    {
        return None;
    }
    let event = event.unwrap_or_default();
    // An event without a status tells one by its name: workflow.completed.
    let named = || Value::from(event.rsplit('.').next().unwrap_or_default());
    let status = data.get("status").cloned().unwrap_or_else(named);
    Some((status, data))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(id: Option<(&str, &str)>, event: &str, data: &str) -> Value {
        let envelope = format!(r#"{{"id":"x","event":"{event}","data":{data},"seq":4}}"#);
        Value::Object(answer(id, Some(Said::Event(&envelope))))
    }

    #[test]
    fn the_last_event_tells_the_status_and_what_else_it_said() {
        let id = Some(("pool_id", "p1"));
        assert_eq!(
            told(id, "pool.scaled", r#"{"pool_id":"p1","worker_count":5}"#),
            json!({"pool_id": "p1", "status": "scaled", "worker_count": 5})
        );
        assert_eq!(
            told(id, "pool.status_changed", r#"{"status":{"state":"idle"}}"#),
            json!({"pool_id": "p1", "status": {"state": "idle"}})
        );
        assert_eq!(told(None, "anomaly.detected", "{}"), json!({"status": "detected"}));
    }

    #[test]
    fn a_document_is_told_as_it_is() {
        let said = Some(Said::Document(r#"{"status":"idle","workers":3}"#));
        let told = |id| Value::Object(answer(id, said));
        assert_eq!(told(None), json!({"status": "idle", "workers": 3}));
        let asked = json!({"pool_id": "p1", "status": "idle", "workers": 3});
        assert_eq!(told(Some(("pool_id", "p1"))), asked);
    }

    #[test]
    fn without_an_event_about_it_nothing_is_found() {
        let none = json!({"state_path": "a", "status": "not_found"});
        let id = Some(("state_path", "a"));
        assert_eq!(Value::Object(answer(id, None)), none);
        assert_eq!(told(id, "state.changed", r#"{"state_path":"b","new_value":1}"#), none);
    }
}
