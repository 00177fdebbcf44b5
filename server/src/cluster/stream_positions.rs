//! How far a node is in its streams, as the process that goes on in its place is told.

use serde::{Deserialize, Serialize};

/// How far a node is in one stream of channels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StreamPosition {
    /// The stream's life.
    pub(crate) life: u64,
    /// The newest position that the stream is known to have.
    pub(crate) floor: u64,
    /// Everything that patterns want was delivered up to here.
    pub(crate) seen: u64,
    /// Every message up to here was seen, or is known to be missing, as an audit has found.
    pub(crate) verified: u64,
    /// So long ago.
    pub(crate) verified_ms_ago: u64,
    /// Messages may have been missed since.
    pub(crate) is_unsure: bool,
}

/// How far a node is in the stream with what concerns clients of all nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SharedPosition {
    /// The stream's life.
    pub(crate) life: u64,
    /// Everything up to here is carried out.
    pub(crate) read: u64,
}
