//! How long a handshake may wait for its peer. While there is room for more of them, until its
//! deadline; once others wait for its place, for a moment in all. Time in which the peer waits for
//! us does not count: honest clients are not cut for a storm of their like.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::pin;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use crate::limits::HANDSHAKE_PATIENCE;

/// When patience with a peer is over, and a number that no other wait has.
type Wait = (Instant, u64);

/// The handshakes of a shard that wait for their peers: at most all there are.
#[derive(Default)]
pub(crate) struct Patience {
    waits: RefCell<BTreeMap<Wait, Waker>>,
    number: Cell<u64>,
}

impl Patience {
    /// What the peer brings; `None` when its place was given to another before. `left` is the
    /// patience with it.
    pub(crate) async fn wait<T>(
        &self,
        left: &mut Duration,
        peer: impl Future<Output = T>,
    ) -> Option<T> {
        let began = Instant::now();
        let number = self.number.get();
        self.number.set(number + 1);
        let waiting = Waiting { patience: self, wait: (began + *left, number) };
        let (mut peer, mut waits) = (pin!(peer), false);
        let brought = poll_fn(|context| {
            if let Poll::Ready(brought) = peer.as_mut().poll(context) {
                return Poll::Ready(Some(brought));
            }
            let known = &mut *self.waits.borrow_mut();
            if std::mem::replace(&mut waits, true) && !known.contains_key(&waiting.wait) {
                return Poll::Ready(None);
            }
            known.insert(waiting.wait, context.waker().clone());
            Poll::Pending
        });
        let brought = brought.await;
        *left = left.saturating_sub(began.elapsed());
        brought
    }

    /// Ends the wait that patience was over with first, if there is one. Returns after how long to
    /// ask again.
    pub(crate) fn end_one(&self) -> Duration {
        let first = self.waits.borrow().keys().next().copied();
        let Some(wait) = first else { return HANDSHAKE_PATIENCE };
        let left = wait.0.saturating_duration_since(Instant::now());
        if !left.is_zero() {
            return left;
        }
        if let Some(waker) = self.waits.borrow_mut().remove(&wait) {
            waker.wake();
        }
        HANDSHAKE_PATIENCE
    }
}

/// Is over when it is dropped, as by a deadline.
struct Waiting<'a> {
    patience: &'a Patience,
    wait: Wait,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.patience.waits.borrow_mut().remove(&self.wait);
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::task::Context;

    use super::*;

    #[test]
    fn the_wait_that_is_longest_over_ends_first_and_the_others_last() {
        let (patience, mut context) = (Patience::default(), Context::from_waker(Waker::noop()));
        let mut lefts = [Duration::ZERO, Duration::ZERO, Duration::from_secs(3_600)];
        let mut waits = lefts.each_mut().map(|left| Box::pin(patience.wait(left, pending::<()>())));
        assert_eq!(patience.end_one(), HANDSHAKE_PATIENCE, "nobody waits before its first poll");
        let mut over = || waits.each_mut().map(|wait| wait.as_mut().poll(&mut context).is_ready());
        assert_eq!(over(), [false; 3]);
        patience.end_one();
        assert_eq!(over(), [true, false, false]);
    }

    #[test]
    fn who_is_cut_or_has_spoken_waits_no_more() {
        let (patience, mut context) = (Patience::default(), Context::from_waker(Waker::noop()));
        let mut left = Duration::ZERO;
        let mut cut = Box::pin(patience.wait(&mut left, pending::<()>()));
        assert!(cut.as_mut().poll(&mut context).is_pending());
        assert_eq!(patience.waits.borrow().len(), 1);
        drop(cut);
        let mut left = Duration::from_secs(1);
        let spoken = pin!(patience.wait(&mut left, ready(7))).poll(&mut context);
        assert_eq!(spoken, Poll::Ready(Some(7)));
        assert!(left < Duration::from_secs(1) && patience.waits.borrow().is_empty());
    }
}
