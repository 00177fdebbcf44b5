//! All channels of a shard, by index and by name.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use hashbrown::HashTable;

use super::Channel;
use crate::types::ChannelIndex;
use crate::types::ChannelName;

/// The channels of a shard.
#[derive(Debug, Default)]
pub(super) struct Table {
    entries: Vec<Entry>,
    free: Vec<u32>,
    /// By their names, which stand with the channels: those are needed anyway, and what is here
    /// stays in the cache among many channels.
    by_name: HashTable<Named>,
    /// Keyed: names are of strangers' choice.
    hasher: RandomState,
}

#[derive(Debug)]
struct Entry {
    /// The current or the next channel's.
    index: ChannelIndex,
    channel: Option<Channel>,
}

/// A channel with a name of this hash.
#[derive(Clone, Copy, Debug)]
struct Named {
    hash: u32,
    index: ChannelIndex,
}

impl Named {
    /// Its hash, as the table wants it: different in its highest and in its lowest bits.
    fn spread(&self) -> u64 {
        u64::from(self.hash).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}

impl Table {
    fn named(&self, name: &ChannelName, index: ChannelIndex) -> Named {
        Named { hash: self.hasher.hash_one(name) as u32, index }
    }

    pub(super) fn find(&self, name: &ChannelName) -> Option<ChannelIndex> {
        let sought = self.named(name, ChannelIndex::new(0, 0));
        let is_sought = |one: &Named| one.hash == sought.hash && self[one.index].name == *name;
        self.by_name.find(sought.spread(), is_sought).map(|one| one.index)
    }

    pub(super) fn add(&mut self, channel: Channel) -> ChannelIndex {
        let slot = self.free.pop().unwrap_or_else(|| {
            let slot = self.entries.len() as u32;
            self.entries.push(Entry { index: ChannelIndex::new(slot, 0), channel: None });
            slot
        });
        let index = self.entries[slot as usize].index;
        let named = self.named(&channel.name, index);
        self.by_name.insert_unique(named.spread(), named, Named::spread);
        self.entries[slot as usize].channel = Some(channel);
        index
    }

    pub(super) fn remove(&mut self, index: ChannelIndex) -> Option<Channel> {
        self.get(index)?;
        let entry = &mut self.entries[index.slot() as usize];
        entry.index = index.next_generation();
        let channel = entry.channel.take()?;
        self.free.push(index.slot());
        let named = self.named(&channel.name, index);
        let is_this = |one: &Named| one.index == index;
        if let Ok(found) = self.by_name.find_entry(named.spread(), is_this) {
            found.remove();
        }
        Some(channel)
    }

    /// The channel, unless it was forgotten.
    pub(super) fn get(&self, index: ChannelIndex) -> Option<&Channel> {
        let entry = self.entries.get(index.slot() as usize)?;
        entry.channel.as_ref().filter(|_| entry.index == index)
    }

    /// The channel in a slot, if there is one.
    pub(super) fn at(&self, slot: u32) -> Option<(ChannelIndex, &Channel)> {
        let entry = self.entries.get(slot as usize)?;
        Some((entry.index, entry.channel.as_ref()?))
    }

    /// Known channels.
    pub(super) fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Length of the table, free places included.
    pub(super) fn slots(&self) -> u32 {
        self.entries.len() as u32
    }
}

impl std::ops::Index<ChannelIndex> for Table {
    type Output = Channel;
    /// A held index: a subscription, a list of channels with work or an operation keeps the
    /// channel.
    fn index(&self, index: ChannelIndex) -> &Channel {
        let entry = &self.entries[index.slot() as usize];
        debug_assert_eq!(entry.index, index, "a held channel is not forgotten");
        entry.channel.as_ref().expect("a held channel exists")
    }
}

impl std::ops::IndexMut<ChannelIndex> for Table {
    fn index_mut(&mut self, index: ChannelIndex) -> &mut Channel {
        let entry = &mut self.entries[index.slot() as usize];
        debug_assert_eq!(entry.index, index, "a held channel is not forgotten");
        entry.channel.as_mut().expect("a held channel exists")
    }
}

#[cfg(test)]
mod tests;
