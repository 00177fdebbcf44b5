//! All channels of a shard, by index and by name.

use std::collections::HashMap;

use super::Channel;
use crate::types::ChannelIndex;
use crate::types::ChannelName;

/// The channels of a shard.
#[derive(Debug, Default)]
pub(super) struct Table {
    entries: Vec<Entry>,
    free: Vec<u32>,
    by_name: HashMap<ChannelName, ChannelIndex>,
}

#[derive(Debug)]
struct Entry {
    /// The current or the next channel's.
    index: ChannelIndex,
    channel: Option<Channel>,
}

impl Table {
    pub(super) fn find(&self, name: &ChannelName) -> Option<ChannelIndex> {
        self.by_name.get(name).copied()
    }

    pub(super) fn add(&mut self, channel: Channel) -> ChannelIndex {
        let slot = self.free.pop().unwrap_or_else(|| {
            let slot = self.entries.len() as u32;
            self.entries.push(Entry { index: ChannelIndex::new(slot, 0), channel: None });
            slot
        });
        let entry = &mut self.entries[slot as usize];
        self.by_name.insert(channel.name.clone(), entry.index);
        entry.channel = Some(channel);
        entry.index
    }

    pub(super) fn remove(&mut self, index: ChannelIndex) -> Option<Channel> {
        self.get(index)?;
        let entry = &mut self.entries[index.slot() as usize];
        entry.index = index.next_generation();
        let channel = entry.channel.take()?;
        self.by_name.remove(&channel.name);
        self.free.push(index.slot());
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
