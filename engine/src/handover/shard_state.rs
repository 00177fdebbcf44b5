//! What one shard of the predecessor held.

use super::{Channel, Connection, EarlyPlace, Published, Roster};
use crate::types::{ChannelName, Seq, ShardId};

/// What one shard of the predecessor held. How many shards there were does not matter.
#[derive(Debug)]
pub struct ShardState {
    /// Which shard.
    pub shard: ShardId,
    /// The channels that it was home of.
    pub channels: Vec<Channel>,
    /// Their members, where their class keeps presence.
    pub rosters: Vec<Roster>,
    /// Its connections that go over, but for those that went early and are still as they were.
    pub connections: Vec<Connection>,
    /// Where channels stood that it has forgotten, the oldest first.
    pub forgotten: Vec<(ChannelName, Seq)>,
    /// At least the head of every channel that is in neither list.
    pub floor: Seq,
    /// How far connections are that went early, in channels homed on other shards.
    pub heads: Vec<(ChannelName, Seq)>,
    /// Connections that went over early and have ended.
    pub ended: Vec<EarlyPlace>,
    /// How many TLS records those have been sent that went over early and are still open.
    pub sealed: Vec<(ShardId, u32, u64)>,
    /// What clients have published with ids in channels homed here, the oldest first.
    pub published: Vec<Published>,
    /// Positions that its clients were told for messages of their own, which an external order had
    /// not delivered yet.
    pub acknowledged: Vec<(ChannelName, Seq)>,
}

impl ShardState {
    /// Nothing yet.
    pub fn new(shard: ShardId) -> ShardState {
        ShardState {
            shard,
            channels: Vec::new(),
            rosters: Vec::new(),
            connections: Vec::new(),
            forgotten: Vec::new(),
            floor: Seq(0),
            heads: Vec::new(),
            ended: Vec::new(),
            sealed: Vec::new(),
            published: Vec::new(),
            acknowledged: Vec::new(),
        }
    }
}
