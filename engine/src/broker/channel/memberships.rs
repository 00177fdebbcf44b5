//! Which connection has which channels: the live set of a channel and the subscriptions of a
//! connection are two views of one relation, changed together.

use super::Table;
use super::live_set::Moved;
use super::since::Since;
use super::subscriptions::{Subscription, Subscriptions};
use crate::types::{ChannelIndex, Encoding, Seq, ServiceId, Time};

/// The subscriptions of every connection of the shard, by connection index.
#[derive(Debug)]
pub(super) struct Memberships {
    of: Vec<Subscriptions>,
    total: usize,
    /// Clients', by service: the engine's own are not among them.
    clients: Vec<usize>,
    /// Connections with more than one.
    sharing: usize,
    /// A bit of each connection that has one with messages that may be compressed.
    deflating: Vec<u64>,
}

impl Memberships {
    pub(super) fn new(connections: usize, services: usize) -> Memberships {
        let of = Vec::with_capacity(connections);
        Memberships { of, total: 0, clients: vec![0; services], sharing: 0, deflating: Vec::new() }
    }

    /// Subscriptions of all connections.
    pub(super) fn total(&self) -> usize {
        self.total
    }

    /// Subscriptions of a service's clients.
    pub(super) fn clients(&self, service: ServiceId) -> usize {
        self.clients[service.index()]
    }

    #[cfg(test)]
    pub(super) fn all_clients(&self) -> usize {
        self.clients.iter().sum()
    }

    /// Connections with more than one subscription.
    pub(super) fn sharing(&self) -> usize {
        self.sharing
    }

    /// Whether a connection has a subscription with messages that may be compressed.
    #[inline]
    pub(super) fn is_deflating(&self, connection: u32) -> bool {
        let word = self.deflating.get(connection as usize / 64);
        word.is_some_and(|word| word >> (connection % 64) & 1 == 1)
    }

    fn set_deflating(&mut self, connection: u32, deflating: bool) {
        let (place, bit) = (connection as usize / 64, 1 << (connection % 64));
        if deflating {
            if place >= self.deflating.len() {
                self.deflating.resize(place + 1, 0);
            }
            self.deflating[place] |= bit;
        } else if let Some(word) = self.deflating.get_mut(place) {
            *word &= !bit;
        }
    }

    pub(super) fn of(&self, connection: u32) -> &[Subscription] {
        self.of.get(connection as usize).map_or(&[], Subscriptions::as_slice)
    }

    pub(super) fn get(&self, connection: u32, channel: ChannelIndex) -> Option<Subscription> {
        self.of.get(connection as usize)?.get(channel)
    }

    /// Adds a subscription that is not there yet, with `since` where messages may be compressed.
    /// Returns what the live set was handed where the connection stands now.
    pub(super) fn add(
        &mut self,
        table: &mut Table,
        (connection, encoding, since): (u32, Encoding, Option<Since>),
        index: ChannelIndex,
        now: Time,
    ) -> Seq {
        let channel = &mut table[index];
        channel.used_at = now;
        let (service, probe) = (channel.name.service(), channel.name.is_probe());
        let (position, moved) = channel.live.insert(connection, (encoding, since));
        let handed = channel.live.handed(position);
        self.apply(index, moved);
        let place = connection as usize;
        if place >= self.of.len() {
            self.of.resize_with(place + 1, Subscriptions::default);
        }
        self.of[place].insert(Subscription { channel: index, position });
        self.sharing += usize::from(self.of[place].as_slice().len() == 2);
        self.total += 1;
        if since.is_some() {
            self.set_deflating(connection, true);
        }
        self.clients[service.index()] += usize::from(!probe);
        handed
    }

    /// Ends a subscription. Returns whether there was one.
    pub(super) fn remove(
        &mut self,
        table: &mut Table,
        connection: u32,
        index: ChannelIndex,
        now: Time,
    ) -> bool {
        let gone = self.of.get_mut(connection as usize).and_then(|all| all.remove(index));
        self.sharing -= usize::from(gone.is_some() && self.of(connection).len() == 1);
        gone.into_iter().for_each(|gone| self.detach(table, gone, now));
        if gone.is_some() && self.is_deflating(connection) {
            let is = |s: &Subscription| table[s.channel].live.since(s.position).is_some();
            let still = self.of(connection).iter().any(is);
            self.set_deflating(connection, still);
        }
        gone.is_some()
    }

    pub(super) fn remove_all(&mut self, table: &mut Table, connection: u32, now: Time) {
        let Some(all) = self.of.get_mut(connection as usize).map(std::mem::take) else { return };
        self.sharing -= usize::from(all.as_slice().len() > 1);
        all.as_slice().iter().for_each(|&gone| self.detach(table, gone, now));
        self.set_deflating(connection, false);
    }

    fn detach(&mut self, table: &mut Table, gone: Subscription, now: Time) {
        self.total -= 1;
        let channel = &mut table[gone.channel];
        channel.used_at = now;
        self.clients[channel.name.service().index()] -= usize::from(!channel.name.is_probe());
        for moved in channel.live.remove(gone.position) {
            self.apply(gone.channel, moved);
        }
    }

    fn apply(&mut self, channel: ChannelIndex, moved: Option<Moved>) {
        if let Some(Moved { connection, position }) = moved {
            self.of[connection as usize].moved(channel, position);
        }
    }
}
