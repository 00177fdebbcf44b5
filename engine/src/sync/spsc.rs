//! A bounded queue from one shard to another: one writes it, one reads it, and neither needs a
//! read-modify-write while there is room. A sender that finds no room is woken when there is some.

use std::mem::MaybeUninit;

use crossbeam::utils::CachePadded;

use super::atomics::{Arc, AtomicUsize, Ordering, UnsafeCell};
use super::parking::Parking;

/// The sending shard's end. Carries `T` in order.
pub struct LaneSender<T> {
    lane: Arc<Lane<T>>,
    /// Entries ever sent.
    sent: usize,
    /// Entries known to have been taken: loaded again only when the lane seems full.
    taken: usize,
    /// Entries waiting from which on ordinary ones are refused.
    capacity: usize,
    /// Entries for which there is room at most.
    most: usize,
    /// Bytes of each entry, by slot.
    sizes: Box<[u32]>,
    /// Bytes of the entries that are not known to have been taken.
    bytes: usize,
    /// Bytes waiting from which on ordinary entries are refused.
    max_bytes: usize,
    /// An ordinary entry found no room, and none has been sent since.
    refused: bool,
}

/// The receiving shard's end.
pub struct LaneReceiver<T> {
    lane: Arc<Lane<T>>,
    /// Entries ever taken.
    taken: usize,
    /// Entries known to have been sent: loaded again only when all of them are taken.
    sent: usize,
}

/// Both counts run on for ever and wrap; an entry's slot is its number modulo the slots.
struct Lane<T> {
    /// As many as a power of two, so that numbers may wrap.
    slots: Box<[UnsafeCell<MaybeUninit<T>>]>,
    // Each count is written by one side and read by the other: on cache lines of their own.
    sent: CachePadded<AtomicUsize>,
    taken: CachePadded<AtomicUsize>,
    /// Whether the sender waits for room.
    full: Parking,
}

// SAFETY: a slot is written by the sender before `sent` covers it and read by the receiver after;
// it is written again only when `taken` covers it. Entries move from thread to thread.
unsafe impl<T: Send> Sync for Lane<T> {}
// SAFETY: the end that is dropped last drops the entries left in it, on its own thread.
unsafe impl<T: Send> Send for Lane<T> {}

/// A lane with room for `capacity` ordinary entries, at least one, and `reserve` replies beyond
/// them.
pub fn lane<T>(capacity: usize, reserve: usize) -> (LaneSender<T>, LaneReceiver<T>) {
    assert!(capacity > 0, "a lane without room carries nothing");
    let most = capacity + reserve;
    let slots = (0..most.next_power_of_two()).map(|_| UnsafeCell::new(MaybeUninit::uninit()));
    let count = || CachePadded::new(AtomicUsize::new(0));
    let (slots, full) = (slots.collect(), Parking::default());
    let lane = Arc::new(Lane { slots, sent: count(), taken: count(), full });
    let sender = LaneSender {
        sizes: vec![0; most.next_power_of_two()].into_boxed_slice(),
        lane: Arc::clone(&lane),
        sent: 0,
        taken: 0,
        capacity,
        most,
        bytes: 0,
        max_bytes: usize::MAX,
        refused: false,
    };
    (sender, LaneReceiver { lane, taken: 0, sent: 0 })
}

impl<T> Lane<T> {
    fn slot(&self, number: usize) -> &UnsafeCell<MaybeUninit<T>> {
        &self.slots[number & (self.slots.len() - 1)]
    }
}

impl<T> LaneSender<T> {
    /// The same, with ordinary entries refused also while so many bytes wait: of entries that are
    /// sent with their bytes. What waits is less than that and one entry.
    #[must_use]
    pub fn bounded_in_bytes(self, max_bytes: usize) -> LaneSender<T> {
        LaneSender { max_bytes, ..self }
    }

    /// Sends an ordinary entry that counts as no bytes.
    ///
    /// # Errors
    /// As for [`LaneSender::try_push_sized`].
    pub fn try_push(&mut self, entry: T) -> Result<(), T> {
        self.try_push_sized(entry, 0)
    }

    /// Sends an ordinary entry of so many bytes.
    ///
    /// # Errors
    /// The entry, when `capacity` or the bound in bytes is used up; then
    /// [`LaneReceiver::is_awaited`] returns true.
    pub fn try_push_sized(&mut self, entry: T, bytes: usize) -> Result<(), T> {
        if !self.has_room_after_park() {
            self.refused = true;
            return Err(entry);
        }
        self.push(entry, bytes);
        Ok(())
    }

    /// Whether there is room again after an entry was refused; true once. Call again after
    /// [`Doorbell::park`](super::Doorbell::park): the receiver may have rung before (invariant 7).
    pub fn has_room_again(&mut self) -> bool {
        // One taken entry may leave too many bytes: then the next one must wake this side again.
        let again = self.refused && self.has_room_after_park();
        self.refused &= !again;
        again
    }

    /// Whether there is room for an ordinary entry; if not, the receiver will wake this side.
    fn has_room_after_park(&mut self) -> bool {
        if self.has_room(self.capacity, self.max_bytes) {
            return true;
        }
        self.lane.full.park();
        // Once more: the receiver may have checked before this parked (invariant 7).
        let has_room = self.has_room(self.capacity, self.max_bytes);
        if has_room {
            self.lane.full.unpark();
        }
        has_room
    }

    /// Sends a reply, for which credits keep room. Having none is a bug.
    ///
    /// # Panics
    /// When there is none: the process ends, rather than strand a shard (invariant 9).
    pub fn push_reply(&mut self, entry: T) {
        let has_room = self.has_room(self.most, usize::MAX);
        assert!(has_room, "credits bound the requests, so a reply has room");
        self.push(entry, 0);
    }

    fn has_room(&mut self, most: usize, max_bytes: usize) -> bool {
        let fits = |sender: &Self| {
            sender.sent.wrapping_sub(sender.taken) < most && sender.bytes < max_bytes
        };
        if fits(self) {
            return true;
        }
        // Acquire: the receiver is done with the slots it covers.
        let taken = self.lane.taken.load(Ordering::Acquire);
        while self.taken != taken {
            self.bytes -= self.sizes[self.taken & (self.sizes.len() - 1)] as usize;
            self.taken = self.taken.wrapping_add(1);
        }
        fits(self)
    }

    fn push(&mut self, entry: T, bytes: usize) {
        let size = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.sizes[self.sent & (self.sizes.len() - 1)] = size;
        self.bytes += size as usize;
        // SAFETY: fewer than all slots are in use, so this one is empty and `sent` does not cover
        // it: the receiver does not read it, and there is no other sender.
        self.lane.slot(self.sent).with_mut(|slot| unsafe { (*slot).write(entry) });
        self.sent = self.sent.wrapping_add(1);
        // Release: the entry is visible where the count is.
        self.lane.sent.store(self.sent, Ordering::Release);
    }
}

impl<T> LaneReceiver<T> {
    /// Takes the oldest entry.
    pub fn pop(&mut self) -> Option<T> {
        if self.taken == self.sent {
            // Acquire: the entries it covers are there.
            self.sent = self.lane.sent.load(Ordering::Acquire);
            if self.taken == self.sent {
                return None;
            }
        }
        // SAFETY: `sent` covers it, so it was written, and the sender writes it again only when
        // `taken` covers it; there is no other receiver.
        let entry =
            self.lane.slot(self.taken).with_mut(|slot| unsafe { (*slot).assume_init_read() });
        self.taken = self.taken.wrapping_add(1);
        // Release: the slot is no longer used here.
        self.lane.taken.store(self.taken, Ordering::Release);
        Some(entry)
    }

    /// Whether the sender found no room and has not been woken since: then it is to be woken. Call
    /// after entries were taken; the answer is certain only after a SeqCst fence since, such as
    /// every [`Doorbell::park`](super::Doorbell::park) makes.
    pub fn is_awaited(&self) -> bool {
        self.lane.full.claim()
    }

    /// Whether nothing is waiting.
    pub fn is_empty(&self) -> bool {
        self.taken == self.lane.sent.load(Ordering::Acquire)
    }
}

impl<T> Drop for Lane<T> {
    fn drop(&mut self) {
        let sent = self.sent.load(Ordering::Relaxed);
        let mut number = self.taken.load(Ordering::Relaxed);
        while number != sent {
            // SAFETY: written and not taken; both ends were dropped.
            self.slot(number).with_mut(|slot| unsafe { (*slot).assume_init_drop() });
            number = number.wrapping_add(1);
        }
    }
}
