//! The ids of all owners in one list of places. Each is found by one keyed hash, and stands in its
//! owner's chain from the oldest to the newest: an id that comes takes the memory of the one that
//! goes.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Instant;

use hashbrown::{Equivalent, HashMap, HashTable};
use tokio::sync::SetOnce;
use uringcast_engine::{PublishError, Seq, ServiceId};

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

/// No entry.
const NONE: u32 = u32::MAX;

#[derive(Debug)]
pub(super) struct Table {
    hasher: RandomState,
    /// At most one for each pair of a key and a service: its place among the chains.
    owners: HashMap<OwnerName, u32, RandomState>,
    pub(super) chains: Vec<Chain>,
    /// The chain of the owner that was asked for last.
    last: usize,
    found: HashTable<u32>,
    entries: Vec<Entry>,
    /// The first of those that are free, each of which has the next in `newer`.
    free: u32,
    /// Entries that are not free.
    length: usize,
    /// The text that was read last. A new entry takes it, and leaves that of the one before it.
    text: String,
}

/// The entries of one owner.
#[derive(Debug)]
pub(super) struct Chain {
    pub(super) owner: OwnerName,
    pub(super) length: usize,
    oldest: u32,
    newest: u32,
}

/// A message that has an id, or a place for one. There are many, most of them in no cache: it is
/// small, and everything to compare is in one text.
#[derive(Debug)]
pub(super) struct Entry {
    key: Key,
    older: u32,
    newer: u32,
    /// How often the place was free before.
    generation: u32,
    pub(super) since: Instant,
    /// Channel and id.
    text: String,
    pub(super) state: State,
}

impl Entry {
    /// Its channel and its id.
    pub(super) fn names(&self) -> (&str, &str) {
        self.text.split_at(self.key.channel as usize)
    }
}

/// What an entry is found by, beside its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    hash: u64,
    owner: u32,
    /// Bytes of the channel's name, with which the text begins.
    channel: u32,
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
    generation: u32,
}

impl Default for Table {
    fn default() -> Table {
        Table {
            hasher: RandomState::new(),
            owners: HashMap::default(),
            chains: Vec::new(),
            last: 0,
            found: HashTable::new(),
            entries: Vec::new(),
            free: NONE,
            length: 0,
            text: String::new(),
        }
    }
}

impl Table {
    /// The place of an owner, which is never given to another.
    pub(super) fn owner(&mut self, owner: Owner<'_>) -> u32 {
        let last = self.chains.get(self.last);
        if last.is_none_or(|last| !owner.equivalent(&last.owner)) {
            self.last = match self.owners.get(&owner) {
                Some(place) => *place as usize,
                None => self.add_owner(owner),
            };
        }
        self.last as u32
    }

    fn add_owner(&mut self, owner: Owner<'_>) -> usize {
        let place = self.chains.len();
        let owner = OwnerName { key: owner.key.into(), service: owner.service };
        self.owners.insert(owner.clone(), place as u32);
        self.chains.push(Chain { owner, length: 0, oldest: NONE, newest: NONE });
        place
    }

    /// Reads the names of a message, for the calls that follow.
    pub(super) fn read(&mut self, owner: u32, channel: &str, id: &str) -> Key {
        self.text.clear();
        [channel, id].into_iter().for_each(|name| self.text.push_str(name));
        let channel = channel.len() as u32;
        let hash = self.hasher.hash_one((u64::from(owner) << 32 | u64::from(channel), &self.text));
        Key { hash, owner, channel }
    }

    /// The message that was read, if it is there.
    pub(super) fn find(&mut self, key: Key) -> Option<&mut Entry> {
        let is_it = |place: &u32| {
            let entry = &self.entries[*place as usize];
            entry.key == key && entry.text == self.text
        };
        let place = *self.found.find(key.hash, is_it)?;
        self.entries.get_mut(place as usize)
    }

    /// Enters the message that was read, which is not there.
    pub(super) fn insert(&mut self, key: Key, since: Instant) -> Place {
        self.make_room(since);
        let place = self.take_free();
        let chain = &mut self.chains[key.owner as usize];
        let older = chain.newest;
        chain.length += 1;
        chain.newest = place;
        match older {
            NONE => chain.oldest = place,
            older => self.entries[older as usize].newer = place,
        }
        let entry = &mut self.entries[place as usize];
        (entry.key, entry.older, entry.newer, entry.since) = (key, older, NONE, since);
        std::mem::swap(&mut entry.text, &mut self.text);
        let generation = entry.generation;
        let Table { found, entries, .. } = self;
        found.insert_unique(key.hash, place, |place| entries[*place as usize].key.hash);
        Place { owner: key.owner, entry: place, generation }
    }

    /// A place for one entry.
    fn take_free(&mut self) -> u32 {
        self.length += 1;
        if let Some(entry) = self.entries.get(self.free as usize) {
            return std::mem::replace(&mut self.free, entry.newer);
        }
        let (key, state) = (Key { hash: 0, owner: 0, channel: 0 }, State::Pending(None));
        let (older, newer, generation) = (NONE, NONE, 0);
        let (since, text) = (Instant::now(), String::new());
        self.entries.push(Entry { key, older, newer, generation, since, text, state });
        (self.entries.len() - 1) as u32
    }

    /// The entry that was put there, unless it is gone.
    pub(super) fn entry(&mut self, place: Place) -> Option<&mut Entry> {
        let entry = self.entries.get_mut(place.entry as usize);
        entry.filter(|entry| entry.generation == place.generation)
    }

    /// The entry that was put there is forgotten.
    pub(super) fn forget(&mut self, place: Place) {
        if self.entry(place).is_some() {
            self.remove(place.entry, PublishError::Saturated);
        }
    }

    /// Repeats that wait for its result get the error `why`.
    fn remove(&mut self, place: u32, why: PublishError) {
        let entry = &mut self.entries[place as usize];
        entry.state.settle(Err(why));
        entry.state = State::Pending(None);
        entry.generation = entry.generation.wrapping_add(1);
        let (key, older) = (entry.key, entry.older);
        let newer = std::mem::replace(&mut entry.newer, self.free);
        self.free = place;
        self.length -= 1;
        if let Ok(found) = self.found.find_entry(key.hash, |other| *other == place) {
            found.remove();
        }
        let chain = &mut self.chains[key.owner as usize];
        chain.length -= 1;
        match older {
            NONE => chain.oldest = newer,
            older => self.entries[older as usize].newer = newer,
        }
        match newer {
            NONE => chain.newest = older,
            newer => self.entries[newer as usize].older = older,
        }
    }

    /// Evicts an owner's entries that are older than the window.
    pub(super) fn evict_old(&mut self, owner: u32, now: Instant) {
        let oldest = |table: &Table| table.chains[owner as usize].oldest;
        while let Some(entry) = self.entries.get(oldest(self) as usize)
            && now.duration_since(entry.since) >= REPEAT_WINDOW
        {
            self.remove(oldest(self), PublishError::Unknown);
        }
    }

    /// Makes room for one entry more. In a full table everything older than the window goes, and if
    /// there is nothing, the oldest entry of the owner that has the most.
    fn make_room(&mut self, now: Instant) {
        if self.length < MAX_REPEATS {
            return;
        }
        (0..self.chains.len() as u32).for_each(|owner| self.evict_old(owner, now));
        if self.length >= MAX_REPEATS
            && let Some(most) = self.chains.iter().max_by_key(|chain| chain.length)
        {
            self.remove(most.oldest, PublishError::Unknown);
        }
    }

    /// The entries of an owner, the oldest first.
    pub(super) fn entries(&self, chain: &Chain) -> impl Iterator<Item = &Entry> {
        let entry = |place: u32| self.entries.get(place as usize);
        std::iter::successors(entry(chain.oldest), move |before| entry(before.newer))
    }

    /// All entries.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        let chained: usize = self.chains.iter().map(|chain| self.entries(chain).count()).sum();
        assert_eq!([self.found.len(), chained], [self.length; 2]);
        chained
    }
}
