//! What the log says of a close that is the peer's fault: which connection, which limit, and what
//! it came to. The broker makes the report; the shell writes it.

use std::net::SocketAddr;

use uuid::Uuid;

/// A connection that is closed for a fault of its peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloseReport {
    /// The id the client was welcomed with.
    pub connection_id: Uuid,
    /// The other end.
    pub peer: SocketAddr,
    /// The close frame's code.
    pub code: u16,
    /// The close frame's text.
    pub reason: &'static str,
    /// The limit that was exceeded, if it was one.
    pub exceeded: Option<Exceeded>,
    /// For a slow consumer: messages between its rearmost cursor and its channel's head.
    pub behind: Option<u64>,
}

/// A limit that was exceeded. Names are those of the settings, where there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exceeded {
    /// The setting or the constant.
    pub name: &'static str,
    /// Its value.
    pub limit: u64,
    /// What it came to; `None` of what is gone already.
    pub value: Option<u64>,
}
