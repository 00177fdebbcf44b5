//! What a client reads of Uringcast's own messages.

use serde::Deserialize;
use serde_json::value::RawValue;

/// What the server answered to a subscription.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Confirmation {
    /// Its name.
    pub channel: String,
    /// Of the log.
    #[serde(default)]
    pub epoch: String,
    /// Of the newest message.
    #[serde(default)]
    pub seq: u64,
    /// Whether what was missed follows, if it was asked for.
    pub recovered: Option<bool>,
}

/// The parts of a server message that matter here (the rest is skipped unread).
#[derive(Debug, Deserialize)]
pub(crate) struct Reply<'a> {
    #[serde(rename = "type")]
    pub(crate) kind: &'a str,
    pub(crate) event: Option<&'a str>,
    pub(crate) room: Option<&'a str>,
    pub(crate) correlation_id: Option<&'a str>,
    pub(crate) error_code: Option<&'a str>,
    #[serde(borrow)]
    pub(crate) data: Option<&'a RawValue>,
}

impl<'a> Reply<'a> {
    /// `None` if the text is no envelope.
    pub(crate) fn parse(text: &'a [u8]) -> Option<Self> {
        serde_json::from_slice(text).ok()
    }

    /// The error code of an error message.
    pub(crate) fn error(&self) -> Option<&'a str> {
        (self.kind == "error").then(|| self.error_code.unwrap_or("ERROR"))
    }
}

/// The confirmation of a subscription, if the message is one; the welcome before it is not. `Err`
/// is the code of a refusal.
pub(crate) fn confirmation(text: &[u8]) -> Result<Option<Confirmation>, String> {
    let Some(reply) = Reply::parse(text) else { return Ok(None) };
    if let Some(code) = reply.error() {
        return Err(code.to_owned());
    }
    if reply.kind != "response" || reply.event != Some("subscribe") {
        return Ok(None);
    }
    let data = reply.data.map(RawValue::get).unwrap_or_default();
    let nameless =
        Confirmation { channel: String::new(), epoch: String::new(), seq: 0, recovered: None };
    Ok(Some(serde_json::from_str(data).unwrap_or(nameless)))
}
