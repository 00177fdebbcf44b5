//! A bounded queue from any thread to one shard, with room reserved before anything is sent.

use std::fmt;
use std::sync::Arc;

use crossbeam::channel::{Receiver, Sender, unbounded};

use super::Doorbell;
use super::room::{Cost, Room};
use crate::limits::CONTROL_COMMANDS;

/// The sending side.
pub struct Mailbox<T> {
    // Unbounded by itself: `room` is what bounds it, and an empty one owns next to no memory.
    sender: Sender<(T, Cost)>,
    room: Arc<Room>,
    limit: Cost,
    bell: Arc<Doorbell>,
}

/// The shard's side. Dropping it drops what is queued and what is sent later.
pub struct MailboxReceiver<T> {
    receiver: Receiver<(T, Cost)>,
    room: Arc<Room>,
    /// Capacity of what was popped and that is not given back yet.
    free: Cost,
}

/// Popped entries after which their room is given back at the latest: one read-modify-write for
/// so many, not for each (invariant 5).
const GIVE_BACK: usize = 64;

/// Capacity for one entry of a known cost. Dropped unused, it releases the room.
#[must_use]
pub struct Permit<'a, T> {
    mailbox: &'a Mailbox<T>,
    cost: Cost,
}

/// Makes the two ends of a mailbox with room for a total cost of `limit`. `bell` wakes its owner.
pub fn mailbox<T>(limit: Cost, bell: Arc<Doorbell>) -> (Mailbox<T>, MailboxReceiver<T>) {
    let (sender, receiver) = unbounded();
    let room = Arc::<Room>::default();
    let mailbox = Mailbox { sender, room: Arc::clone(&room), limit, bell };
    (mailbox, MailboxReceiver { receiver, room, free: Cost::default() })
}

impl<T> Mailbox<T> {
    /// Takes room for one entry that costs `cost`. `None` when there is not so much.
    pub fn try_reserve(&self, cost: Cost) -> Option<Permit<'_, T>> {
        debug_assert!(cost.entries > 0, "free entries would be unbounded");
        let fits = self.room.try_take(cost, self.limit);
        // Not `then_some`: a permit that is made gives its room back when dropped.
        fits.then(|| Permit { mailbox: self, cost })
    }

    /// Sends a command of so many bytes that does not count towards the capacity of entries, in a
    /// reserve of [`CONTROL_COMMANDS`].
    ///
    /// # Errors
    /// The entry, when the reserve is used up too, or the bytes.
    pub fn send_control(&self, entry: T, bytes: usize) -> Result<(), T> {
        let cost = Cost { entries: 1, bytes };
        let limit = Cost { entries: self.limit.entries + CONTROL_COMMANDS, ..self.limit };
        if !self.room.try_take(cost, limit) {
            return Err(entry);
        }
        Permit { mailbox: self, cost }.send(entry);
        Ok(())
    }

    /// Sends a command beyond every bound: the one that ends the receiver, and answers, which the
    /// receiver bounds by its requests.
    pub fn send_owed(&self, entry: T) {
        let cost = Cost { entries: 1, bytes: 0 };
        let _ = self.room.try_take(cost, Cost { entries: usize::MAX, bytes: usize::MAX });
        Permit { mailbox: self, cost }.send(entry);
    }
}

impl<T> Permit<'_, T> {
    /// Sends the entry and rings the bell. If the receiver was dropped, so is the entry.
    pub fn send(mut self, entry: T) {
        if self.mailbox.sender.send((entry, self.cost)).is_ok() {
            self.cost = Cost::default();
            self.mailbox.bell.ring();
        }
    }
}

impl<T> Drop for Permit<'_, T> {
    fn drop(&mut self) {
        if self.cost.entries > 0 {
            self.mailbox.room.give_back(self.cost);
        }
    }
}

impl<T> MailboxReceiver<T> {
    /// Takes the oldest entry and its cost. Its room is free as soon as several have been taken,
    /// or all that were there.
    pub fn pop(&mut self) -> Option<(T, Cost)> {
        let (entry, cost) = self.receiver.try_recv().ok()?;
        self.free.entries += cost.entries;
        self.free.bytes += cost.bytes;
        if self.free.entries >= GIVE_BACK || self.receiver.is_empty() {
            self.room.give_back(std::mem::take(&mut self.free));
        }
        Some((entry, cost))
    }

    /// Entries that are waiting.
    pub fn used(&self) -> usize {
        self.room.entries() - self.free.entries
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
        write!(f, "Mailbox({} of {})", self.room.entries(), self.limit.entries)
    }
}
