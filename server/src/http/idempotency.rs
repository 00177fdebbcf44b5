//! Messages with an id, and the positions they got: a repeat within the window gets the same
//! answer, and nothing is published.
//!
//! Ids belong to an API key and a service: what one publisher calls its messages means nothing to
//! another. All share the table's places; when it is full, the owner with the most ids gives up its
//! oldest, so that none loses an id while it has less than an equal share.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use tokio::sync::watch;
use uringcast_engine::{ChannelName, PublishError, Seq, ServiceId};

use crate::limits::{MAX_REPEATS, REPEAT_WINDOW};

/// A message's channel, and its id there.
type Key = (ChannelName, Box<str>);

/// The name of an API key, empty without one, and the service that it was used for.
pub(super) type Owner = Arc<(Box<str>, ServiceId)>;

/// The result of publishing a message.
type PublishResult = Result<Seq, PublishError>;

/// The table, shared by all requests.
#[derive(Clone, Debug, Default)]
pub(super) struct IdempotencyTable(Arc<Mutex<Table>>);

#[derive(Debug, Default)]
struct Table {
    /// At most one for each pair of a key and a service.
    owners: HashMap<Owner, Owned>,
    /// Elements of all queues.
    total: usize,
    next_number: u64,
}

/// The messages of one owner.
#[derive(Debug, Default)]
struct Owned {
    entries: HashMap<Key, Entry>,
    /// Oldest first. An entry that was replaced or given up has another number.
    order: VecDeque<(Instant, u64, Key)>,
}

#[derive(Debug)]
struct Entry {
    number: u64,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Being published: repeats get the result of the first request.
    Pending(watch::Receiver<Option<PublishResult>>),
    Published(Seq),
}

/// What to do with a message.
#[derive(Debug)]
pub(super) enum Claim {
    /// Publish it, and [`Reservation::settle`].
    New(Reservation),
    /// It has this position already.
    Known(Seq),
    /// Another request is publishing it.
    Pending(PendingResult),
}

/// The right to publish a message with an id. Dropped unsettled, it is given up.
#[derive(Debug)]
pub(super) struct Reservation {
    table: IdempotencyTable,
    owner: Owner,
    key: Key,
    number: u64,
    sender: watch::Sender<Option<PublishResult>>,
}

/// The result of a message that another request is publishing.
#[derive(Debug)]
pub(super) struct PendingResult(watch::Receiver<Option<PublishResult>>);

impl IdempotencyTable {
    /// Looks a message up, and enters it if it is new.
    pub(super) fn claim(
        &self,
        owner: &Owner,
        channel: ChannelName,
        id: Box<str>,
        now: Instant,
    ) -> Claim {
        let mut table = self.0.lock();
        table.evict_old(owner, now);
        let key = (channel, id);
        match table.owners.get(owner).and_then(|owned| owned.entries.get(&key)) {
            Some(Entry { state: State::Published(seq), .. }) => return Claim::Known(*seq),
            Some(Entry { state: State::Pending(result), .. }) => {
                return Claim::Pending(PendingResult(result.clone()));
            }
            None => {}
        }
        table.make_room(now);
        let number = table.next_number;
        (table.next_number, table.total) = (number + 1, table.total + 1);
        let (sender, result) = watch::channel(None);
        let owned = table.owners.entry(Arc::clone(owner)).or_default();
        owned.entries.insert(key.clone(), Entry { number, state: State::Pending(result) });
        owned.order.push_back((now, number, key.clone()));
        let (table, owner) = (self.clone(), Arc::clone(owner));
        Claim::New(Reservation { table, owner, key, number, sender })
    }
}

impl Table {
    /// Evicts an owner's entries that are older than the window.
    fn evict_old(&mut self, owner: &Owner, now: Instant) {
        self.total -= self.owners.get_mut(owner).map_or(0, |owned| owned.evict_old(now));
    }

    /// Makes room for one entry more. In a full table everything older than the window goes, and if
    /// there is nothing, the oldest entry of the owner that has the most.
    fn make_room(&mut self, now: Instant) {
        if self.total < MAX_REPEATS {
            return;
        }
        self.total -= self.owners.values_mut().map(|owned| owned.evict_old(now)).sum::<usize>();
        if self.total >= MAX_REPEATS
            && let Some(most) = self.owners.values_mut().max_by_key(|owned| owned.order.len())
        {
            most.evict_oldest();
            self.total -= 1;
        }
    }
}

impl Owned {
    /// Evicts what is older than the window. Returns how many.
    fn evict_old(&mut self, now: Instant) -> usize {
        let is_old = |since: &Instant| now.duration_since(*since) >= REPEAT_WINDOW;
        let old = self.order.iter().take_while(|(since, ..)| is_old(since)).count();
        (0..old).for_each(|_| self.evict_oldest());
        old
    }

    fn evict_oldest(&mut self) {
        if let Some((_, number, key)) = self.order.pop_front() {
            self.remove_entry(&key, number);
        }
    }

    fn remove_entry(&mut self, key: &Key, number: u64) {
        if self.entries.get(key).is_some_and(|entry| entry.number == number) {
            self.entries.remove(key);
        }
    }
}

impl Reservation {
    /// Records the result. After a failure the next request with this id may publish the message.
    pub(super) fn settle(self, result: PublishResult) {
        self.sender.send_replace(Some(result));
        if let Ok(seq) = result
            && let Some(owned) = self.table.0.lock().owners.get_mut(&self.owner)
            && let Some(entry) = owned.entries.get_mut(&self.key)
            && entry.number == self.number
        {
            entry.state = State::Published(seq);
        }
    }
}

/// Forgets the message, unless it is published.
impl Drop for Reservation {
    fn drop(&mut self) {
        if let Some(owned) = self.table.0.lock().owners.get_mut(&self.owner)
            && let Some(Entry { state: State::Pending(_), .. }) = owned.entries.get(&self.key)
        {
            owned.remove_entry(&self.key, self.number);
        }
    }
}

impl PendingResult {
    /// Waits for it. If the first request is dropped, the result is [`PublishError::Saturated`].
    pub(super) async fn result(mut self) -> PublishResult {
        let result = self.0.wait_for(Option::is_some).await;
        result.ok().and_then(|result| *result).unwrap_or(Err(PublishError::Saturated))
    }
}

#[cfg(test)]
mod tests;
