//! The answer to a request for a channel's history: docs/PROTOCOL.md section 3.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::value::RawValue;

use super::json_members::{members, string};
use super::reply::NotRecovered;
use crate::types::{ChannelName, Epoch, Seq};

/// One message of a channel's log.
#[derive(Clone, Debug, Serialize)]
pub struct HistoryMessage<'a> {
    /// Its position.
    pub seq: Seq,
    /// When it was accepted, as it was sent.
    pub timestamp: Cow<'a, str>,
    /// The name of the event.
    pub event: Cow<'a, str>,
    /// What it is the newest state of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<Cow<'a, str>>,
    /// The document as it was published; `None` where it is too large for the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<&'a RawValue>,
    /// Bytes of a document that is too large for the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<usize>,
}

impl<'a> HistoryMessage<'a> {
    /// Reads the envelope of a broadcast; `None` if it is none.
    pub fn read(seq: Seq, envelope: &'a str) -> Option<HistoryMessage<'a>> {
        let [timestamp, event, data, key] =
            members(envelope, &["timestamp", "event", "data", "key"]).ok()?;
        Some(HistoryMessage {
            seq,
            timestamp: timestamp.and_then(string)?,
            event: event.and_then(string)?,
            key: key.and_then(string),
            data,
            bytes: None,
        })
    }

    /// The same without its document.
    #[must_use]
    pub fn without_data(self) -> HistoryMessage<'a> {
        let bytes = self.data.map(|data| data.get().len());
        HistoryMessage { data: None, bytes, ..self }
    }
}

/// A part of a channel's log, as it is answered.
#[derive(Debug, Serialize)]
pub struct HistoryAnswer<'a> {
    /// The channel.
    #[serde(serialize_with = "name")]
    pub channel: &'a ChannelName,
    /// The log's epoch.
    pub epoch: Epoch,
    /// Position of the oldest message that the log holds.
    pub oldest: Option<Seq>,
    /// Position of the newest message, also when the log does not hold it.
    pub newest: Seq,
    /// In the order that was asked for.
    pub messages: Vec<HistoryMessage<'a>>,
    /// Whether the log holds further ones in that direction.
    pub more: bool,
    /// Whether this is not all that follows the position that was named.
    pub partial: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<NotRecovered>,
}

fn name<S: serde::Serializer>(name: &&ChannelName, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(name.as_str())
}

#[cfg(test)]
mod tests;
