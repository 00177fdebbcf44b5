//! Connections that go over before the pause, while the predecessor still serves. What is said of
//! them then stays true to the end, but for their positions: each has been handed, at the end, all
//! that its shard has of its channels. One of which something else has changed is in the state once
//! again.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use super::placement::{check_connections, of_shard};
use super::{Connection, HandoverError, Subscription};
use crate::types::{ChannelName, Seq, ShardId};

/// Some of them.
#[derive(Debug)]
pub struct Early {
    /// The predecessor's shard that they belong to.
    pub shard: ShardId,
    /// Each once. What their subscriptions were handed does not count.
    pub connections: Vec<Connection>,
}

/// Where a connection that went over early is in the successor: its shard and its slot.
pub type EarlyPlace = (ShardId, u32);

/// What the successor keeps of them, until it knows which have come to their end, and where
/// channels are.
#[derive(Debug, Default)]
pub struct EarlyBook {
    /// Each channel's number.
    pub(super) numbers: HashMap<ChannelName, u32>,
    /// By shard of the successor, each by slot.
    pub(super) shards: Vec<Vec<EarlyEntry>>,
    /// Numbers of the channels of all.
    pub(super) channels: Vec<u32>,
}

/// A connection.
#[derive(Debug)]
pub(super) struct EarlyEntry {
    /// The predecessor's shard that it belonged to.
    pub from: ShardId,
    pub slot: u32,
    pub address: IpAddr,
    /// Where its channels are.
    pub channels: std::ops::Range<u32>,
    /// It is not there any more, or in the state once again.
    pub is_gone: bool,
}

impl Connection {
    /// Whether nothing of it but its positions changes while it sends nothing and no time passes,
    /// as far as it tells.
    pub(crate) fn may_go_early(&self) -> bool {
        let is_bare = |of: &Subscription| {
            of.attendance.is_none() && !of.is_by_pattern && of.newest_to == Seq(0)
        };
        self.patterns.is_empty()
            && self.debts.is_none()
            && self.skipped == (0, 0)
            && self.deadlines.is_empty()
            && !self.is_held_back
            && self.stream.as_ref().is_none_or(|stream| stream.request.is_none())
            && self.session.is_calm()
            && self.subscriptions.iter().all(is_bare)
    }
}

impl EarlyBook {
    /// Divides connections among so many shards of the successor. Returns the book of them, and
    /// those of each shard, by slot and without their channels.
    ///
    /// # Errors
    /// [`HandoverError`] where what is said cannot be.
    pub fn divide(
        early: Vec<Early>,
        shards: usize,
        services: usize,
    ) -> Result<(EarlyBook, Vec<Vec<Connection>>), HandoverError> {
        let mut book = EarlyBook::default();
        book.shards.resize_with(shards, Vec::new);
        let mut parts: Vec<Vec<Connection>> = (0..shards).map(|_| Vec::new()).collect();
        for Early { shard: from, connections } in early {
            for mut connection in connections {
                let shard = connection.socket.shard;
                let part = of_shard(&mut parts, shard)?;
                let entry = book.enter(from, &mut connection)?;
                book.shards[shard.index()].push(entry);
                part.push(connection);
            }
        }
        for (part, entries) in parts.iter_mut().zip(&mut book.shards) {
            check_connections(part, services)?;
            entries.sort_unstable_by_key(|entry| entry.slot);
        }
        Ok((book, parts))
    }

    fn enter(
        &mut self,
        from: ShardId,
        connection: &mut Connection,
    ) -> Result<EarlyEntry, HandoverError> {
        if !connection.may_go_early() {
            return Err(HandoverError::Malformed("a connection that must not go early"));
        }
        let begin = self.channels.len() as u32;
        let mut names = HashSet::new();
        for subscription in std::mem::take(&mut connection.subscriptions) {
            let name = subscription.channel;
            if name.service() != connection.service || !names.insert(name.clone()) {
                return Err(HandoverError::Malformed("a subscription"));
            }
            let next = self.numbers.len() as u32;
            self.channels.push(*self.numbers.entry(name).or_insert(next));
        }
        let channels = begin..self.channels.len() as u32;
        let (slot, address) = (connection.socket.slot, connection.peer.ip());
        Ok(EarlyEntry { from, slot, address, channels, is_gone: false })
    }

    /// A connection does not go over as it went early. Returns whether it was there.
    pub(super) fn leave(&mut self, (shard, slot): EarlyPlace) -> bool {
        let Some(entries) = self.shards.get_mut(shard.index()) else { return false };
        let found = entries.binary_search_by_key(&slot, |entry| entry.slot);
        let entry = found.ok().map(|place| &mut entries[place]);
        entry.is_some_and(|entry| !std::mem::replace(&mut entry.is_gone, true))
    }

    /// Those of a shard that go over as they are.
    pub(super) fn staying(&self, shard: usize) -> impl Iterator<Item = &EarlyEntry> {
        self.shards.get(shard).into_iter().flatten().filter(|entry| !entry.is_gone)
    }

    /// Numbers of the channels of one.
    pub(super) fn channels_of(&self, entry: &EarlyEntry) -> &[u32] {
        &self.channels[entry.channels.start as usize..entry.channels.end as usize]
    }
}
