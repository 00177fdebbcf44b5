//! A bounded queue from any thread to one shard, with room reserved before anything is sent.

use std::fmt;
use std::sync::Arc;

use crossbeam::channel::{Receiver, Sender, unbounded};

use super::Doorbell;
use super::capacity::Capacity;
use crate::limits::CONTROL_COMMANDS;

/// The sending side.
pub struct Mailbox<T> {
    // Unbounded by itself: `room` is what bounds it, and an empty one owns next to no memory.
    sender: Sender<(T, usize)>,
    room: Arc<Capacity>,
    capacity: usize,
    bell: Arc<Doorbell>,
}

/// The shard's side. Dropping it drops what is queued and what is sent later.
pub struct MailboxReceiver<T> {
    receiver: Receiver<(T, usize)>,
    room: Arc<Capacity>,
    /// Capacity of what was popped and that is not given back yet.
    free: usize,
}

/// Popped entries after which their room is given back at the latest: one read-modify-write for
/// so many, not for each (invariant 5).
const GIVE_BACK: usize = 64;

/// Capacity for one entry of a known cost. Dropped unused, it releases the room.
#[must_use]
pub struct Permit<'a, T> {
    mailbox: &'a Mailbox<T>,
    cost: usize,
}

/// Makes the two ends of a mailbox with room for a total cost of `capacity`, whose owner is woken
/// by `bell`.
pub fn mailbox<T>(capacity: usize, bell: Arc<Doorbell>) -> (Mailbox<T>, MailboxReceiver<T>) {
    let (sender, receiver) = unbounded();
    let room = Arc::<Capacity>::default();
    let mailbox = Mailbox { sender, room: Arc::clone(&room), capacity, bell };
    (mailbox, MailboxReceiver { receiver, room, free: 0 })
}

impl<T> Mailbox<T> {
    /// Takes room for one entry that costs `cost`, at least 1. `None` when there is not so much.
    pub fn try_reserve(&self, cost: usize) -> Option<Permit<'_, T>> {
        debug_assert!(cost > 0, "free entries would be unbounded");
        let fits = self.room.try_take(cost, self.capacity);
        // Not `then_some`: a permit that is made gives its room back when dropped.
        fits.then(|| Permit { mailbox: self, cost })
    }

    /// Sends a command that does not count towards the capacity, in a reserve of
    /// [`CONTROL_COMMANDS`].
    ///
    /// # Errors
    /// The entry, when the reserve is used up too.
    pub fn send_control(&self, entry: T) -> Result<(), T> {
        if !self.room.try_take(1, self.capacity + CONTROL_COMMANDS) {
            return Err(entry);
        }
        Permit { mailbox: self, cost: 1 }.send(entry);
        Ok(())
    }

    /// Sends a command beyond every bound: the one that ends the receiver, and answers, which the
    /// receiver bounds by its requests.
    pub fn send_owed(&self, entry: T) {
        let _ = self.room.try_take(1, usize::MAX);
        Permit { mailbox: self, cost: 1 }.send(entry);
    }
}

impl<T> Permit<'_, T> {
    /// Sends the entry and rings the bell. If the receiver was dropped, so is the entry.
    pub fn send(mut self, entry: T) {
        if self.mailbox.sender.send((entry, self.cost)).is_ok() {
            self.cost = 0;
            self.mailbox.bell.ring();
        }
    }
}

impl<T> Drop for Permit<'_, T> {
    fn drop(&mut self) {
        if self.cost > 0 {
            self.mailbox.room.give_back(self.cost);
        }
    }
}

impl<T> MailboxReceiver<T> {
    /// Takes the oldest entry and its cost. Its room is free as soon as several have been taken,
    /// or all that were there.
    pub fn pop(&mut self) -> Option<(T, usize)> {
        let (entry, cost) = self.receiver.try_recv().ok()?;
        self.free += cost;
        if self.free >= GIVE_BACK || self.receiver.is_empty() {
            self.room.give_back(std::mem::take(&mut self.free));
        }
        Some((entry, cost))
    }

    /// Cost of all that is waiting.
    pub fn used(&self) -> usize {
        self.room.used() - self.free
    }

    /// How often there was no room since the last call.
    pub fn take_refusals(&self) -> usize {
        self.room.take_refusals()
    }

    /// Whether nothing is waiting.
    pub fn is_empty(&self) -> bool {
        self.receiver.is_empty()
    }
}

impl<T> Drop for MailboxReceiver<T> {
    fn drop(&mut self) {
        while self.pop().is_some() {}
    }
}

impl<T> fmt::Debug for Mailbox<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mailbox({} of {})", self.room.used(), self.capacity)
    }
}
