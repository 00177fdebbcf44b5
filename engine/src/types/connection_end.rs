//! What is known of a connection at its end.

use std::net::SocketAddr;
use std::time::Duration;

use uuid::Uuid;

use super::{ServiceId, Transport};

/// A client's connection that has come to its end: its close frame is on the way, or it is lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionEnd {
    /// The service of the client.
    pub service: ServiceId,
    /// The id the client was welcomed with.
    pub connection_id: Uuid,
    /// The other end.
    pub peer: SocketAddr,
    /// The user that its token named.
    pub user: Option<Box<str>>,
    /// The common name of the certificate that it showed.
    pub certificate: Option<Box<str>>,
    /// By which protocol it was served.
    pub transport: Transport,
    /// Whether TLS was on.
    pub secure: bool,
    /// When it ended: microseconds since 1970-01-01 UTC.
    pub unix_us: i64,
    /// How long it was open, in whole seconds.
    pub open: Duration,
    /// The close code; 1006 without a close frame.
    pub code: u16,
    /// Why, as metrics label it.
    pub reason: &'static str,
}
