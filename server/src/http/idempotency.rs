//! Messages with an id, and the positions they got: a repeat within the window gets the same
//! answer, and nothing is published.
//!
//! Ids belong to an API key and a service: what one publisher calls its messages means nothing to
//! another. All share the table's places; when it is full, the owner with the most ids gives up its
//! oldest, so that none loses an id while it has less than an equal share.

use std::collections::hash_map::Entry::Occupied;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::SetOnce;
use uringcast_engine::{ChannelName, PublishError, Seq, ServiceId};

use crate::limits::{MAX_REPEATS, REPEAT_WINDOW};

/// A message's channel, and its id there: one for the table, its order and the reservation.
type Key = Arc<(ChannelName, Box<str>)>;

/// The name of an API key, empty without one, and the service that it was used for.
pub(super) type Owner = Arc<(Box<str>, ServiceId)>;

/// The result of publishing a message.
type PublishResult = Result<Seq, PublishError>;

/// The table, shared by all requests.
#[derive(Clone, Debug, Default)]
pub(crate) struct IdempotencyTable(Arc<Mutex<Table>>);

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
    Pending(Arc<SetOnce<PublishResult>>),
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
    result: Arc<SetOnce<PublishResult>>,
}

/// The result of a message that another request is publishing.
#[derive(Debug)]
pub(super) struct PendingResult(Arc<SetOnce<PublishResult>>);

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
        let key = Arc::new((channel, id));
        match table.owners.get(owner).and_then(|owned| owned.entries.get(&key)) {
            Some(Entry { state: State::Published(seq), .. }) => return Claim::Known(*seq),
            Some(Entry { state: State::Pending(result), .. }) => {
                return Claim::Pending(PendingResult(Arc::clone(result)));
            }
            None => {}
        }
        table.make_room(now);
        let number = table.next_number;
        (table.next_number, table.total) = (number + 1, table.total + 1);
        let result = Arc::new(SetOnce::new());
        let owned = table.owners.entry(Arc::clone(owner)).or_default();
        let state = State::Pending(Arc::clone(&result));
        owned.entries.insert(Arc::clone(&key), Entry { number, state });
        owned.order.push_back((now, number, Arc::clone(&key)));
        let (table, owner) = (self.clone(), Arc::clone(owner));
        Claim::New(Reservation { table, owner, key, number, result })
    }
}

/// A message that is published, as the server that takes over reads it.
#[derive(Debug, Serialize, Deserialize)]
struct Remembered {
    /// The name of the API key.
    key: Box<str>,
    service: u8,
    channel: String,
    id: Box<str>,
    seq: u64,
    /// Since its request, in milliseconds.
    age_ms: u64,
}

impl IdempotencyTable {
    /// What is published, a line for each, the oldest of each owner first.
    pub(crate) fn lines(&self, now: Instant) -> Vec<u8> {
        let (table, mut lines) = (self.0.lock(), Vec::new());
        for (owner, owned) in &table.owners {
            for (since, number, key) in &owned.order {
                let entry = owned.entries.get(key).filter(|entry| entry.number == *number);
                let Some(Entry { state: State::Published(seq), .. }) = entry else { continue };
                let age = now.duration_since(*since).as_millis();
                let remembered = Remembered {
                    key: owner.0.clone(),
                    service: owner.1.0,
                    channel: key.0.as_str().to_owned(),
                    id: key.1.clone(),
                    seq: seq.0,
                    age_ms: u64::try_from(age).unwrap_or(u64::MAX),
                };
                serde_json::to_writer(&mut lines, &remembered).expect("a line is JSON");
                lines.push(b'\n');
            }
        }
        lines
    }

    /// Enters what the server before has published.
    ///
    /// # Errors
    /// A line that is none.
    pub(crate) fn take_over(&self, lines: &[u8], now: Instant) -> Result<(), String> {
        for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let line: Remembered =
                serde_json::from_slice(line).map_err(|error| error.to_string())?;
            let service = ServiceId(line.service);
            let channel = ChannelName::parse(&line.channel).map_err(|error| error.to_string())?;
            let since = now.checked_sub(Duration::from_millis(line.age_ms)).unwrap_or(now);
            let owner = Arc::new((line.key, service));
            // Only a line that is there twice is known already.
            if let Claim::New(new) = self.claim(&owner, channel.at(service), line.id, since) {
                new.settle(Ok(Seq(line.seq)));
            }
        }
        Ok(())
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
            self.remove_entry(key, number);
        }
    }

    fn remove_entry(&mut self, key: Key, number: u64) {
        if let Occupied(entry) = self.entries.entry(key)
            && entry.get().number == number
        {
            entry.remove();
        }
    }
}

impl Reservation {
    /// The message's id among those of all owners, for an order of several servers that remembers
    /// such ids by channel.
    pub(super) fn message_id(&self) -> Box<str> {
        format!("{}\u{1f}{}", self.owner.0, self.key.1).into()
    }

    /// Records the result. After a failure the next request with this id may publish the message.
    pub(super) fn settle(self, result: PublishResult) {
        let _ = self.result.set(result);
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
        // Fails if it was settled.
        let _ = self.result.set(Err(PublishError::Saturated));
        if self.result.get().is_some_and(Result::is_ok) {
            return;
        }
        if let Some(owned) = self.table.0.lock().owners.get_mut(&self.owner)
            && let Some(Entry { state: State::Pending(_), .. }) = owned.entries.get(&self.key)
        {
            owned.remove_entry(Arc::clone(&self.key), self.number);
        }
    }
}

impl PendingResult {
    /// Waits for it. If the first request is dropped, the result is [`PublishError::Saturated`].
    pub(super) async fn result(self) -> PublishResult {
        *self.0.wait().await
    }
}

#[cfg(test)]
mod tests;
