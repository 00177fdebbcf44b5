//! Requests to publish.

use super::{Request, RequestError, data, name_of};
use crate::types::{EventName, JsonObject, JsonObjectError, MessageKey, Publication};
use crate::wire::envelope::Inbound;
use crate::wire::json_members::string;

/// What a client publishes, and by which id it knows it again.
pub(super) fn publish(message: &Inbound<'_>, max_depth: usize) -> Result<Request, RequestError> {
    let names = ["channel", "event", "data", "key", "id"];
    let [channel, event, document, key, id] = data(message, &names);
    let channel = name_of(channel)?;
    let event = event.and_then(string).ok_or(RequestError::NoEvent)?;
    let event = EventName::parse(&event).map_err(RequestError::InvalidEvent)?;
    if event.is_reserved() {
        return Err(RequestError::ReservedEvent);
    }
    let key = key.map(|key| {
        let text = string(key).ok_or(RequestError::KeyType)?;
        MessageKey::parse(&text).map_err(RequestError::InvalidKey)
    });
    let key = key.transpose()?;
    let id = id.map(|id| {
        let text = string(id).ok_or(RequestError::IdType)?;
        // What a name may be, as over HTTP.
        EventName::parse(&text).map_err(RequestError::InvalidId)?;
        Ok(text.as_ref().into())
    });
    let id = id.transpose()?;
    let document = document.ok_or(RequestError::InvalidData)?;
    let data = JsonObject::from_raw(document, max_depth).map_err(|error| match error {
        JsonObjectError::Limit(limit) => RequestError::DataLimit(limit),
        _ => RequestError::InvalidData,
    })?;
    Ok(Request::Publish { publication: Publication { channel, event, data, key }, id })
}
