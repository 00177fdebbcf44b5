//! A bounded queue from one shard to another.

use crossbeam::queue::ArrayQueue;

/// Carries `T` in order. Only the sending shard pushes, only the receiving one pops.
#[derive(Debug)]
pub struct Lane<T> {
    queue: ArrayQueue<T>,
    /// Entries waiting from which on ordinary ones are refused.
    capacity: usize,
}

impl<T> Lane<T> {
    /// Room for `capacity` ordinary entries, at least one, and `reserve` replies beyond them.
    pub fn new(capacity: usize, reserve: usize) -> Lane<T> {
        Lane { queue: ArrayQueue::new(capacity + reserve), capacity }
    }

    /// Sends an ordinary entry.
    ///
    /// # Errors
    /// The entry, when `capacity` is used up.
    pub fn try_push(&self, entry: T) -> Result<(), T> {
        // Exact enough: nobody else pushes, and a pop meanwhile only makes more room.
        if self.queue.len() >= self.capacity { Err(entry) } else { self.queue.push(entry) }
    }

    /// Sends a reply, for which credits keep room. Having none is our own bug: aborts.
    pub fn push_reply(&self, entry: T) {
        if self.queue.push(entry).is_err() {
            super::abort("a lane has no room for a reply, though credits bound the requests");
        }
    }

    /// Takes the oldest entry.
    pub fn pop(&self) -> Option<T> {
        self.queue.pop()
    }

    /// Whether nothing is waiting.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }
}
