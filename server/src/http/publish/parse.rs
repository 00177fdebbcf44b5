//! Messages as publishers write them.

use std::borrow::Cow;
use std::fmt::{self, Display};

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use uringcast_engine::{ChannelName, EventName, JsonObject, MessageKey, NameError, Publication};

use super::submit::Message;
use crate::http::cpu_turns::CpuTurns;
use crate::http::error::ApiError;
use crate::http::present;
use crate::http::selected_service::MaxData;
use crate::limits::MAX_PUBLISH_BATCH;
use crate::read_files::without_mark;

/// One message as publishers write it; without `data` it is `{}`, as in the envelope.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with channel and event")]
struct Item<'a> {
    #[serde(borrow)]
    channel: Cow<'a, str>,
    #[serde(borrow)]
    event: Cow<'a, str>,
    #[serde(borrow, default, deserialize_with = "present")]
    data: Option<&'a RawValue>,
    #[serde(default, deserialize_with = "present")]
    id: Option<Box<str>>,
    #[serde(borrow, default, deserialize_with = "present")]
    key: Option<Cow<'a, str>>,
}

/// Whether a body is a list of messages, and not one message.
pub(super) fn is_list(body: &[u8]) -> bool {
    without_mark(body).trim_ascii_start().starts_with(b"[")
}

/// Reads a list of messages. What it complains about it names by index and field.
pub(super) fn parse_list(body: &[u8], max_data: MaxData) -> Result<Vec<Message>, ApiError> {
    let Items(items) = serde_json::from_slice(without_mark(body))
        .map_err(|error| ApiError::json(&"the body is no list: ", &error))?;
    if items.is_empty() {
        return Err(ApiError::bad_request("the list is empty"));
    }
    if items.len() > MAX_PUBLISH_BATCH {
        let text = format!("{} messages are more than {MAX_PUBLISH_BATCH}", items.len());
        return Err(ApiError::too_large(text));
    }
    let mut turns = CpuTurns::default();
    let one = |(i, item): (usize, &&RawValue)| {
        turns.read(item.get().len());
        parse_item(&format_args!("message {i}: "), item.get().as_bytes(), max_data)
    };
    items.iter().enumerate().map(one).collect()
}

/// The elements of a list.
struct Items<'a>(Vec<&'a RawValue>);

impl<'de> Deserialize<'de> for Items<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Items<'de>, D::Error> {
        struct List;

        impl<'de> Visitor<'de> for List {
            type Value = Items<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a sequence")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Items<'de>, A::Error> {
                let (mut items, mut turns) = (Vec::new(), CpuTurns::default());
                while let Some(item) = list.next_element::<&RawValue>()? {
                    turns.read(item.get().len());
                    items.push(item);
                }
                Ok(Items(items))
            }
        }

        deserializer.deserialize_seq(List)
    }
}

/// Reads one message. What it complains about it names by `place`.
pub(super) fn parse_item(
    place: &dyn Display,
    bytes: &[u8],
    max_data: MaxData,
) -> Result<Message, ApiError> {
    check_length(place, bytes, max_data)?;
    let item: Item<'_> = serde_json::from_slice(without_mark(bytes))
        .map_err(|error| ApiError::json(place, &error))?;
    let data = match item.data {
        Some(raw) => JsonObject::from_raw(raw, max_data.depth),
        None => JsonObject::parse(b"{}"),
    };
    let data = data.map_err(|error| ApiError::bad_request(format!("{place}data {error}")))?;
    let (channel, event) = names(place, &item.channel, &item.event)?;
    let key = item.key.map(|key| parse_key(place, &key)).transpose()?;
    check_size(place, &data, max_data)?;
    if let Some(id) = &item.id {
        check_id(id).map_err(|error| ApiError::bad_request(format!("{place}id {error}")))?;
    }
    Ok(Message { publication: Publication { channel, event, data, key }, id: item.id })
}

/// What an id may be: a key like a channel's name.
pub(super) fn check_id(id: &str) -> Result<(), NameError> {
    EventName::check(id)
}

/// Reads the names of a channel and an event that may be published.
pub(super) fn names(
    place: &dyn Display,
    channel: &str,
    event: &str,
) -> Result<(ChannelName, EventName), ApiError> {
    let bad = |field: &str, error| ApiError::bad_request(format!("{place}{field} {error}"));
    let channel = ChannelName::parse(channel).map_err(|error| bad("channel", error))?;
    let event = EventName::parse(event).map_err(|error| bad("event", error))?;
    if event.is_reserved() {
        let text = "event is one of the server's own: gap, and names with session. or presence.";
        return Err(ApiError::bad_request(format!("{place}{text}")));
    }
    Ok((channel, event))
}

/// Reads what a message is the newest state of.
pub(super) fn parse_key(place: &dyn Display, key: &str) -> Result<MessageKey, ApiError> {
    MessageKey::parse(key).map_err(|error| ApiError::bad_request(format!("{place}key {error}")))
}

/// Refuses what is too long for a message, before it is parsed.
pub(super) fn check_length(
    place: &dyn Display,
    bytes: &[u8],
    max_data: MaxData,
) -> Result<(), ApiError> {
    let (len, most) = (bytes.len(), max_data.bytes);
    if len > max_data.message_bytes() {
        let text = format!("{place}{len} bytes are more than max_message_size = {most} allows");
        return Err(ApiError::too_large(text));
    }
    Ok(())
}

/// Refuses data with more bytes than a message may have.
pub(super) fn check_size(
    place: &dyn Display,
    data: &JsonObject,
    MaxData { bytes: most, .. }: MaxData,
) -> Result<(), ApiError> {
    let len = data.as_str().len();
    if len > most {
        let text = format!("{place}data has {len} bytes, more than max_message_size = {most}");
        return Err(ApiError::too_large(text));
    }
    Ok(())
}
