//! What one shard of the predecessor held.

use super::{Channel, Connection, Roster};
use crate::types::{ChannelName, Seq, ShardId};

/// What one shard of the predecessor held. How many shards there were does not matter.
#[derive(Debug)]
pub struct ShardState {
    /// Which shard.
    pub shard: ShardId,
    /// The channels that it was home of.
    pub channels: Vec<Channel>,
    /// Who is present in them, where their class keeps that.
    pub rosters: Vec<Roster>,
    /// Its connections that go over.
    pub connections: Vec<Connection>,
    /// Where channels stood that it has forgotten, the oldest first.
    pub forgotten: Vec<(ChannelName, Seq)>,
    /// At least the head of every channel that is in neither list.
    pub floor: Seq,
}

impl ShardState {
    /// Nothing yet.
    pub fn new(shard: ShardId) -> ShardState {
        let (channels, rosters, connections) = (Vec::new(), Vec::new(), Vec::new());
        ShardState { shard, channels, rosters, connections, forgotten: Vec::new(), floor: Seq(0) }
    }
}
