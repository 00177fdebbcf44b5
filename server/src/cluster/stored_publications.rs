//! What a message of a stream has in it: publications, as JSON texts with a separator between them.

use bytes::{BufMut as _, Bytes, BytesMut};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uringcast_engine::{ChannelName, EventName, JsonObject, MessageKey, Publication};

/// No JSON text has this control character (RFC 7464 uses it likewise).
const SEPARATOR: u8 = 0x1e;

#[derive(Serialize, Deserialize)]
struct Entry<'a> {
    #[serde(borrow)]
    event: std::borrow::Cow<'a, str>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    key: Option<std::borrow::Cow<'a, str>>,
    #[serde(borrow)]
    data: &'a RawValue,
}

/// A publication without its channel: the subject has that.
pub(crate) fn entry(publication: &Publication) -> Result<Bytes, serde_json::Error> {
    let entry = Entry {
        event: publication.event.as_str().into(),
        key: publication.key.as_ref().map(|key| key.as_str().into()),
        data: serde_json::from_str(publication.data.as_str())?,
    };
    serde_json::to_vec(&entry).map(Bytes::from)
}

/// The message of these publications.
pub(crate) fn join(entries: &[Bytes]) -> Bytes {
    if let [entry] = entries {
        return entry.clone();
    }
    let mut all = BytesMut::with_capacity(entries.iter().map(|entry| entry.len() + 1).sum());
    for (place, entry) in entries.iter().enumerate() {
        if place > 0 {
            all.put_u8(SEPARATOR);
        }
        all.put_slice(entry);
    }
    all.freeze()
}

/// The publications of a message; `None` if another program has stored it.
pub(crate) fn read(
    channel: &ChannelName,
    message: &[u8],
    depth: usize,
) -> Option<Vec<Publication>> {
    let entries = message.split(|byte| *byte == SEPARATOR);
    let read = |entry: &[u8]| {
        let entry: Entry<'_> = serde_json::from_slice(entry).ok()?;
        Some(Publication {
            channel: channel.clone(),
            event: EventName::parse(&entry.event).ok()?,
            data: JsonObject::from_raw(entry.data, depth).ok()?,
            key: entry.key.map(|key| MessageKey::parse(&key)).transpose().ok()?,
        })
    };
    entries.map(read).collect()
}

#[cfg(test)]
mod tests;
