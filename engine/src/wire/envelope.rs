//! The inbound envelope: docs/PROTOCOL.md section 1.

use std::borrow::Cow;
use std::fmt;

use serde_json::value::RawValue;

use super::Message;
use super::json_members::{is_null, is_object, members, string};
use crate::config::Correlation;
use crate::types::MessageType;

/// The envelope of one message of a client.
pub struct Inbound<'a> {
    /// The client's name for the message.
    pub id: Option<Cow<'a, str>>,
    /// What the reply is to repeat, or what this message answers.
    pub correlation_id: Option<Cow<'a, str>>,
    /// The envelope's `type`; never [`MessageType::Invalid`].
    pub kind: MessageType,
    /// The name of the event or request.
    pub event: Option<Cow<'a, str>>,
    /// A JSON object as it was written; `None` means `{}`.
    pub data: Option<&'a RawValue>,
    /// A channel.
    pub room: Option<Cow<'a, str>>,
}

/// Why a message is no envelope. Never repeats what the client sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// A binary message that is not text.
    #[error("Message is not UTF-8")]
    NotText,
    /// Not JSON, or JSON but not one object.
    #[error("Message is not one JSON object")]
    NotObject,
    /// The only required key is missing.
    #[error("Message has no type")]
    NoType,
    /// A `type` that is not in the protocol.
    #[error("Message type is unknown")]
    UnknownType,
    /// A key with a value of the wrong type.
    #[error("Message key '{key}' must be {expected}")]
    WrongType {
        /// Which key.
        key: &'static str,
        /// What it takes.
        expected: &'static str,
    },
}

const KEYS: [&str; 8] =
    ["id", "correlation_id", "type", "event", "data", "room", "error_code", "error_message"];

impl<'a> Inbound<'a> {
    /// Reads a text message.
    ///
    /// # Errors
    /// [`DecodeError`] when it is not an envelope.
    pub fn parse(text: &'a str) -> Result<Inbound<'a>, DecodeError> {
        let [id, correlation_id, kind, event, data, room, error_code, error_message] =
            members(text, &KEYS).map_err(|_| DecodeError::NotObject)?;
        let kind = kind.ok_or(DecodeError::NoType)?;
        let kind = string(kind).ok_or(wrong("type", "a string"))?;
        let id = id.map(|id| string(id).ok_or(wrong("id", "a string"))).transpose()?;
        if data.is_some_and(|data| !is_object(data)) {
            return Err(wrong("data", "an object"));
        }
        // A server ignores the keys of replies, but a wrong type is an error.
        nullable("error_code", error_code)?;
        nullable("error_message", error_message)?;
        Ok(Inbound {
            id,
            correlation_id: nullable("correlation_id", correlation_id)?,
            kind: message_type(&kind).ok_or(DecodeError::UnknownType)?,
            event: nullable("event", event)?,
            data,
            room: nullable("room", room)?,
        })
    }

    /// Reads a message; a binary one must hold UTF-8.
    ///
    /// # Errors
    /// [`DecodeError`] when it is not an envelope.
    pub fn parse_message(message: Message<'a>) -> Result<Inbound<'a>, DecodeError> {
        Inbound::parse(message.text().ok_or(DecodeError::NotText)?)
    }

    /// What a reply carries as its `correlation_id`: docs/PROTOCOL.md section 4.
    pub fn correlation(&self, rule: Correlation) -> Option<&str> {
        match rule {
            Correlation::Id => self.id.as_deref().or(self.correlation_id.as_deref()),
            Correlation::Echo => self.correlation_id.as_deref(),
        }
    }
}

/// Shows no content: `data` may hold a token.
impl fmt::Debug for Inbound<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbound").field("kind", &self.kind).finish_non_exhaustive()
    }
}

fn message_type(text: &str) -> Option<MessageType> {
    let known = MessageType::ALL.iter().find(|kind| kind.label() == text)?;
    (*known != MessageType::Invalid).then_some(*known)
}

fn wrong(key: &'static str, expected: &'static str) -> DecodeError {
    DecodeError::WrongType { key, expected }
}

fn nullable<'a>(
    key: &'static str,
    value: Option<&'a RawValue>,
) -> Result<Option<Cow<'a, str>>, DecodeError> {
    match value {
        Some(value) if !is_null(value) => {
            Ok(Some(string(value).ok_or(wrong(key, "a string or null"))?))
        }
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests;
