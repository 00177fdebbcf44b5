//! What the broker asks of the shell.

use std::net::SocketAddr;

use uuid::Uuid;

use super::connection::Exceeded;
use crate::types::{ChannelName, ConnectionEnd, ConnectionKey, ServiceId};
use crate::wire::Secret;

/// One thing the shell is to do, in the order given, after the turn's last flush.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Have this token verified, and report `handle_authenticated` once. Bounded by
    /// `limits::VERIFICATIONS_PER_SHARD`.
    Authenticate {
        /// Its client's service.
        service: ServiceId,
        /// The connection that sent it.
        key: ConnectionKey,
        /// The token.
        token: Secret,
    },
    /// Stop receiving from this connection until `ResumeReceive`. What already arrived still comes.
    PauseReceive(ConnectionKey),
    /// Receive again.
    ResumeReceive(ConnectionKey),
    /// Report once, by `handle_writable`, when the socket has room again.
    AwaitWritable(ConnectionKey),
    /// Send FIN (over TLS: close_notify first). Receiving goes on.
    ShutdownWrite(ConnectionKey),
    /// End receiving for good, and any pending writability poll. Once their final completions
    /// are in (at once if nothing was armed), report `handle_receive_ended`.
    CancelReceive(ConnectionKey),
    /// Log why a connection is closed, a token refused, or messages passed over.
    Log(Box<ClientReport>),
    /// Report the end of a connection to where [`Config::ends`](crate::Config::ends) says.
    Report(Box<ConnectionEnd>),
    /// Clear the slot and forget the connection. The index may be admitted again as soon as this
    /// is queued, so do this before the next `Hub::admit`.
    Release(ConnectionKey),
}

/// What the log says of a connection that is closed or too far behind, or of a token that is
/// refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientReport {
    /// Its client's service.
    pub service: ServiceId,
    /// The id the client was welcomed with.
    pub connection_id: Uuid,
    /// The other end.
    pub peer: SocketAddr,
    /// Whom its token names, where the signature of that is good.
    pub user: Option<Box<str>>,
    /// The common name of the certificate that the client has shown.
    pub certificate: Option<Box<str>>,
    /// Code and text of the close frame; `None` where the connection stays open.
    pub close: Option<(u16, &'static str)>,
    /// The policy by which it begins to be sent less than everything, being too far behind.
    pub skips: Option<&'static str>,
    /// Why its token was refused.
    pub cause: Option<Box<str>>,
    /// The limit that was exceeded, if it was one.
    pub exceeded: Option<Exceeded>,
    /// For a slow consumer: its rearmost channel, or the one where messages are passed over.
    pub channel: Option<ChannelName>,
    /// For a slow consumer: messages between its cursor there and the channel's head.
    pub behind: Option<u64>,
}
