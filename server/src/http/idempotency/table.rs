//! The ids of all owners in one slab. Each is found by one keyed hash, and stands in its owner's
//! chain from the oldest to the newest: an id that comes takes the memory of the one that goes.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Instant;

use hashbrown::{Equivalent, HashMap, HashTable};
use slab::Slab;
use tokio::sync::SetOnce;
use uringcast_engine::{ChannelName, PublishError, Seq, ServiceId};

use super::PublishResult;
use crate::limits::{MAX_REPEATS, REPEAT_WINDOW};

/// The name of an API key, empty without one, and the service that it was used for.
#[derive(Clone, Copy, Debug, Hash)]
pub(in crate::http) struct Owner<'a> {
    pub(in crate::http) key: &'a str,
    pub(in crate::http) service: ServiceId,
}

/// The same, kept.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct OwnerName {
    pub(super) key: Box<str>,
    pub(super) service: ServiceId,
}

impl Equivalent<OwnerName> for Owner<'_> {
    fn equivalent(&self, name: &OwnerName) -> bool {
        (self.key, self.service) == (&*name.key, name.service)
    }
}

#[derive(Debug, Default)]
pub(super) struct Table {
    hasher: RandomState,
    /// At most one for each pair of a key and a service: its place among the chains.
    owners: HashMap<OwnerName, u32, RandomState>,
    pub(super) chains: Vec<Chain>,
    found: HashTable<u32>,
    entries: Slab<Entry>,
    next_number: u64,
    /// The text of the entry that was removed last, whose memory the next one takes.
    spare: String,
}

/// The entries of one owner.
#[derive(Debug)]
pub(super) struct Chain {
    pub(super) owner: OwnerName,
    pub(super) length: usize,
    oldest: Option<u32>,
    newest: Option<u32>,
}

/// A message that has an id.
#[derive(Debug)]
pub(super) struct Entry {
    hash: u64,
    owner: u32,
    older: Option<u32>,
    newer: Option<u32>,
    /// Of no other entry, whatever place it has.
    number: u64,
    pub(super) since: Instant,
    pub(super) channel: ChannelName,
    pub(super) id: String,
    pub(super) state: State,
}

#[derive(Debug)]
pub(super) enum State {
    /// Being published: repeats get the result of the first request, for which the first of them
    /// makes the place.
    Pending(Option<Arc<SetOnce<PublishResult>>>),
    Published(Seq),
}

impl State {
    /// What a message that is being published has come to.
    pub(super) fn settle(&mut self, result: PublishResult) {
        if let State::Pending(Some(waiting)) = self {
            // Fails if it was settled.
            let _ = waiting.set(result);
        }
        if let Ok(seq) = result {
            *self = State::Published(seq);
        }
    }
}

/// Where an entry is, as long as it is there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) owner: u32,
    entry: u32,
    number: u64,
}

/// By what an entry is found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Name<'a> {
    pub(super) owner: u32,
    pub(super) channel: &'a ChannelName,
    pub(super) id: &'a str,
}

impl Table {
    /// The place of an owner, which is never given to another.
    pub(super) fn owner(&mut self, owner: Owner<'_>) -> u32 {
        if let Some(place) = self.owners.get(&owner) {
            return *place;
        }
        let place = self.chains.len() as u32;
        let owner = OwnerName { key: owner.key.into(), service: owner.service };
        self.owners.insert(owner.clone(), place);
        self.chains.push(Chain { owner, length: 0, oldest: None, newest: None });
        place
    }

    pub(super) fn hash(&self, name: Name<'_>) -> u64 {
        self.hasher.hash_one((name.owner, name.channel, name.id))
    }

    pub(super) fn find(&mut self, hash: u64, name: Name<'_>) -> Option<&mut Entry> {
        let is_it = |place: &u32| {
            let entry = &self.entries[*place as usize];
            (entry.owner, &entry.channel, &*entry.id) == (name.owner, name.channel, name.id)
        };
        let place = *self.found.find(hash, is_it)?;
        self.entries.get_mut(place as usize)
    }

    /// Enters a message that is not there.
    pub(super) fn insert(
        &mut self,
        hash: u64,
        Name { owner, channel, id }: Name<'_>,
        since: Instant,
        state: State,
    ) -> Place {
        self.make_room(since);
        let mut text = std::mem::take(&mut self.spare);
        text.clear();
        text.push_str(id);
        let chain = &mut self.chains[owner as usize];
        let (number, older) = (self.next_number, chain.newest);
        self.next_number += 1;
        let (channel, id) = (channel.clone(), text);
        let entry = Entry { hash, owner, older, newer: None, number, since, channel, id, state };
        let place = self.entries.insert(entry) as u32;
        chain.length += 1;
        chain.newest = Some(place);
        match older {
            Some(older) => self.entries[older as usize].newer = Some(place),
            None => chain.oldest = Some(place),
        }
        let Table { found, entries, .. } = self;
        found.insert_unique(hash, place, |place| entries[*place as usize].hash);
        Place { owner, entry: place, number }
    }

    /// The entry that was put there, unless it is gone.
    pub(super) fn entry(&mut self, place: Place) -> Option<&mut Entry> {
        let entry = self.entries.get_mut(place.entry as usize);
        entry.filter(|entry| entry.number == place.number)
    }

    /// The entry that was put there is forgotten.
    pub(super) fn forget(&mut self, place: Place) {
        if self.entry(place).is_some() {
            self.remove(place.entry, PublishError::Saturated);
        }
    }

    /// Whoever waits for its result is told `why` there is none.
    fn remove(&mut self, place: u32, why: PublishError) {
        let Entry { hash, owner, older, newer, id, mut state, .. } =
            self.entries.remove(place as usize);
        state.settle(Err(why));
        if let Ok(found) = self.found.find_entry(hash, |other| *other == place) {
            found.remove();
        }
        let chain = &mut self.chains[owner as usize];
        chain.length -= 1;
        match older {
            Some(older) => self.entries[older as usize].newer = newer,
            None => chain.oldest = newer,
        }
        match newer {
            Some(newer) => self.entries[newer as usize].older = older,
            None => chain.newest = older,
        }
        self.spare = id;
    }

    /// Evicts an owner's entries that are older than the window.
    pub(super) fn evict_old(&mut self, owner: u32, now: Instant) {
        while let Some(oldest) = self.chains[owner as usize].oldest
            && now.duration_since(self.entries[oldest as usize].since) >= REPEAT_WINDOW
        {
            self.remove(oldest, PublishError::Unknown);
        }
    }

    /// Makes room for one entry more. In a full table everything older than the window goes, and if
    /// there is nothing, the oldest entry of the owner that has the most.
    fn make_room(&mut self, now: Instant) {
        if self.entries.len() < MAX_REPEATS {
            return;
        }
        (0..self.chains.len() as u32).for_each(|owner| self.evict_old(owner, now));
        if self.entries.len() >= MAX_REPEATS
            && let Some(most) = self.chains.iter().max_by_key(|chain| chain.length)
            && let Some(oldest) = most.oldest
        {
            self.remove(oldest, PublishError::Unknown);
        }
    }

    /// The entries of an owner, the oldest first.
    pub(super) fn entries(&self, chain: &Chain) -> impl Iterator<Item = &Entry> {
        let entry = |place: Option<u32>| Some(&self.entries[place? as usize]);
        std::iter::successors(entry(chain.oldest), move |before| entry(before.newer))
    }

    /// All entries.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        let chained: usize = self.chains.iter().map(|chain| self.entries(chain).count()).sum();
        assert_eq!([self.found.len(), chained], [self.entries.len(); 2]);
        chained
    }
}
