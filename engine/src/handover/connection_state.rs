//! A connection: what it is, what it has been handed, and what it is owed.

use std::net::SocketAddr;

use uuid::Uuid;

use super::{Inbound, SecretBytes, Session};
use crate::types::{
    ChannelName, ClientCertificate, DrainReason, Epoch, Seq, ServiceId, ShardId, Time, TlsMode,
};

/// An open connection of a client. Those that are closing do not go over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// Where its socket is in the successor.
    pub socket: Socket,
    /// The id with which it was welcomed, which it keeps.
    pub id: Uuid,
    /// The service of its client.
    pub service: ServiceId,
    /// The client's address, as far as trusted proxies tell it.
    pub peer: SocketAddr,
    /// What protects it.
    pub tls_mode: TlsMode,
    /// The certificate that it has shown.
    pub certificate: Option<ClientCertificate>,
    /// Why it was told to reconnect, if it was.
    pub leaving: Option<DrainReason>,
    /// Second of its admission.
    pub since: u32,
    /// Second in which something was received last, or a PING sent.
    pub last_received: u32,
    /// A PING was sent and nothing received since.
    pub awaits_pong: bool,
    /// What is left of its rate of messages, in thousandths.
    pub messages: Allowance,
    /// What is left of its rate of bytes.
    pub bytes: Allowance,
    /// It is not received from until its rates allow it.
    pub is_held_back: bool,
    /// What was agreed on compression. Contexts begin anew.
    pub deflate: Option<DeflateTerms>,
    /// What is kept of its bytes while a frame or a message is incomplete.
    pub inbound: Inbound,
    /// It is a stream of Server-Sent Events.
    pub stream: Option<Stream>,
    /// What its client may say and waits for.
    pub session: Session,
    /// What the channels of its patterns begin with.
    pub patterns: Vec<String>,
    /// Its channels.
    pub subscriptions: Vec<Subscription>,
    /// What it is owed, where it could not take its bytes.
    pub debts: Option<Debts>,
    /// Messages that it was not sent because it was too far behind: those passed over, and those
    /// that newer ones with their keys replace.
    pub skipped: (u64, u64),
    /// Its deadlines.
    pub deadlines: Vec<Deadline>,
}

/// A connection's place in the successor, and what only the shells know of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Socket {
    /// The shard that has its socket.
    pub shard: ShardId,
    /// Its slot there, and its index in the broker.
    pub slot: u32,
    /// Keys, IVs, sequence numbers and traffic secrets of its TLS, in a format of the shell.
    pub tls: Option<SecretBytes>,
    /// The end of what its peer sends was reported to the broker: it is not received from.
    pub receive_ended: bool,
}

/// What is left of a rate, as of a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allowance {
    /// Negative where more has come than was allowed.
    pub left: i32,
    /// Milliseconds of the engine's clock, modulo 2^32.
    pub at_ms: u32,
}

/// What was agreed on permessage-deflate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeflateTerms {
    /// Bits of the window with which the client inflates.
    pub window_bits: u8,
    /// Only messages that were compressed by themselves may be sent.
    pub is_twins_only: bool,
}

/// A stream of Server-Sent Events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    /// Whether its `id`s have the positions of several channels.
    pub is_joint: bool,
    /// Its request, until that is answered.
    pub request: Option<StreamRequest>,
}

/// A request for a stream that is not answered yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamRequest {
    /// The channels that it asks for.
    pub channels: Vec<ChannelName>,
    /// The last message that the client has of some of them.
    pub since: Vec<(ChannelName, Epoch, Seq)>,
    /// The origin of the page that asks.
    pub origin: Option<String>,
    /// How many older messages those without a position begin with.
    pub last: u64,
    /// They begin with the newest message of each key instead.
    pub latest: bool,
}

/// One channel of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// Which channel.
    pub channel: ChannelName,
    /// What was handed to its socket, or is in the debts' tail: it goes on behind this.
    pub handed: Seq,
    /// Up to here it gets the newest message of each key only.
    pub newest_to: Seq,
    /// It has the channel by a pattern alone.
    pub is_by_pattern: bool,
    /// As which member it counts for the channel's presence, if it does.
    pub attendance: Option<Attendance>,
}

/// As which member a subscription counts for presence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attendance {
    /// The user that its token named when it subscribed.
    pub user: Option<String>,
}

/// What a connection is owed that could not take its bytes, in the order in which it is sent:
/// `tail`, `outbox`, then what it has not been handed of its channels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Debts {
    /// The rest of a write that was cut short.
    pub tail: Box<[u8]>,
    /// Whether that is ciphertext: its record numbers are spent, and it is sent as it is.
    pub is_sealed: bool,
    /// Replies, ready for the socket.
    pub outbox: Box<[u8]>,
    /// Since when.
    pub since: Time,
    /// It is behind because it has asked for the past, and not to be blamed for it.
    pub is_recovering: bool,
    /// It is too far behind in a channel of a class that then skips messages: that was logged.
    pub is_skipping: bool,
}

/// Something that a connection is to do, or is to be given, by some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline {
    /// When.
    pub at: Time,
    /// What.
    pub kind: DeadlineKind,
}

/// What a deadline is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeadlineKind {
    /// The peer must have sent its first frame.
    FirstFrame,
    /// A pause of receiving ends.
    Resume,
    /// What the peer sent before its end must have been handled.
    Backlog,
    /// The slot of a client that was told to reconnect ends.
    Reconnect,
}
