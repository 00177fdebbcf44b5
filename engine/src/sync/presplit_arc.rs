//! A value that several threads own, each through one share of its own.

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::ptr::NonNull;

use super::atomics::{AtomicU32, Ordering, fence};

/// As an `Arc`, but made with as many shares as will be handed out, so that handing one out
/// changes no count; the owner of all that are left drops the value without a read-modify-write.
/// Readers on one thread put their share into an `Rc` (invariant 5).
pub struct PresplitArc<T> {
    block: NonNull<Block<T>>,
    /// Further shares that this one can still hand out.
    spare: Cell<u32>,
    owns: PhantomData<Block<T>>,
}

struct Block<T> {
    shares: AtomicU32,
    value: T,
}

// SAFETY: as for `Arc`: the value may be read from, and dropped on, any thread that has a share.
// `spare` belongs to the one thread that has this share (`Cell` and `NonNull` make it not `Sync`).
unsafe impl<T: Send + Sync> Send for PresplitArc<T> {}

impl<T> PresplitArc<T> {
    /// A value of which `spare` further shares can be handed out for nothing.
    pub fn new(value: T, spare: u32) -> PresplitArc<T> {
        let block = Block { shares: AtomicU32::new(1 + spare), value };
        let block = NonNull::from(Box::leak(Box::new(block)));
        PresplitArc { block, spare: Cell::new(spare), owns: PhantomData }
    }

    /// A share for another owner.
    #[must_use]
    pub fn split(&self) -> PresplitArc<T> {
        match self.spare.get() {
            // Relaxed, as for `Arc`: the new owner gets it from this one.
            0 if self.block().shares.fetch_add(1, Ordering::Relaxed) > u32::MAX / 2 => {
                // Shares leak: an overflow would free what is in use.
                std::process::abort();
            }
            0 => {}
            spare => self.spare.set(spare - 1),
        }
        PresplitArc { block: self.block, spare: Cell::new(0), owns: PhantomData }
    }

    fn block(&self) -> &Block<T> {
        // SAFETY: a block is freed when its count reaches zero, and this share is still counted.
        unsafe { self.block.as_ref() }
    }
}

impl<T> Deref for PresplitArc<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.block().value
    }
}

impl<T> Drop for PresplitArc<T> {
    fn drop(&mut self) {
        let (shares, own) = (&self.block().shares, 1 + self.spare.get());
        // Acquire, here or by the fence: what the others did with the value is over. While all
        // that are left are of this owner, no other thread can make more.
        if shares.load(Ordering::Acquire) != own {
            if shares.fetch_sub(own, Ordering::Release) != own {
                return;
            }
            fence(Ordering::Acquire);
        }
        // SAFETY: made by `Box::leak` in `new`, and no share is left that could reach it.
        drop(unsafe { Box::from_raw(self.block.as_ptr()) });
    }
}

impl<T: fmt::Debug> fmt::Debug for PresplitArc<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
