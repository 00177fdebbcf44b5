//! What a client may say, and what it waits for.

use super::SecretBytes;
use crate::types::{ChannelName, Seq, Time};

/// What a client may say, and what it waits for. Requests that other shards answer are over before
/// a state is made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Session {
    /// Whether it must show, or has shown, a token.
    pub is_authenticating: bool,
    /// Its identity, once that is known.
    pub identity: Option<Identity>,
    /// Its token is being verified: the successor has it verified anew.
    pub verification: Option<Verification>,
    /// Why its last token was refused.
    pub fault: Option<Fault>,
    /// The part of the updates that it has asked for, in a session protocol of the embedder.
    pub filter: Option<String>,
    /// It leaves channels, and is handed what was accepted before.
    pub departure: Option<Departure>,
    /// Further orders behind that.
    pub later: Vec<Order>,
    /// It is closed then, whatever it waits for.
    pub close_by: Option<(Time, CloseCause)>,
    /// What it sent behind a request that is under way.
    pub waiting: Vec<Waiting>,
}

impl Session {
    /// Whether nothing is under way: nothing of it changes while nothing is received.
    pub(crate) fn is_calm(&self) -> bool {
        let Session { verification, filter, departure, later, close_by, waiting, .. } = self;
        verification.is_none()
            && filter.is_none()
            && departure.is_none()
            && later.is_empty()
            && close_by.is_none()
            && waiting.is_empty()
    }
}

/// The identity of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Its user.
    pub user: String,
    /// What it may do, of the permissions that the predecessor's rules named.
    pub permissions: Vec<String>,
    /// When its token ends.
    pub expires: Option<Time>,
    /// What distinguishes the token.
    pub token: Option<u64>,
    /// When the token was issued: seconds since 1970-01-01 UTC.
    pub issued: Option<i64>,
}

/// A token that is being verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verification {
    /// The token.
    pub token: SecretBytes,
    /// The `auth` request that is owed a reply, with its correlation; none if the upgrade carried
    /// the token.
    pub request: Option<Option<String>>,
    /// The welcome is still to be sent.
    pub welcome: bool,
    /// Messages received meanwhile.
    pub backlog: Vec<SentMessage>,
}

/// Why a token was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// In words.
    pub why: String,
    /// The user of the token, where its signature is good.
    pub user: Option<String>,
}

/// A whole message of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SentMessage {
    /// UTF-8, checked.
    Text(String),
    /// Any bytes.
    Binary(Box<[u8]>),
}

/// Something that a client sent, and that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// A message.
    Message(SentMessage),
    /// Its close frame, with its code.
    Close(u16),
    /// The end of its side.
    End(EndKind),
}

/// How a client's side has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndKind {
    /// By a FIN.
    Eof,
    /// The socket failed.
    Reset,
    /// What came cannot be decrypted.
    TlsFault,
}

/// An order to leave channels that waits until the client has been handed what was accepted before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Departure {
    /// What was asked for.
    pub order: Order,
    /// The last message to be handed of each channel.
    pub positions: Vec<(ChannelName, Seq)>,
    /// When it takes effect at the latest.
    pub until: Time,
}

/// What is to be done with channels of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// What is to be done.
    pub action: Action,
    /// The channels.
    pub names: Vec<ChannelName>,
    /// What a pattern begins with, where it is about one.
    pub pattern: Option<String>,
    /// The reply's correlation.
    pub correlation: Option<String>,
    /// Whether the reply is for a list.
    pub is_list: bool,
    /// Impossible names that the reply tells of.
    pub invalid: Vec<String>,
}

/// What an order is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// To subscribe.
    Subscribe,
    /// To unsubscribe.
    Unsubscribe,
    /// To leave what the connection has by a pattern alone.
    Unwatch,
    /// To leave all channels, then to close the connection.
    Close(CloseCause),
}

/// Why a connection is closed once it was handed what was accepted for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseCause {
    /// The server stops.
    Shutdown,
    /// The server is relieved of it.
    Drain,
    /// Its token was good until now.
    TokenExpired,
    /// Its service wants it gone.
    Expelled,
    /// Its certificate was revoked.
    CertificateRevoked,
}
