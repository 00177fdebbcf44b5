//! Between the handshake tasks and the event loop: upgraded connections, and what was counted.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use super::admission::AdmissionLimits;
use super::budget::HandshakeBudget;
use super::idle_eviction::IdleEviction;
use super::outcome::UpgradedConnection;
use crate::config::Config;
use crate::shard::tls::Kernel;
use crate::shard::wake_flag::WakeFlag;
use crate::telemetry::{ConnectionError, Count, Gauge, Recorder};
use crate::types::ServiceId;

/// Shared by one shard's accept and handshake tasks and its event loop.
pub(crate) struct HandshakeQueue {
    loop_waker: Rc<WakeFlag>,
    /// The event loop's time for handshakes.
    pub budget: HandshakeBudget,
    limits: RefCell<AdmissionLimits>,
    upgraded: RefCell<VecDeque<(HandshakeGuard, UpgradedConnection)>>,
    /// Accept tasks that have not ended.
    acceptors: Cell<usize>,
    /// Handshakes under way.
    handshakes: Cell<usize>,
    /// Those of them that began before the present era.
    older: Cell<usize>,
    era: Cell<u64>,
    /// Of handshakes that wait for their peers.
    pub idle_eviction: IdleEviction,
    /// Accept tasks that wait for a handshake to end.
    capacity_waiters: RefCell<Vec<Waker>>,
    counts: RefCell<[u64; Count::COUNT]>,
    /// By service.
    errors: RefCell<Vec<[u32; ConnectionError::COUNT]>>,
    closed: Cell<bool>,
    /// Nothing is accepted for now.
    held: Cell<bool>,
    /// Until when new connections are refused, once they are.
    refused: Cell<Option<Instant>>,
    /// Accept tasks that wait for connections.
    accept_waiters: RefCell<Vec<Waker>>,
    /// What the kernel's TLS supports, if connections are to be handed to it.
    pub kernel: Option<Kernel>,
}

impl HandshakeQueue {
    /// An empty queue, which sets `loop_waker` on every push.
    pub(crate) fn new(
        loop_waker: Rc<WakeFlag>,
        limits: AdmissionLimits,
        kernel: Option<Kernel>,
    ) -> HandshakeQueue {
        let services = limits.config.services.len();
        HandshakeQueue {
            budget: HandshakeBudget::new(Rc::clone(&loop_waker)),
            loop_waker,
            errors: RefCell::new(vec![[0; ConnectionError::COUNT]; services]),
            limits: RefCell::new(limits),
            upgraded: RefCell::default(),
            acceptors: Cell::new(0),
            handshakes: Cell::new(0),
            older: Cell::new(0),
            era: Cell::new(0),
            idle_eviction: IdleEviction::default(),
            capacity_waiters: RefCell::default(),
            counts: RefCell::new([0; Count::COUNT]),
            closed: Cell::new(false),
            held: Cell::new(false),
            refused: Cell::new(None),
            accept_waiters: RefCell::default(),
            kernel,
        }
    }

    /// The limits now. A handshake takes them anew for each decision.
    pub(super) fn limits(&self) -> AdmissionLimits {
        self.limits.borrow().clone()
    }

    /// The configuration now.
    pub(super) fn config(&self) -> Arc<Config> {
        Arc::clone(&self.limits.borrow().config)
    }

    /// The configuration of what begins from now on.
    pub(crate) fn reconfigure(&self, config: &Arc<Config>) {
        self.limits.borrow_mut().config = Arc::clone(config);
    }

    /// Registers an accept task until the value returned is dropped.
    pub(crate) fn register_acceptor(self: &Rc<Self>) -> AcceptorGuard {
        self.acceptors.set(self.acceptors.get() + 1);
        AcceptorGuard(Rc::clone(self))
    }

    /// Waits until one more handshake may begin, or the accept task must end. Evicts handshakes
    /// with peers that are too slow.
    pub(crate) async fn wait_for_capacity(&self, ends_early: bool) {
        while !(self.has_capacity() || self.ends_accepting(ends_early)) {
            if self.held.get() {
                self.wait_for_end().await;
                continue;
            }
            let again = self.idle_eviction.evict_one();
            let _ = monoio::time::timeout(again, self.wait_for_end()).await;
        }
    }

    /// Waits until a handshake ends, accepting goes on, or until closing.
    async fn wait_for_end(&self) {
        let mut waits = false;
        poll_fn(|context| {
            if std::mem::replace(&mut waits, true) {
                return Poll::Ready(());
            }
            self.capacity_waiters.borrow_mut().push(context.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// Waits until a listener has connections, or its accept task must end.
    pub(crate) async fn wait_for(
        &self,
        readable: impl Future<Output = io::Result<()>>,
        ends_early: bool,
    ) {
        let mut readable = pin!(readable);
        poll_fn(|context| {
            if self.ends_accepting(ends_early) {
                return Poll::Ready(());
            }
            let mut waiters = self.accept_waiters.borrow_mut();
            if !waiters.iter().any(|waiter| waiter.will_wake(context.waker())) {
                waiters.push(context.waker().clone());
            }
            readable.as_mut().poll(context).map(|ready| ready.expect("a listener can be polled"))
        })
        .await;
    }

    /// Whether one more handshake may begin.
    pub(crate) fn has_capacity(&self) -> bool {
        !self.held.get() && self.handshakes.get() < self.limits.borrow().handshakes
    }

    /// Counts an accepted connection; its handshake lasts until the value returned is dropped.
    pub(crate) fn begin_handshake(self: &Rc<Self>) -> HandshakeGuard {
        self.count(Count::Accepts);
        self.handshakes.set(self.handshakes.get() + 1);
        let (began, era) = (Instant::now(), self.era.get());
        HandshakeGuard { queue: Rc::clone(self), began, era }
    }

    /// Counts one event of a connection that the broker has not admitted.
    pub(crate) fn count(&self, what: Count) {
        self.counts.borrow_mut()[what as usize] += 1;
    }

    /// Counts an error of a connection that the broker has not admitted.
    pub(crate) fn count_error(&self, service: ServiceId, error: ConnectionError) {
        self.errors.borrow_mut()[service.index()][error as usize] += 1;
    }

    /// Queues a connection for admission, with which its handshake ends.
    pub(crate) fn push(&self, handshake: HandshakeGuard, connection: UpgradedConnection) {
        self.upgraded.borrow_mut().push_back((handshake, connection));
        self.loop_waker.wake();
    }

    /// The connection that was queued first.
    pub(crate) fn pop(&self) -> Option<(HandshakeGuard, UpgradedConnection)> {
        self.upgraded.borrow_mut().pop_front()
    }

    /// Whether no connection waits for admission.
    pub(crate) fn is_empty(&self) -> bool {
        self.upgraded.borrow().is_empty()
    }

    /// Moves what was counted here to the shard's recorder.
    pub(crate) fn record(&self, recorder: &mut Recorder) {
        for (what, n) in Count::ALL.iter().zip(self.counts.replace([0; Count::COUNT])) {
            recorder.count(*what, n);
        }
        recorder.count(Count::HandshakeWaits, self.budget.take_waits());
        recorder.set(Gauge::Handshakes, self.handshakes.get());
        recorder.set(Gauge::HandshakesWaiting, self.budget.waiting());
        for (service, errors) in self.errors.borrow_mut().iter_mut().enumerate() {
            for (error, count) in ConnectionError::ALL.iter().zip(errors) {
                for _ in 0..std::mem::take(count) {
                    recorder.connection_error(ServiceId(service as u8), *error);
                }
            }
        }
    }

    /// Refuses new connections from now on, until about this time: then the process ends.
    pub(crate) fn refuse(&self, until: Instant) {
        self.refused.set(Some(until));
        self.wake_acceptors();
    }

    /// For how long new connections are refused, if they are.
    pub(crate) fn refused_for(&self) -> Option<Duration> {
        Some(self.refused.get()?.saturating_duration_since(Instant::now()))
    }

    /// Whether an accept task must end: with `ends_early` as soon as connections are refused.
    pub(crate) fn ends_accepting(&self, ends_early: bool) -> bool {
        self.closed.get() || (ends_early && self.refused.get().is_some())
    }

    /// Handshakes that have not ended, or have a connection that waits for admission.
    pub(crate) fn under_way(&self) -> usize {
        self.handshakes.get()
    }

    /// Begins an era: handshakes under way are the older ones from now on.
    pub(crate) fn begin_era(&self) {
        self.era.set(self.era.get() + 1);
        self.older.set(self.handshakes.get());
    }

    /// Those of the handshakes under way that began before the present era.
    pub(crate) fn older(&self) -> usize {
        self.older.get()
    }

    /// Accepts nothing from now on, or again: what waits is the kernel's, or another process's that
    /// has the listener too.
    pub(crate) fn hold(&self, holds: bool) {
        self.held.set(holds);
        self.wake_acceptors();
    }

    /// Ends accepting: accept tasks that wait return.
    pub(crate) fn close(&self) {
        self.closed.set(true);
        self.wake_acceptors();
    }

    fn wake_acceptors(&self) {
        let waiters = self.capacity_waiters.take().into_iter();
        waiters.chain(self.accept_waiters.take()).for_each(Waker::wake);
    }

    /// Whether accepting has ended.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.get()
    }

    /// Whether an accept task is left.
    pub(crate) fn is_accepting(&self) -> bool {
        self.acceptors.get() > 0
    }

    /// Whether no accept task and no handshake is left.
    pub(crate) fn is_finished(&self) -> bool {
        self.handshakes.get() == 0 && !self.is_accepting()
    }
}

/// One handshake under way.
pub(crate) struct HandshakeGuard {
    pub(super) queue: Rc<HandshakeQueue>,
    /// When the connection was accepted.
    pub began: Instant,
    era: u64,
}

impl Drop for HandshakeGuard {
    fn drop(&mut self) {
        self.queue.handshakes.set(self.queue.handshakes.get() - 1);
        if self.era != self.queue.era.get() {
            self.queue.older.set(self.queue.older.get() - 1);
        }
        self.queue.capacity_waiters.take().into_iter().for_each(Waker::wake);
    }
}

/// One accept task.
pub(crate) struct AcceptorGuard(pub(super) Rc<HandshakeQueue>);

impl Drop for AcceptorGuard {
    fn drop(&mut self) {
        self.0.acceptors.set(self.0.acceptors.get() - 1);
        self.0.loop_waker.wake();
    }
}
