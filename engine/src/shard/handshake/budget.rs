//! Limits the time that handshakes take from the event loop, so that a storm of reconnects does not
//! delay broadcasts (docs/decisions/0020-the-handshake-governor.md).
//!
//! Each step that costs time (a flight of TLS, a request, a batch of accepts) runs under a
//! [`StepGrant`]. The event loop refills an allowance of time after each iteration; when it is
//! spent, steps wait in two queues. A step is never interrupted: an overrun makes the allowance
//! negative, and refills pay it back.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::limits::{HANDSHAKE_SHARE, HANDSHAKE_SLICE, QUICK_STEPS};
use crate::shard::wake_flag::WakeFlag;

/// What a step costs, which decides its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StepClass {
    /// A resumed session, a handshake half done, a request: little work until the end.
    Quick,
    /// A full TLS handshake, or new connections.
    Full,
}

/// Shared by one shard's accept and handshake tasks and its event loop.
pub(crate) struct HandshakeBudget {
    loop_waker: Rc<WakeFlag>,
    /// Nanoseconds; negative after an overrun.
    allowance: Cell<i64>,
    queues: RefCell<Queues>,
    /// A step was granted and its task has not run yet.
    granted: Cell<bool>,
    waits: Cell<u64>,
}

/// Steps that wait, each with the flag that grants it.
#[derive(Default)]
struct Queues {
    quick: VecDeque<Rc<WakeFlag>>,
    full: VecDeque<Rc<WakeFlag>>,
    /// Quick steps granted since the last full one.
    quick_in_a_row: usize,
}

impl Queues {
    fn is_empty(&self) -> bool {
        self.quick.is_empty() && self.full.is_empty()
    }

    /// The next step: quick ones first, but after QUICK_STEPS of them a full one.
    fn next(&mut self) -> Option<Rc<WakeFlag>> {
        if self.quick_in_a_row >= QUICK_STEPS || self.quick.is_empty() {
            self.quick_in_a_row = 0;
            if let Some(step) = self.full.pop_front() {
                return Some(step);
            }
        }
        self.quick_in_a_row += 1;
        self.quick.pop_front()
    }
}

impl HandshakeBudget {
    /// A budget with a full allowance. Sets `loop_waker` when a step has to wait for a refill.
    pub(crate) fn new(loop_waker: Rc<WakeFlag>) -> HandshakeBudget {
        HandshakeBudget {
            loop_waker,
            allowance: Cell::new(nanos(HANDSHAKE_SLICE)),
            queues: RefCell::default(),
            granted: Cell::new(false),
            waits: Cell::new(0),
        }
    }

    /// Waits for time to do one step. Do not await while it is held.
    pub(crate) async fn acquire(&self, class: StepClass) -> StepGrant<'_> {
        if self.allowance.get() <= 0 || !self.is_idle() {
            let waiting = self.enqueue(class);
            waiting.step.wait().await;
        }
        StepGrant { budget: self, began: Instant::now() }
    }

    fn enqueue(&self, class: StepClass) -> Waiting<'_> {
        self.waits.set(self.waits.get() + 1);
        let step = Rc::<WakeFlag>::default();
        let queues = &mut *self.queues.borrow_mut();
        match class {
            StepClass::Quick => queues.quick.push_back(Rc::clone(&step)),
            StepClass::Full => queues.full.push_back(Rc::clone(&step)),
        }
        self.loop_waker.wake();
        Waiting { budget: self, step }
    }

    /// Refills after an iteration of this duration: 1/HANDSHAKE_SHARE of it while the event loop is
    /// busy, else a whole HANDSHAKE_SLICE.
    pub(crate) fn refill(&self, iteration: Duration, busy: bool) {
        let slice = nanos(HANDSHAKE_SLICE);
        let more = if busy { nanos(iteration) / HANDSHAKE_SHARE } else { slice };
        self.allowance.set(self.allowance.get().saturating_add(more).min(slice));
        self.grant_next();
    }

    /// Whether no step waits.
    pub(crate) fn is_idle(&self) -> bool {
        !self.granted.get() && self.queues.borrow().is_empty()
    }

    /// Steps that wait now.
    pub(crate) fn waiting(&self) -> usize {
        let queues = self.queues.borrow();
        queues.quick.len() + queues.full.len()
    }

    /// Steps that had to wait since the last call.
    pub(crate) fn take_waits(&self) -> u64 {
        self.waits.take()
    }

    /// Grants the next step, if the allowance is positive; its end grants the one behind it.
    fn grant_next(&self) {
        if self.allowance.get() <= 0 || self.granted.get() {
            return;
        }
        let Some(step) = self.queues.borrow_mut().next() else { return };
        self.granted.set(true);
        step.wake();
    }
}

fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

/// Leaves the queue, or returns the grant, when its task is dropped.
struct Waiting<'a> {
    budget: &'a HandshakeBudget,
    step: Rc<WakeFlag>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.step.is_set() {
            // The next step is granted when this one is done, or by the next refill.
            self.budget.granted.set(false);
            return;
        }
        let queues = &mut *self.budget.queues.borrow_mut();
        for queue in [&mut queues.quick, &mut queues.full] {
            queue.retain(|step| !Rc::ptr_eq(step, &self.step));
        }
    }
}

/// Time to do one step, charged when it is dropped.
pub(crate) struct StepGrant<'a> {
    budget: &'a HandshakeBudget,
    began: Instant,
}

impl StepGrant<'_> {
    /// Whether the allowance is spent: the rest should wait.
    pub(crate) fn is_exhausted(&self) -> bool {
        nanos(self.began.elapsed()) >= self.budget.allowance.get()
    }
}

impl Drop for StepGrant<'_> {
    fn drop(&mut self) {
        let budget = self.budget;
        budget.allowance.set(budget.allowance.get() - nanos(self.began.elapsed()));
        budget.grant_next();
    }
}

#[cfg(test)]
mod tests;
