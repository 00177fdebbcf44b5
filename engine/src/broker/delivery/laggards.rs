//! The laggards of a shard, their memory, and those that may be written.

use std::collections::VecDeque;

use super::laggard::{LagState, Laggard};
use crate::broker::shared_count::SharedCount;
use crate::types::ConnectionKey;

/// All laggards, by connection index.
#[derive(Debug)]
pub(super) struct Laggards {
    of: Vec<Option<Box<Laggard>>>,
    count: usize,
    /// Memory of all.
    bytes: SharedCount,
    /// Those that may be written, and keys of some that are laggards no more.
    ready: VecDeque<ConnectionKey>,
}

impl Laggards {
    /// None, of connections of so many services.
    pub(super) fn new(services: usize) -> Laggards {
        let bytes = SharedCount::new(services);
        Laggards { of: Vec::new(), count: 0, bytes, ready: VecDeque::new() }
    }

    pub(super) fn get(&self, connection: u32) -> Option<&Laggard> {
        self.of.get(connection as usize)?.as_deref()
    }

    pub(super) fn get_mut(&mut self, connection: u32) -> Option<&mut Laggard> {
        self.of.get_mut(connection as usize)?.as_deref_mut()
    }

    /// Memory of all.
    pub(super) fn bytes(&self) -> &SharedCount {
        &self.bytes
    }

    pub(super) fn add(&mut self, key: ConnectionKey, laggard: Laggard) {
        let index = key.index as usize;
        if index >= self.of.len() {
            self.of.resize_with(index + 1, || None);
        }
        if laggard.state == LagState::Ready {
            self.ready.push_back(key);
        }
        self.of[index] = Some(Box::new(laggard));
        self.count += 1;
    }

    pub(super) fn remove(&mut self, connection: u32) -> Option<Box<Laggard>> {
        let laggard = self.of.get_mut(connection as usize)?.take()?;
        self.bytes.remove(laggard.service, laggard.charged);
        self.count -= 1;
        Some(laggard)
    }

    /// Brings the sum of memory up to date with one laggard.
    pub(super) fn weigh(&mut self, connection: u32) {
        if let Some(laggard) = self.of.get_mut(connection as usize).and_then(Option::as_deref_mut) {
            let bytes = laggard.bytes();
            self.bytes.remove(laggard.service, laggard.charged);
            self.bytes.add(laggard.service, bytes);
            laggard.charged = bytes;
        }
    }

    /// What a laggard waited for, `from`, is over: it may be written.
    pub(super) fn make_ready(&mut self, key: ConnectionKey, from: LagState) {
        if let Some(laggard) = self.get_mut(key.index).filter(|laggard| laggard.state == from) {
            laggard.state = LagState::Ready;
            self.ready.push_back(key);
        }
    }

    /// Lists a laggard again that may still be written.
    pub(super) fn requeue(&mut self, key: ConnectionKey) {
        self.ready.push_back(key);
    }

    /// Laggards that may be written.
    pub(super) fn ready(&self) -> usize {
        self.ready.len()
    }

    pub(super) fn next_ready(&mut self) -> Option<ConnectionKey> {
        self.ready.pop_front()
    }

    #[cfg(test)]
    pub(super) fn times_ready(&self, key: ConnectionKey) -> usize {
        self.ready.iter().filter(|other| **other == key).count()
    }

    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.count
    }
}
