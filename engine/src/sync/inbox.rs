//! An unbounded queue from any thread to one: a push costs the sender one read-modify-write, and
//! taking everything that has come costs the receiver one.

use std::ptr::null_mut;

use super::atomics::{AtomicPtr, Ordering};

/// A list of what has come, newest first. Only one thread takes.
pub(super) struct Inbox<T> {
    newest: AtomicPtr<Letter<T>>,
}

struct Letter<T> {
    entry: T,
    older: *mut Letter<T>,
}

// SAFETY: entries move from thread to thread, each with its letter; nothing else is shared.
unsafe impl<T: Send> Send for Inbox<T> {}
// SAFETY: a letter belongs to its sender until the exchange that lists it has succeeded, and to
// the receiver from the swap that takes it.
unsafe impl<T: Send> Sync for Inbox<T> {}

/// What `newest` points at once nobody takes any more: no letter is there.
fn closed<T>() -> *mut Letter<T> {
    std::ptr::without_provenance_mut(align_of::<Letter<T>>())
}

impl<T> Inbox<T> {
    pub(super) fn new() -> Inbox<T> {
        Inbox { newest: AtomicPtr::new(null_mut()) }
    }

    /// Sends an entry, unless nobody takes any more: then it is dropped. Returns whether it went.
    pub(super) fn push(&self, entry: T) -> bool {
        let letter = Box::into_raw(Box::new(Letter { entry, older: null_mut() }));
        let mut newest = self.newest.load(Ordering::Relaxed);
        loop {
            if newest == closed() {
                // SAFETY: made above, and never listed.
                drop(unsafe { Box::from_raw(letter) });
                return false;
            }
            // SAFETY: ours until it is listed.
            unsafe { (*letter).older = newest };
            // Release: the letter is there for whoever takes it. Letters below were released by
            // their own senders, and a chain of exchanges hands that on.
            let (done, not) = (Ordering::Release, Ordering::Relaxed);
            match self.newest.compare_exchange_weak(newest, letter, done, not) {
                Ok(_) => return true,
                Err(current) => newest = current,
            }
        }
    }

    /// Moves all that has come to `into`, newest first.
    pub(super) fn take(&self, into: &mut Vec<T>) {
        if !self.is_empty() {
            self.replace(null_mut(), into);
        }
    }

    /// Takes the last entries; later ones are dropped by their senders.
    pub(super) fn close(&self, into: &mut Vec<T>) {
        self.replace(closed(), into);
    }

    pub(super) fn is_empty(&self) -> bool {
        let newest = self.newest.load(Ordering::Relaxed);
        newest.is_null() || newest == closed()
    }

    fn replace(&self, by: *mut Letter<T>, into: &mut Vec<T>) {
        // Acquire: the letters are there.
        let mut letter = self.newest.swap(by, Ordering::Acquire);
        while !letter.is_null() && letter != closed() {
            // SAFETY: listed by `push`, which made it by `Box::into_raw`, and unlisted by the swap:
            // nobody else has it.
            let taken = unsafe { Box::from_raw(letter) };
            letter = taken.older;
            into.push(taken.entry);
        }
    }
}

impl<T> Drop for Inbox<T> {
    fn drop(&mut self) {
        self.close(&mut Vec::new());
    }
}
