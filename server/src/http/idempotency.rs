//! Messages with an id, and the positions they got: a repeat within the window gets the same
//! answer, and nothing is published.

use std::collections::hash_map::Entry::{Occupied, Vacant};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use tokio::sync::SetOnce;
use uringcast_engine::{ChannelName, PublishError, Seq};

use crate::limits::{MAX_REPEATS, REPEAT_WINDOW};

/// A message's channel, and its id there: one for the table, its order and the reservation.
type Key = Arc<(ChannelName, Box<str>)>;

/// The result of publishing a message.
type PublishResult = Result<Seq, PublishError>;

/// The table, shared by all requests.
#[derive(Clone, Debug, Default)]
pub(super) struct IdempotencyTable(Arc<Mutex<Table>>);

#[derive(Debug, Default)]
struct Table {
    entries: HashMap<Key, Entry>,
    /// Oldest first. An entry that was replaced or given up has another number.
    order: VecDeque<(Instant, u64, Key)>,
    next_number: u64,
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
    key: Key,
    number: u64,
    result: Arc<SetOnce<PublishResult>>,
}

/// The result of a message that another request is publishing.
#[derive(Debug)]
pub(super) struct PendingResult(Arc<SetOnce<PublishResult>>);

impl IdempotencyTable {
    /// Looks a message up, and enters it if it is new.
    pub(super) fn claim(&self, channel: ChannelName, id: Box<str>, now: Instant) -> Claim {
        let mut guard = self.0.lock();
        let table = &mut *guard;
        table.evict_old(now);
        let key = Arc::new((channel, id));
        let vacant = match table.entries.entry(Arc::clone(&key)) {
            Occupied(entry) => match &entry.get().state {
                State::Published(seq) => return Claim::Known(*seq),
                State::Pending(result) => return Claim::Pending(PendingResult(Arc::clone(result))),
            },
            Vacant(vacant) => vacant,
        };
        let number = table.next_number;
        table.next_number += 1;
        let result = Arc::new(SetOnce::new());
        vacant.insert(Entry { number, state: State::Pending(Arc::clone(&result)) });
        table.order.push_back((now, number, Arc::clone(&key)));
        Claim::New(Reservation { table: self.clone(), key, number, result })
    }
}

impl Table {
    /// Evicts entries older than the window, and the oldest one if the table is full.
    fn evict_old(&mut self, now: Instant) {
        while let Some((since, number, _)) = self.order.front() {
            if self.order.len() < MAX_REPEATS && now.duration_since(*since) < REPEAT_WINDOW {
                break;
            }
            let number = *number;
            if let Some((_, _, key)) = self.order.pop_front() {
                self.remove_entry(key, number);
            }
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
    /// Records the result. After a failure the next request with this id may publish the message.
    pub(super) fn settle(self, result: PublishResult) {
        let _ = self.result.set(result);
        if let Ok(seq) = result
            && let Some(entry) = self.table.0.lock().entries.get_mut(&self.key)
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
        let mut table = self.table.0.lock();
        if let Some(Entry { state: State::Pending(_), .. }) = table.entries.get(&self.key) {
            table.remove_entry(Arc::clone(&self.key), self.number);
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
