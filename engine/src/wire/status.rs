//! Requests for a channel's status: docs/PROTOCOL.md section 3.

use std::borrow::Cow;

use serde_json::value::{RawValue, to_raw_value};

use super::envelope::Inbound;
use super::json_members::{Named, all_members, is_string, members, string};
use super::request::data;

/// The member `key` of a request's `data`, if it is a string.
pub fn text_member<'a>(message: &Inbound<'a>, key: &str) -> Option<Cow<'a, str>> {
    let [value] = data(message, &[key]);
    value.and_then(string)
}

/// The source of a channel's status.
#[derive(Clone, Copy, Debug)]
pub enum StatusView<'a> {
    /// The envelope of its last event.
    Event(&'a str),
    /// A status document.
    Document(&'a str),
}

/// The answer to a status request: its id, the status, and the source's other keys, as they were
/// written. A source about another id counts as none.
pub fn answer(id: Option<(&str, &str)>, source: Option<StatusView<'_>>) -> Named {
    let mut data = source.and_then(|source| read(source, id)).unwrap_or_default();
    if let Some((key, id)) = id {
        data.insert(key.into(), text(id));
    }
    data.entry("status".into()).or_insert_with(|| text("not_found"));
    data
}

/// The status with the source's other keys.
fn read(source: StatusView<'_>, id: Option<(&str, &str)>) -> Option<Named> {
    let (event, data) = match source {
        StatusView::Document(data) => (None, data),
        StatusView::Event(envelope) => {
            let [event, data] = members(envelope, &["event", "data"]).ok()?;
            (event.and_then(string), data.map_or("{}", RawValue::get))
        }
    };
    let mut data = all_members(data).ok()?;
    if let Some((key, id)) = id
        && data.get(key).is_some_and(|other| is_string(other) && string(other) != Some(id.into()))
    {
        return None;
    }
    let event = event.unwrap_or_default();
    // The name of an event without a status has one: workflow.completed.
    let named = || text(event.rsplit('.').next().unwrap_or_default());
    data.entry("status".into()).or_insert_with(named);
    Some(data)
}

fn text(text: &str) -> Box<RawValue> {
    to_raw_value(text).expect("every text is JSON")
}

#[cfg(test)]
mod tests;
