//! What clients have published with an id, at the channels' home: a repeat gets the position that
//! the first one got, and nothing is published.
//!
//! Ids belong to a user of a service: what one calls its messages means nothing to another. Clients
//! without an identity are one user. When the table is full, the user with the most ids loses its
//! oldest, so that none loses one while it has less than an equal share.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;

use crate::handover::Published;
use crate::limits::{PUBLISHED_ID_WINDOW, PUBLISHED_IDS};
use crate::types::{ChannelName, Seq, ServiceId, Time};

/// By what a client knows a publication.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PublishId {
    /// The client's user; empty without an identity.
    pub user: Arc<str>,
    /// What it calls the publication.
    pub id: Box<str>,
}

impl PublishId {
    /// The same for an order of several servers, which knows ids by channel. No API key has such a
    /// name; ids of API keys are known there too.
    pub(super) fn outside(&self) -> Box<str> {
        format!("\u{1f}{}\u{1f}{}", self.user, self.id).into()
    }
}

/// A publication that has its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// Its position.
    pub seq: Seq,
    /// An earlier request with the same id has published it.
    pub is_repeat: bool,
}

type Key = Rc<(ChannelName, Box<str>)>;
type Owner = (ServiceId, Arc<str>);

/// The table of a shard, for channels homed there.
#[derive(Debug, Default)]
pub(super) struct PublishedIds {
    owners: HashMap<Owner, Owned>,
    /// Those owners, by how much they have.
    by_count: BTreeSet<(usize, Owner)>,
    /// The owners of what was published, oldest first, those of what is gone among them.
    order: VecDeque<(Time, u64, Owner)>,
    total: usize,
    /// Of the last one that was published.
    number: u64,
}

/// What one user has published.
#[derive(Debug, Default)]
struct Owned {
    known: HashMap<Key, Seq>,
    /// Oldest first, each with its number.
    order: VecDeque<(u64, Key)>,
}

impl PublishedIds {
    /// The position of a publication that was published within the window.
    pub(super) fn find(&mut self, now: Time, channel: &ChannelName, of: &PublishId) -> Option<Seq> {
        self.evict_old(now);
        let owned = self.owners.get(&(channel.service(), Arc::clone(&of.user)))?;
        owned.known.get(&(channel.clone(), of.id.clone())).copied()
    }

    /// A publication that was not known is published.
    pub(super) fn insert(&mut self, now: Time, channel: &ChannelName, of: PublishId, seq: Seq) {
        if self.total >= PUBLISHED_IDS
            && let Some((_, most)) = self.by_count.last().cloned()
        {
            self.evict_oldest(&most);
        }
        let owner = (channel.service(), of.user);
        let key = Rc::new((channel.clone(), of.id));
        let owned = self.owners.entry(owner.clone()).or_default();
        let count = owned.order.len();
        self.number += 1;
        owned.known.insert(Rc::clone(&key), seq);
        owned.order.push_back((self.number, key));
        self.by_count.remove(&(count, owner.clone()));
        self.by_count.insert((count + 1, owner.clone()));
        self.order.push_back((now, self.number, owner));
        self.total += 1;
    }

    /// What goes over to another process, the oldest first.
    pub(super) fn export(&self) -> Vec<Published> {
        let export = |(at, number, owner): &(Time, u64, Owner)| {
            let owned = self.owners.get(owner)?;
            let place = owned.order.binary_search_by_key(number, |(number, _)| *number).ok()?;
            let (channel, id) = &*owned.order[place].1;
            let seq = *owned.known.get(&owned.order[place].1)?;
            let (channel, user, id) = (channel.clone(), Arc::clone(&owner.1), id.clone());
            Some(Published { channel, user, id, seq, at: *at })
        };
        self.order.iter().filter_map(export).collect()
    }

    /// Goes on with what another process has known.
    pub(super) fn import(&mut self, published: Vec<Published>) {
        for Published { channel, user, id, seq, at } in published {
            self.insert(at, &channel, PublishId { user, id }, seq);
        }
    }

    /// Forgets what is older than the window.
    fn evict_old(&mut self, now: Time) {
        let is_old = |at: Time| now.since(at) >= PUBLISHED_ID_WINDOW;
        while let Some((_, number, owner)) = self.order.pop_front_if(|(at, ..)| is_old(*at)) {
            if self.oldest(&owner).is_some_and(|oldest| oldest <= number) {
                self.evict_oldest(&owner);
            }
        }
    }

    /// The number of the oldest that an owner has.
    fn oldest(&self, owner: &Owner) -> Option<u64> {
        Some(self.owners.get(owner)?.order.front()?.0)
    }

    fn evict_oldest(&mut self, owner: &Owner) {
        let Some(owned) = self.owners.get_mut(owner) else { return };
        let count = owned.order.len();
        let Some((_, key)) = owned.order.pop_front() else { return };
        owned.known.remove(&key);
        self.total -= 1;
        self.by_count.remove(&(count, owner.clone()));
        match count - 1 {
            0 => _ = self.owners.remove(owner),
            left => _ = self.by_count.insert((left, owner.clone())),
        }
        if self.order.len() > 2 * PUBLISHED_IDS {
            // Those of what was evicted early go: half of them at least.
            let mut order = std::mem::take(&mut self.order);
            order.retain(|(_, number, of)| self.oldest(of).is_some_and(|oldest| oldest <= *number));
            self.order = order;
        }
    }
}

#[cfg(test)]
mod tests;
