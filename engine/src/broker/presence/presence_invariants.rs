//! What the simulation checks of presence.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::Presence;
use crate::types::{ChannelName, ConnectionKey};

impl Presence {
    /// The subscriptions of this shard's connections that count.
    pub(in crate::broker) fn present(&self) -> BTreeSet<(ConnectionKey, ChannelName)> {
        self.reports.present().map(|(key, channel)| (key, channel.clone())).collect()
    }

    /// The connections in the rosters of channels homed here.
    pub(in crate::broker) fn rostered(&self) -> BTreeSet<(Uuid, ChannelName)> {
        let of = |(channel, kept): (&ChannelName, &super::Kept)| {
            let connections: Vec<Uuid> = kept.roster.of_connections().keys().copied().collect();
            connections.into_iter().map(|id| (id, channel.clone())).collect::<Vec<_>>()
        };
        self.rosters.iter().flat_map(of).collect()
    }
}
