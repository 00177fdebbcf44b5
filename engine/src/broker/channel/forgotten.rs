//! Where the channels stood that a shard has forgotten. A channel that is used again continues
//! there, so that the shard can answer a returning client whether messages are missing.

use std::collections::{HashMap, HashSet, VecDeque};

use crate::limits::FORGOTTEN_CHANNELS;
use crate::types::{ChannelName, Seq};

/// The heads of the channels that were forgotten last.
#[derive(Debug, Default)]
pub(super) struct Forgotten {
    heads: HashMap<ChannelName, Seq>,
    /// In the order in which they were forgotten; some may be in use again.
    order: VecDeque<ChannelName>,
    /// At least the head of every channel that is neither known nor in `heads`.
    floor: Seq,
}

impl Forgotten {
    /// A channel is forgotten.
    pub(super) fn remember(&mut self, name: ChannelName, head: Seq) {
        if head == self.floor {
            return;
        }
        if self.order.len() == FORGOTTEN_CHANNELS
            && let Some(oldest) = self.order.pop_front()
            && let Some(head) = self.heads.remove(&oldest)
        {
            self.floor = self.floor.max(head);
        }
        self.order.push_back(name.clone());
        self.heads.insert(name, head);
    }

    /// A channel is forgotten that nothing was published to but events of the server's own. Clients
    /// choose how many there are of these: none takes a place, and all unknown channels begin
    /// beyond.
    pub(super) fn pass(&mut self, head: Seq) {
        self.floor = self.floor.max(head);
    }

    /// The heads that are remembered, the oldest first, and the floor of all others.
    pub(super) fn export(&self) -> (Vec<(ChannelName, Seq)>, Seq) {
        // A channel may have been used again and forgotten again: its newest place counts.
        let mut seen = HashSet::new();
        let newest = self.order.iter().rev().filter(|name| seen.insert(*name));
        let known = newest.filter_map(|name| Some((name.clone(), *self.heads.get(name)?)));
        let mut known: Vec<_> = known.collect();
        known.reverse();
        (known, self.floor)
    }

    /// Whether the position of a channel is remembered.
    pub(super) fn remembers(&self, name: &ChannelName) -> bool {
        self.heads.contains_key(name)
    }

    /// Where a channel would go on that is not known.
    pub(super) fn head(&self, name: &ChannelName) -> Seq {
        self.heads.get(name).copied().unwrap_or(self.floor)
    }

    /// Where it would go on.
    pub(super) fn position(&self, name: &ChannelName) -> Seq {
        self.heads.get(name).copied().unwrap_or(self.floor)
    }

    /// Where a channel goes on that is not known: at its own head, or beyond it if that was lost
    /// too. No position is used twice.
    pub(super) fn recall(&mut self, name: &ChannelName) -> Seq {
        self.heads.remove(name).unwrap_or(self.floor)
    }
}

#[cfg(test)]
mod tests;
