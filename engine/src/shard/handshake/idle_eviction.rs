//! Evicts handshakes with slow peers while others wait for their places. While there is a place, a
//! handshake may wait for its peer until its deadline; when all are taken (MAX_HANDSHAKES, or
//! fewer) each may wait HANDSHAKE_PATIENCE in total, and the longest over is evicted. Time in
//! which the peer waits for the shard does not count.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::pin;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use crate::limits::HANDSHAKE_PATIENCE;

/// When the wait may be evicted, and a number that no other wait has.
type Wait = (Instant, u64);

/// The handshakes of a shard that wait for their peers: at most MAX_HANDSHAKES.
#[derive(Default)]
pub(crate) struct IdleEviction {
    waits: RefCell<BTreeMap<Wait, Waker>>,
    number: Cell<u64>,
}

impl IdleEviction {
    /// Waits for `peer`; `None` when the handshake was evicted before. `left` is what remains of
    /// its HANDSHAKE_PATIENCE, and is reduced by the time waited.
    pub(crate) async fn wait_for<T>(
        &self,
        left: &mut Duration,
        peer: impl Future<Output = T>,
    ) -> Option<T> {
        let began = Instant::now();
        let number = self.number.get();
        self.number.set(number + 1);
        let waiting = Waiting { eviction: self, wait: (began + *left, number) };
        let (mut peer, mut waits) = (pin!(peer), false);
        let result = poll_fn(|context| {
            if let Poll::Ready(result) = peer.as_mut().poll(context) {
                return Poll::Ready(Some(result));
            }
            let registered = &mut *self.waits.borrow_mut();
            if std::mem::replace(&mut waits, true) && !registered.contains_key(&waiting.wait) {
                return Poll::Ready(None);
            }
            registered.insert(waiting.wait, context.waker().clone());
            Poll::Pending
        });
        let result = result.await;
        *left = left.saturating_sub(began.elapsed());
        result
    }

    /// Evicts the handshake that is longest over its time, if there is one. Returns after what time
    /// to call again.
    pub(crate) fn evict_one(&self) -> Duration {
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

/// One wait, deregistered on drop.
struct Waiting<'a> {
    eviction: &'a IdleEviction,
    wait: Wait,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.eviction.waits.borrow_mut().remove(&self.wait);
    }
}

#[cfg(test)]
mod tests;
