//! The places of the connections of one HTTP port. A new connection evicts the oldest one without
//! an admitted request. One that is admitted evicts an idle one of the key that has most, so that
//! no key takes the places of another.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use tokio::task::AbortHandle;

use super::error::ApiError;
use crate::limits::{HTTP_IDLE, MAX_HTTP_CONNECTIONS, NEW_HTTP_CONNECTIONS};
use crate::metrics::{GivenUp, HttpGivenUp};

/// The connections of one port.
#[derive(Debug)]
pub(super) struct Places {
    open: Mutex<Open>,
    /// Connections without an admitted request.
    most_new: usize,
    /// The others.
    most_admitted: usize,
    given_up: Option<HttpGivenUp>,
}

#[derive(Debug, Default)]
struct Open {
    next: u64,
    connections: HashMap<u64, Arc<Mutex<Connection>>>,
}

/// What is known of a connection.
#[derive(Debug)]
struct Connection {
    /// The name of the key of its last request that was admitted; empty where none is needed.
    owner: Option<Box<str>>,
    /// When it began to wait for the peer.
    used: Instant,
    /// Whether the server makes an answer: it does not wait for the peer then.
    is_answering: bool,
    /// Ends it.
    task: Option<AbortHandle>,
}

/// The place of one connection, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    number: u64,
    /// The one that stands among all, as long as it does. A holder of its lock never takes that of
    /// `open`.
    connection: Arc<Mutex<Connection>>,
}

impl Places {
    /// Places for all that a port may have, or for so many connections if that is less.
    pub(super) fn new(connections: usize, given_up: Option<HttpGivenUp>) -> Arc<Places> {
        let most_new = (connections / 4).clamp(1, NEW_HTTP_CONNECTIONS);
        let most_admitted = connections.saturating_sub(most_new).clamp(1, MAX_HTTP_CONNECTIONS);
        Arc::new(Places { open: Mutex::default(), most_new, most_admitted, given_up })
    }

    /// A place for a new connection. If there is none, evicts the oldest of those without an
    /// admitted request. `None` when all of those are being answered.
    pub(super) fn enter(self: &Arc<Self>) -> Option<Place> {
        let mut open = self.open.lock();
        let new = |connection: &Mutex<Connection>| connection.lock().owner.is_none();
        if open.connections.values().filter(|each| new(each)).count() >= self.most_new {
            let candidates = open.connections.iter().filter(|(_, each)| new(each));
            let Some(oldest) = oldest(candidates) else {
                self.count(GivenUp::New);
                return None;
            };
            self.end(&mut open, oldest, GivenUp::New);
        }
        Some(self.insert(&mut open, None))
    }

    /// A place for a connection that another process has had, of the key of this name. It evicts
    /// none: it had its place there.
    pub(super) fn take_over(self: &Arc<Self>, owner: Option<Box<str>>) -> Place {
        self.insert(&mut self.open.lock(), owner)
    }

    fn insert(self: &Arc<Self>, open: &mut Open, owner: Option<Box<str>>) -> Place {
        let number = open.next;
        open.next += 1;
        let (used, is_answering) = (Instant::now(), false);
        let connection = Connection { owner, used, is_answering, task: None };
        let connection = Arc::new(Mutex::new(connection));
        open.connections.insert(number, Arc::clone(&connection));
        Place { places: Arc::clone(self), number, connection }
    }

    /// Ends the connection that is longest without use. To be called when the process has no
    /// descriptor left.
    pub(super) fn end_oldest(&self) {
        let mut open = self.open.lock();
        if let Some(oldest) = oldest(open.connections.iter()) {
            self.end(&mut open, oldest, GivenUp::Descriptors);
        }
    }

    fn end(&self, open: &mut Open, number: u64, reason: GivenUp) {
        let Some(connection) = open.connections.remove(&number) else { return };
        connection.lock().task.iter().for_each(AbortHandle::abort);
        self.count(reason);
    }

    /// Counts what is given up so that others find room.
    pub(super) fn count(&self, reason: GivenUp) {
        self.given_up.iter().for_each(|given_up| given_up.count(reason));
    }
}

/// Of those that wait for their peers, the one that is longest without use.
fn oldest<'a>(
    connections: impl Iterator<Item = (&'a u64, &'a Arc<Mutex<Connection>>)>,
) -> Option<u64> {
    let waiting = connections.filter_map(|(number, connection)| {
        let connection = connection.lock();
        (!connection.is_answering).then_some((connection.used, *number))
    });
    waiting.min().map(|(_, number)| number)
}

impl Open {
    /// The connection to evict for one more of `owner` when `most` are admitted: an idle one of the
    /// key that has most, and as many as the owner at least. Without one, if the owner has less
    /// than an equal share: one of a key that has more than that.
    fn victim(&self, owner: &str, now: Instant, most: usize) -> Option<u64> {
        let all = self.connections.iter().map(|(number, each)| (number, each.lock()));
        let all: Vec<_> = all.collect();
        let owned = || {
            all.iter().filter_map(|(number, each)| Some((*number, each, each.owner.as_deref()?)))
        };
        let mut counts: HashMap<&str, usize> = HashMap::from([(owner, 0)]);
        owned().for_each(|(_, _, of)| *counts.entry(of).or_default() += 1);
        let (own, share) = (counts[owner], most / counts.len());
        let candidates = owned().filter(|(_, each, _)| !each.is_answering);
        let candidates = candidates.filter_map(|(number, each, of)| {
            let is_idle = now.saturating_duration_since(each.used) >= HTTP_IDLE;
            let may = if is_idle { counts[of] >= own } else { own < share && counts[of] > share };
            may.then_some((!is_idle, Reverse(counts[of]), each.used, *number))
        });
        candidates.min().map(|(.., number)| number)
    }
}

impl Place {
    /// The task that serves the connection.
    pub(super) fn served_by(&self, task: AbortHandle) {
        match self.places.open.lock().connections.get(&self.number) {
            Some(connection) => connection.lock().task = Some(task),
            None => task.abort(),
        }
    }

    /// A request begins: until [`Place::wait`] the connection does not have to go.
    pub(super) fn answer(&self) {
        self.set(true);
    }

    /// The connection waits for its peer.
    pub(super) fn wait(&self) {
        self.set(false);
    }

    /// The name of the key of its last request that was admitted.
    pub(super) fn owner(&self) -> Option<Box<str>> {
        self.connection.lock().owner.clone()
    }

    fn set(&self, is_answering: bool) {
        let mut connection = self.connection.lock();
        if std::mem::replace(&mut connection.is_answering, is_answering) && !is_answering {
            connection.used = Instant::now();
        }
    }

    /// A request was admitted, with the key of this name. The connection counts as one of the key
    /// from now on, and another may go for it.
    ///
    /// # Errors
    /// 503 when all places are taken by connections in use.
    pub(super) fn admit(&self, owner: &str) -> Result<(), ApiError> {
        let is_new = match self.connection.lock().owner.as_deref() {
            Some(known) if known == owner => return Ok(()),
            known => known.is_none(),
        };
        let mut open = self.places.open.lock();
        if !open.connections.contains_key(&self.number) {
            return Ok(());
        }
        let is_taken = |each: &&Arc<Mutex<Connection>>| each.lock().owner.is_some();
        let taken = open.connections.values().filter(is_taken).count();
        if is_new && taken >= self.places.most_admitted {
            let Some(victim) = open.victim(owner, Instant::now(), self.places.most_admitted) else {
                self.places.count(GivenUp::Places);
                return Err(ApiError::no_place());
            };
            self.places.end(&mut open, victim, GivenUp::Idle);
        }
        self.connection.lock().owner = Some(owner.into());
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.open.lock().connections.remove(&self.number);
    }
}

#[cfg(test)]
mod tests;
