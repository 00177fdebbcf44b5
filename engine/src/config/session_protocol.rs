//! The protocol of a service, and the interface for protocols of the embedder.

use std::fmt;
use std::sync::Arc;

/// The protocol of a service's connections.
#[derive(Clone, Debug, Default)]
pub enum Protocol {
    /// The family's JSON envelope (docs/PROTOCOL.md).
    #[default]
    Envelope,
    /// A protocol of the embedder.
    Custom(Arc<dyn SessionProtocol>),
    /// Every data message is sent back unchanged: for conformance suites.
    Echo,
}

impl Protocol {
    /// Whether publications on this channel are not sent as they are, but once a second as an
    /// update.
    pub(crate) fn is_periodic(&self, channel: &str) -> bool {
        matches!(self, Protocol::Custom(custom) if custom.channel() == channel)
    }

    /// Whether it is the family's envelope.
    pub(crate) fn is_envelope(&self) -> bool {
        matches!(self, Protocol::Envelope)
    }
}

/// A protocol in which every client gets updates of one channel, once a second. Messages are texts
/// in both directions; `timestamp` is the current time as RFC 3339 with microseconds.
///
/// The methods run on the shards' threads, between two sends: they must not block.
pub trait SessionProtocol: fmt::Debug + Send + Sync {
    /// The channel that the service publishes on. Every client is subscribed to it.
    fn channel(&self) -> &str;

    /// The first message to a client. `message` is the service's own greeting.
    fn greeting(&self, message: &str, authenticated: bool, timestamp: &str) -> String;

    /// Reads a client's message; `None` when it is none of this protocol.
    fn request(&self, text: &str, timestamp: &str) -> Option<ClientRequest>;

    /// The update of a second, from the envelope of what was last published.
    fn update(&self, published: Option<&str>, timestamp: &str) -> String;

    /// The part of an update that `filter` selects; `None` for nothing.
    fn part(&self, update: &str, filter: &str, timestamp: &str) -> Option<String>;

    /// Close code and text for a client without a good token.
    fn unauthenticated(&self) -> (u16, &'static str);
}

/// A request of a [`SessionProtocol`]'s client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientRequest {
    /// Updates: all, or what `filter` selects of them.
    Subscribe {
        /// See [`SessionProtocol::part`].
        filter: Option<String>,
        /// Confirms it.
        reply: String,
    },
    /// All updates again.
    Unsubscribe,
    /// To be authenticated by this token; `None` when it is empty or malformed.
    Token(Option<String>),
    /// An answer.
    Ping {
        /// The answer.
        reply: String,
    },
    /// Something the protocol does not answer.
    Unknown,
}
