//! Channels that exist by a subscription alone: nothing was ever published to them, they have no
//! status document, and no earlier position of them is remembered. Clients choose their names, so
//! each connection, each address and each service has a share of the table, and all of them
//! together leave a part of it to publishers.

use std::collections::HashMap;
use std::hash::Hash;

use super::Channel;
use crate::broker::shared_count::SharedCount;
use crate::limits::{ADDRESS_CHANNELS, CONNECTION_CHANNELS, PUBLISHED_CHANNELS};
use crate::types::{AddressGroup, ChannelIndex, ChannelRefusal, ConnectionKey, ServiceId};

/// The connection and the address that made a channel by subscribing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Maker {
    /// `None` where the connection is another shard's, which counts it there.
    pub(crate) connection: Option<ConnectionKey>,
    pub(crate) address: AddressGroup,
}

/// How many such channels there are, by service, connection and address.
#[derive(Debug)]
pub(super) struct Unpublished {
    /// By service, which also counts them all.
    services: SharedCount,
    connections: HashMap<ConnectionKey, usize>,
    addresses: HashMap<AddressGroup, usize>,
    /// Channels that may have lost their last subscriber, each once.
    left: Vec<ChannelIndex>,
}

impl Unpublished {
    /// None, of so many services.
    pub(super) fn new(services: usize) -> Unpublished {
        Unpublished {
            services: SharedCount::new(services),
            connections: HashMap::new(),
            addresses: HashMap::new(),
            left: Vec::new(),
        }
    }

    /// Takes a place of a table of `max` channels for a subscriber of a service.
    ///
    /// # Errors
    /// The share that is used up.
    pub(super) fn take(
        &mut self,
        max: usize,
        service: ServiceId,
        maker: Maker,
    ) -> Result<(), ChannelRefusal> {
        let Maker { connection, address } = maker;
        let of_connection = connection.map_or(0, |key| count(&self.connections, key));
        if of_connection >= max.div_ceil(CONNECTION_CHANNELS) {
            return Err(ChannelRefusal::Connection);
        }
        if count(&self.addresses, address) >= max.div_ceil(ADDRESS_CHANNELS) {
            return Err(ChannelRefusal::Address);
        }
        if self.services.all() >= max - max / PUBLISHED_CHANNELS {
            return Err(ChannelRefusal::Subscribers);
        }
        if !self.services.fits(service, 1, max) {
            return Err(ChannelRefusal::Service);
        }
        self.take_over(service, maker);
        Ok(())
    }

    /// Takes a place for a channel that is there already.
    pub(super) fn take_over(&mut self, service: ServiceId, maker: Maker) {
        self.services.add(service, 1);
        *self.addresses.entry(maker.address).or_default() += 1;
        if let Some(key) = maker.connection {
            *self.connections.entry(key).or_default() += 1;
        }
    }

    /// The channel is not one of these any more.
    pub(super) fn give_back(&mut self, channel: &mut Channel) {
        let Some(Maker { connection, address }) = channel.maker.take() else { return };
        self.services.remove(channel.name.service(), 1);
        give_one_back(&mut self.addresses, address);
        if let Some(key) = connection {
            give_one_back(&mut self.connections, key);
        }
    }

    /// The channel may have lost its last subscriber.
    pub(super) fn note_left(&mut self, index: ChannelIndex, channel: &mut Channel) {
        if channel.maker.is_some() && !std::mem::replace(&mut channel.left, true) {
            self.left.push(index);
        }
    }

    /// The channels that may have lost their last subscriber since the last call.
    pub(super) fn take_left(&mut self) -> Vec<ChannelIndex> {
        std::mem::take(&mut self.left)
    }

    #[cfg(test)]
    pub(super) fn check(&self, makers: &[Maker]) {
        assert_eq!(self.services.all(), makers.len(), "channels without publications");
        let of = |maker: &Maker| maker.connection.is_some();
        let with = makers.iter().filter(|maker| of(maker)).count();
        assert_eq!(self.connections.values().sum::<usize>(), with);
        assert_eq!(self.addresses.values().sum::<usize>(), makers.len());
    }
}

fn count<K: Eq + Hash>(counts: &HashMap<K, usize>, key: K) -> usize {
    counts.get(&key).copied().unwrap_or(0)
}

fn give_one_back<K: Eq + Hash>(counts: &mut HashMap<K, usize>, key: K) {
    if let Some(count) = counts.get_mut(&key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(&key);
        }
    }
}
