//! Wakes a parked shard (invariant 7).

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

/// An eventfd that is written only if its owner said it would sleep.
#[derive(Debug)]
pub struct Bell {}

impl Bell {
    /// A bell for one owner.
    ///
    /// # Errors
    /// When no descriptor is to be had.
    pub fn new() -> io::Result<Bell> {
        todo!()
    }

    /// Wakes the owner if it is parked. Call after the work was made visible.
    pub fn ring(&self) {
        todo!()
    }

    /// The owner says that it is about to sleep; it must look for work once more afterwards.
    pub fn park(&self) {
        todo!()
    }

    /// The owner is awake: rings cost nothing until the next `park`.
    pub fn unpark(&self) {
        todo!()
    }
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        todo!()
    }
}
