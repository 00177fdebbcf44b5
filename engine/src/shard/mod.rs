//! One shard's I/O on monoio and the delivery ring. It decides nothing: see `broker`.

mod seat;

pub(crate) use seat::{Command, Peer, Seat};

/// Runs a shard on this thread until it is drained.
pub(crate) fn run(_seat: Seat) {
    todo!()
}
