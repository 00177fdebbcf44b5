//! A message of a stream that every node reads whole.

use async_nats::Message;
use bytes::Bytes;

use super::{reads, subjects};

/// The header with the node that has stored a message.
pub(super) const NODE: &str = "Uringcast-Node";
/// The header with a message's own id.
pub(super) const ID: &str = "Nats-Msg-Id";

/// A message, as it is stored or as it comes when it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SharedMessage {
    /// What its subject has behind that of the stream.
    pub(crate) tail: String,
    pub(crate) seq: u64,
    /// The second since 1970 in which it was stored.
    pub(crate) unix: i64,
    /// The node that has stored it; empty where that does not say.
    pub(crate) node: String,
    /// Its own id; empty without one.
    pub(crate) id: String,
    pub(crate) body: Bytes,
}

/// What a message is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) kind: String,
    pub(crate) service: String,
    /// A channel, or what tells it from other messages of its kind.
    pub(crate) name: String,
}

impl Address {
    /// What the subject of its messages has behind that of the stream.
    pub(crate) fn tail(kind: &str, service: &str, name: &str) -> String {
        format!("{kind}.{}", subjects::tokens(service, name))
    }

    /// Reads it from there; `None` where another program has stored the message.
    pub(crate) fn parse(tail: &str) -> Option<Address> {
        let mut parts = tail.split('.');
        let mut next = || parts.next().and_then(subjects::unescape);
        let (kind, service, name) = (next()?, next()?, next()?);
        parts.next().is_none().then_some(Address { kind, service, name })
    }
}

impl SharedMessage {
    /// Reads one with a subject that begins in this way.
    pub(super) fn read(prefix: &str, of: &Message) -> Option<SharedMessage> {
        let headers = of.headers.as_ref()?;
        let text = |name| headers.get(name).map_or("", |value| value.as_str()).to_owned();
        let tail = headers.get("Nats-Subject")?.as_str().strip_prefix(prefix)?.to_owned();
        let message = reads::message(of)?;
        Some(SharedMessage {
            tail,
            seq: message.seq,
            unix: (message.time / 1_000_000_000) as i64,
            node: text(NODE),
            id: text(ID),
            body: message.data,
        })
    }
}

#[cfg(test)]
mod tests;
