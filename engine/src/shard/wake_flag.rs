//! A flag that one task waits for. Every source that wakes the event loop sets the same one
//! (invariant 7); a handshake step has one of its own.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::task::{Poll, Waker};

/// A flag of one thread, with one task waiting for it.
#[derive(Default)]
pub(super) struct WakeFlag {
    set: Cell<bool>,
    waiting: RefCell<Option<Waker>>,
}

impl WakeFlag {
    /// Sets the flag.
    pub(super) fn wake(&self) {
        self.set.set(true);
        if let Some(waker) = self.waiting.borrow_mut().take() {
            waker.wake();
        }
    }

    /// Whether the flag is set.
    pub(super) fn is_set(&self) -> bool {
        self.set.get()
    }

    /// Clears the flag: its task is about to check every source.
    pub(super) fn clear(&self) {
        self.set.set(false);
    }

    /// Waits until the flag is set. Leaves it set.
    pub(super) async fn wait(&self) {
        poll_fn(|context| {
            if self.set.get() {
                return Poll::Ready(());
            }
            *self.waiting.borrow_mut() = Some(context.waker().clone());
            Poll::Pending
        })
        .await;
    }
}
