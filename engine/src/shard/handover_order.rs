//! What the control plane orders of all shards together, to hand their connections to another
//! process.

use std::net::TcpListener;
use std::sync::Arc;

use super::delivery_ring::RemoteRing;
use crate::handover::{Connection, History, Sent, ShardState};
use crate::types::{Epoch, ServiceId, ShardId};

/// A step of a hand-over.
pub(crate) enum HandoverOrder {
    /// Answer with duplicates of the sockets that the shard accepts from.
    Listeners { reply: oneshot::Sender<Vec<(ServiceId, TcpListener)>> },
    /// Answer with the next messages of logs, behind those that were sent.
    History { sent: Sent, reply: oneshot::Sender<(Sent, Option<History>)> },
    /// Answers how many of the handshakes are under way that were when this was asked first.
    Await { is_first: bool, reply: oneshot::Sender<usize> },
    /// Accept no connection from now on. Answers how many handshakes are under way.
    Close { reply: oneshot::Sender<usize> },
    /// Admit no connection from now on. Answers how many may go over.
    Hold { reply: oneshot::Sender<usize> },
    /// Those that may go over have these places, in their order.
    Assign { rings: Arc<[RemoteRing]>, places: Vec<Place> },
    /// Answers with the connections of some slots, from this one on, that can go over early; `None`
    /// behind the last.
    Early { from: u32, reply: oneshot::Sender<Option<Vec<Connection>>> },
    /// Answers whether all that was published is delivered, or owed to slow subscribers.
    IsSwept { reply: oneshot::Sender<bool> },
    /// Copy the sockets to their places, and stop receiving. Answers once both are done, with the
    /// error number of a copy that failed.
    Stop { reply: oneshot::Sender<Result<(), i32>> },
    /// Answers whether the shard is at rest, and was since it was asked before.
    Rest { reply: oneshot::Sender<Rest> },
    /// Answers with the state, without what of the logs was sent, and stands still until the
    /// verdict is there.
    Export { sent: Sent, reply: oneshot::Sender<Exported>, verdict: oneshot::Receiver<Verdict> },
    /// Serve on.
    Resume,
}

/// Whether a shard can be written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rest {
    /// Nothing is under way.
    Idle,
    /// Something is, or was.
    Busy,
    /// A client waits for an answer of the external order.
    AwaitsOrder,
}

/// What a shard has written down.
pub(crate) struct Exported {
    pub state: ShardState,
    /// Connections that go over, those that went early among them.
    pub connections: usize,
    /// Connections that are not in it: they stay.
    pub staying: usize,
    /// The epoch of its logs.
    pub epoch: Epoch,
    /// Clients were told that nothing can be published.
    pub is_degraded: bool,
}

/// What becomes of a shard that has written its state down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It serves on.
    Resume,
    /// The other process serves what went over.
    HandedOver,
}

/// A slot of one of the other process's rings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub shard: ShardId,
    pub slot: u32,
}
