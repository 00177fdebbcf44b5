//! Which shard is home of a channel.

use std::hash::Hasher;

use siphasher::sip::SipHasher13;

use super::{ChannelName, ShardId};

/// Spreads channels over the shards of one engine. The hash is keyed, with another key for each
/// start: clients choose names of channels, and must not choose many that fall on one shard.
#[derive(Clone, Copy)]
pub(crate) struct Homes {
    key: [u64; 2],
    shards: usize,
}

impl Homes {
    /// Homes for so many shards. All shards and publishers of an engine have the same.
    pub(crate) fn new(key: [u64; 2], shards: usize) -> Homes {
        Homes { key, shards }
    }

    /// The shard that sequences a channel.
    pub(crate) fn of(&self, channel: &ChannelName) -> ShardId {
        let [one, other] = self.key;
        let mut hasher = SipHasher13::new_with_keys(one, other);
        hasher.write_u8(channel.service().0);
        hasher.write(channel.as_str().as_bytes());
        ShardId((hasher.finish() % self.shards as u64) as u8)
    }

    /// The same key for another number of shards.
    pub(crate) fn with_shards(self, shards: usize) -> Homes {
        Homes { shards, ..self }
    }

    /// The key: a secret.
    pub(crate) fn key(&self) -> [u64; 2] {
        self.key
    }

    /// How many shards there are.
    pub(crate) fn shards(&self) -> usize {
        self.shards
    }
}

impl std::fmt::Debug for Homes {
    /// The key stays secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Homes(of {} shards)", self.shards)
    }
}

#[cfg(test)]
mod tests;
