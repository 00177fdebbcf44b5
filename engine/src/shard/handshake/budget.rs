//! The governor: handshakes get a share of the shard's time, so that a storm of reconnects leaves
//! the broadcasts theirs (docs/decisions/0020-the-handshake-governor.md).
//!
//! Each step that costs time (a flight of TLS, a request, a round of accepts) is done under a
//! [`Share`]. There is an allowance of time, which the turn fills up; when it is used up, steps
//! wait in two queues until the next turn. A step is never interrupted: what it takes too much is
//! a debt.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use crate::limits::{HANDSHAKE_SHARE, HANDSHAKE_SLICE, QUICK_STEPS};
use crate::shard::loop_waker::Wake;

/// Who goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// A session taken up, a handshake half done, a request: little work until it is over.
    Quick,
    /// A handshake in full, or newcomers.
    Full,
}

/// Shared by one shard's accept and greet tasks and its turn.
pub(crate) struct Governor {
    wake: Rc<Wake>,
    /// Nanoseconds; below 0 is debt.
    allowance: Cell<i64>,
    queues: RefCell<Queues>,
    /// Somebody was let go on and has not been scheduled yet.
    granted: Cell<bool>,
    waits: Cell<u64>,
}

#[derive(Default)]
struct Queues {
    quick: VecDeque<Rc<Ticket>>,
    full: VecDeque<Rc<Ticket>>,
    /// Quick ones let go on since the last full one.
    row: usize,
}

/// A step that waits.
#[derive(Default)]
struct Ticket {
    granted: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Queues {
    fn is_empty(&self) -> bool {
        self.quick.is_empty() && self.full.is_empty()
    }

    /// The next to go on: the quick ones first, but not for ever.
    fn next(&mut self) -> Option<Rc<Ticket>> {
        if self.row >= QUICK_STEPS || self.quick.is_empty() {
            self.row = 0;
            if let Some(ticket) = self.full.pop_front() {
                return Some(ticket);
            }
        }
        self.row += 1;
        self.quick.pop_front()
    }
}

impl Governor {
    /// A governor with a full allowance, which sets `wake` when somebody waits for the next.
    pub(crate) fn new(wake: Rc<Wake>) -> Governor {
        Governor {
            wake,
            allowance: Cell::new(nanos(HANDSHAKE_SLICE)),
            queues: RefCell::default(),
            granted: Cell::new(false),
            waits: Cell::new(0),
        }
    }

    /// Waits for time to do one step. Do not await while it is held.
    pub(crate) async fn share(&self, class: Class) -> Share<'_> {
        if self.allowance.get() <= 0 || !self.is_quiet() {
            self.enter(class).granted().await;
        }
        Share { governor: self, began: Instant::now() }
    }

    fn enter(&self, class: Class) -> Waiting<'_> {
        self.waits.set(self.waits.get() + 1);
        let ticket = Rc::<Ticket>::default();
        let queues = &mut *self.queues.borrow_mut();
        match class {
            Class::Quick => queues.quick.push_back(Rc::clone(&ticket)),
            Class::Full => queues.full.push_back(Rc::clone(&ticket)),
        }
        self.wake.wake();
        Waiting { governor: self, ticket }
    }

    /// A turn is over, and took so long. When nothing else is due, the steps get a whole slice.
    pub(crate) fn refill(&self, turn: Duration, busy: bool) {
        let slice = nanos(HANDSHAKE_SLICE);
        let more = if busy { nanos(turn) / HANDSHAKE_SHARE } else { slice };
        self.allowance.set(self.allowance.get().saturating_add(more).min(slice));
        self.go_on();
    }

    /// Whether no step waits.
    pub(crate) fn is_quiet(&self) -> bool {
        !self.granted.get() && self.queues.borrow().is_empty()
    }

    /// Steps that wait now.
    pub(crate) fn waiting(&self) -> usize {
        let queues = self.queues.borrow();
        queues.quick.len() + queues.full.len()
    }

    /// Steps that had to wait since this was asked last.
    pub(crate) fn take_waits(&self) -> u64 {
        self.waits.take()
    }

    /// Lets one go on, if there is time. It lets go on the next.
    fn go_on(&self) {
        if self.allowance.get() <= 0 || self.granted.get() {
            return;
        }
        let Some(ticket) = self.queues.borrow_mut().next() else { return };
        self.granted.set(true);
        ticket.granted.set(true);
        if let Some(waker) = ticket.waker.take() {
            waker.wake();
        }
    }
}

fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

/// Leaves the queue, or gives the grant back, when its task is cut.
struct Waiting<'a> {
    governor: &'a Governor,
    ticket: Rc<Ticket>,
}

impl Waiting<'_> {
    async fn granted(self) {
        poll_fn(|context| {
            if self.ticket.granted.get() {
                return Poll::Ready(());
            }
            *self.ticket.waker.borrow_mut() = Some(context.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.ticket.granted.get() {
            // Whoever is next goes on when this step is done, or after the next turn.
            self.governor.granted.set(false);
            return;
        }
        let queues = &mut *self.governor.queues.borrow_mut();
        for queue in [&mut queues.quick, &mut queues.full] {
            queue.retain(|ticket| !Rc::ptr_eq(ticket, &self.ticket));
        }
    }
}

/// Time to do one step, charged when it is dropped.
pub(crate) struct Share<'a> {
    governor: &'a Governor,
    began: Instant,
}

impl Share<'_> {
    /// Whether the allowance is used up: the rest had better wait.
    pub(crate) fn is_used_up(&self) -> bool {
        nanos(self.began.elapsed()) >= self.governor.allowance.get()
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        let governor = self.governor;
        governor.allowance.set(governor.allowance.get() - nanos(self.began.elapsed()));
        governor.go_on();
    }
}

#[cfg(test)]
mod tests;
