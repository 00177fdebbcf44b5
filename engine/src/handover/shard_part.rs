//! What one shard of the successor takes over.

use std::net::IpAddr;

use uuid::Uuid;

use super::{Channel, Connection, Published, Roster};
use crate::types::{ChannelName, Seq, ServiceId, ShardId};

/// What one shard of the successor takes over. The parts of all shards fit each other: homes serve
/// the replicas that are there, and all shards know each other's patterns.
#[derive(Debug)]
pub struct Part {
    /// The shard that it is for.
    pub shard: ShardId,
    /// The channels that it is home of, and those that its connections have: the place of each is
    /// its slot in the shard's table.
    pub channels: Vec<PlacedChannel>,
    /// Its connections, by slot, but for those that went over early and are still as they were.
    pub connections: Vec<Connection>,
    /// Slots of connections that went over early and are not so any more: they have ended, or are
    /// among the others again.
    pub retracted: Vec<u32>,
    /// Subscriptions of the rest of these, by connection.
    pub early: Vec<EarlySubscription>,
    /// How many TLS records some of them have been sent, by slot.
    pub sealed: Vec<(u32, u64)>,
    /// The members of the channels that it is home of.
    pub rosters: Vec<Roster>,
    /// Connections of these rosters that do not go over.
    pub absent: Vec<(ChannelName, Uuid)>,
    /// The patterns of each shard's clients, in order and each once.
    pub patterns: Vec<Vec<(ServiceId, String)>>,
    /// Where channels stood that are not known any more, the oldest first.
    pub forgotten: Vec<(ChannelName, Seq)>,
    /// What clients have published with ids in the channels that it is home of, the oldest first.
    pub published: Vec<Published>,
    /// At least the head of every other channel.
    pub floor: Seq,
    /// Positions that clients were told for messages of their own which had not come yet, in
    /// channels of any shard.
    pub acknowledged: Vec<(ChannelName, Seq)>,
}

/// A channel of a connection that went over early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EarlySubscription {
    /// The connection's slot.
    pub slot: u32,
    /// The channel's slot.
    pub channel: u32,
    /// What it was handed, where that is not all.
    pub handed: Option<Seq>,
}

/// A channel on one shard.
#[derive(Debug)]
pub struct PlacedChannel {
    /// The channel; a replica's log begins where its subscribers need it.
    pub channel: Channel,
    /// Which end of it the shard is.
    pub role: PlacedRole,
    /// Of a channel that exists by its subscribers alone: the slot of the first one, if that is on
    /// this shard, and its address. The channel counts as its own.
    pub maker: Option<(Option<u32>, IpAddr)>,
}

/// Which end of a channel a shard is.
#[derive(Debug, PartialEq, Eq)]
pub enum PlacedRole {
    /// Its home, which serves these shards, each with the slot that the channel has there.
    Home(Vec<(ShardId, u32)>),
    /// Another shard with subscribers.
    Replica {
        /// The channel's home.
        home: ShardId,
        /// The oldest position of the home's log.
        floor: Seq,
        /// It has what the home keeps of keys beyond its log.
        has_kept: bool,
    },
}
