//! What dividing a state asks of connections: where they are, and what they need of channels.

use std::collections::HashMap;
use std::net::IpAddr;

use super::{Connection, HandoverError};
use crate::types::{ChannelName, Seq, ShardId};

/// What a shard's connections need of a channel.
#[derive(Clone, Copy, Debug)]
pub(super) struct Need {
    /// The oldest position that one of them has not been handed.
    pub next: Seq,
    /// The slot and the address of the first one.
    pub first: (u32, IpAddr),
}

/// By shard.
pub(super) type Needs = Vec<HashMap<ChannelName, Need>>;

/// What a shard of the successor gets, of what all get.
pub(super) fn of_shard<T>(all: &mut [T], shard: ShardId) -> Result<&mut T, HandoverError> {
    all.get_mut(shard.index()).ok_or(HandoverError::Malformed("a shard that is not there"))
}

/// Each slot is taken once, and each connection is a client of a service.
pub(super) fn check_connections(
    connections: &mut [Connection],
    services: usize,
) -> Result<(), HandoverError> {
    connections.sort_by_key(|connection| connection.socket.slot);
    let slots = connections.iter().map(|connection| connection.socket.slot);
    if !slots.is_sorted_by(|one, next| one < next) {
        return Err(HandoverError::Malformed("a slot is taken twice"));
    }
    if connections.iter().any(|connection| connection.service.index() >= services) {
        return Err(HandoverError::Malformed("a service that is not there"));
    }
    Ok(())
}
