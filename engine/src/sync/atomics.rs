//! The one place the atomics come from. `tests/sync_loom.rs` compiles the files that use them a
//! second time with loom's in their place; the crate's own tests use ones that count.

pub(super) use std::sync::Arc;
pub(super) use std::sync::atomic::Ordering;

#[cfg(not(test))]
pub(super) use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, fence};

#[cfg(test)]
pub(super) use tests::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, fence};

#[cfg(test)]
pub(super) mod tests;

/// A cell that is handed from thread to thread. loom's detects two threads that access it at once.
#[derive(Debug)]
pub(super) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

impl<T> UnsafeCell<T> {
    pub(super) fn new(value: T) -> UnsafeCell<T> {
        UnsafeCell(std::cell::UnsafeCell::new(value))
    }

    /// Calls `f` with a pointer to the contents: using it is what needs a reason.
    pub(super) fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
        f(self.0.get())
    }
}
