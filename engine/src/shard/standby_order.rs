//! What a shard is told that is to take connections of another process over.

use std::os::fd::RawFd;

use crossbeam::channel::Receiver;

use crate::handover::{Connection, Part};
use crate::types::ShardId;

/// A shard's ring, as another process reaches it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ShardRing {
    pub shard: ShardId,
    pub descriptor: RawFd,
    pub slots: usize,
}

/// What a shard that stands by is told.
pub(crate) enum StandbyOrder {
    /// Make a broker of connections that go over early. Answers as below.
    ImportEarly { connections: Vec<Connection>, reply: oneshot::Sender<Result<(), String>> },
    /// Make a broker of this part; the sockets of its connections are in the ring. Nothing is
    /// received or written. Answers when that is done, or why it cannot be.
    Import { part: Box<Part>, reply: oneshot::Sender<Result<(), String>> },
    /// Serve. `used` slots of the ring were filled at most.
    Serve { used: u32 },
}

/// The orders of a shard that stands by.
pub(crate) type Standby = Receiver<StandbyOrder>;
