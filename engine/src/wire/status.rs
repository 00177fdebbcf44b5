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

/// What a status request is answered with: the id it asks for, the status, and whatever else the
/// channel's last event said. `last` is that event's envelope; an event about another id is none.
pub fn answer(id: Option<(&str, &str)>, last: Option<&str>) -> Map<String, Value> {
    let mut said = last.and_then(|last| read(last, id));
    let status = said.as_ref().map_or_else(|| "not_found".into(), |(status, _)| status.clone());
    let mut data = said.take().map(|(_, data)| data).unwrap_or_default();
    if let Some((key, id)) = id {
        data.insert(key.into(), id.into());
    }
    data.insert("status".into(), status);
    data
}

/// The status that an event tells, and its `data`.
fn read(envelope: &str, id: Option<(&str, &str)>) -> Option<(Value, Map<String, Value>)> {
    let [event, data] = members(envelope, &["event", "data"]).ok()?;
    let data: Map<String, Value> = serde_json::from_str(data.map_or("{}", RawValue::get)).ok()?;
    if let Some((key, id)) = id
        && data.get(key).and_then(Value::as_str).is_some_and(|other| other != id)
    {
        return None;
    }
    let event = event.and_then(string).unwrap_or_default();
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
        Value::Object(answer(id, Some(&envelope)))
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
    fn without_an_event_about_it_nothing_is_found() {
        let none = json!({"state_path": "a", "status": "not_found"});
        let id = Some(("state_path", "a"));
        assert_eq!(Value::Object(answer(id, None)), none);
        assert_eq!(told(id, "state.changed", r#"{"state_path":"b","new_value":1}"#), none);
    }
}
