//! Between the tasks that accept and greet, and the turn: arrivals, and what went wrong.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Instant;

use monoio::net::TcpStream;

use crate::config::Config;
use crate::limits::MAX_HANDSHAKES;
use crate::shard::handshake::budget::Governor;
use crate::shard::handshake::idle_eviction::Patience;
use crate::shard::loop_waker::Wake;
use crate::shard::tls::ktls_session::Kernel;
use crate::shard::tls::slot_tls::Secure;
use crate::sync::{AddressPermit, PerAddressLimit, Quota};
use crate::telemetry::{ConnectionError, Count, Gauge, Recorder};
use crate::types::ServiceId;
use crate::wire::Secret;

/// A connection whose upgrade is done and that waits to be put on the ring.
pub(crate) struct Arrival {
    pub stream: TcpStream,
    /// Whose listener it came by.
    pub service: ServiceId,
    pub peer: SocketAddr,
    /// The response to its upgrade request, not written yet.
    pub response: Vec<u8>,
    /// Plaintext that came behind the request.
    pub leftover: Vec<u8>,
    pub secure: Secure,
    /// The peer has said close_notify already.
    pub ended: bool,
    /// Its place among the service's connections; `None` when the server is full.
    pub place: Option<Place>,
    /// Its place among those of its address, where these are limited.
    pub lodging: Option<AddressPermit>,
    /// What the upgrade carried.
    pub token: Option<Secret>,
    /// It is no client.
    pub probe: bool,
    /// Ends with the handover.
    pub handshake: Handshake,
}

/// A place of a service's quota, given back on drop unless it is kept.
pub(crate) struct Place(Option<(Arc<[Quota]>, ServiceId)>);

impl Place {
    /// Takes a place, if there is one.
    pub(crate) fn take(quotas: &Arc<[Quota]>, service: ServiceId) -> Option<Place> {
        let taken = quotas[service.index()].try_acquire();
        taken.then(|| Place(Some((Arc::clone(quotas), service))))
    }

    /// Leaves it to the caller to release the place.
    pub(crate) fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some((quotas, service)) = &self.0 {
            quotas[service.index()].release();
        }
    }
}

/// What decides who gets in.
pub(crate) struct Doors {
    pub config: Arc<Config>,
    /// Places by service.
    pub quotas: Arc<[Quota]>,
    /// Connections by service and address, where these are limited.
    pub lodgings: Arc<[Option<Arc<PerAddressLimit>>]>,
}

/// Shared by one shard's accept and greet tasks and its turn.
pub(crate) struct Desk {
    wake: Rc<Wake>,
    /// Of the time for handshakes.
    pub governor: Governor,
    doors: Doors,
    arrivals: RefCell<VecDeque<Arrival>>,
    /// Accept tasks that have not ended.
    acceptors: Cell<usize>,
    /// Handshakes under way.
    handshakes: Cell<usize>,
    /// With their peers.
    pub patience: Patience,
    /// Accept tasks that wait for one of them to end.
    waiting: RefCell<Vec<Waker>>,
    accepted: Cell<u64>,
    /// TLS handshakes made in full, and resumed.
    shaken: [Cell<u64>; 2],
    /// By service.
    errors: RefCell<Vec<[u32; ConnectionError::COUNT]>>,
    closed: Cell<bool>,
    /// The kernel's TLS, if connections are to be handed to it,
    pub kernel: Option<Kernel>,
    /// and how many it could not be given.
    fallbacks: Cell<u64>,
}

impl Desk {
    /// A desk without visitors, whose arrivals set `wake`.
    pub(crate) fn new(wake: Rc<Wake>, doors: Doors, kernel: Option<Kernel>) -> Desk {
        let services = doors.config.services.len();
        Desk {
            governor: Governor::new(Rc::clone(&wake)),
            wake,
            errors: RefCell::new(vec![[0; ConnectionError::COUNT]; services]),
            doors,
            arrivals: RefCell::default(),
            acceptors: Cell::new(0),
            handshakes: Cell::new(0),
            patience: Patience::default(),
            waiting: RefCell::default(),
            accepted: Cell::new(0),
            shaken: Default::default(),
            closed: Cell::new(false),
            kernel,
            fallbacks: Cell::new(0),
        }
    }

    /// An accept task is there as long as the value returned.
    pub(crate) fn acceptor(self: &Rc<Self>) -> Acceptor {
        self.acceptors.set(self.acceptors.get() + 1);
        Acceptor(Rc::clone(self))
    }

    /// Waits until one more handshake may begin (at most [`MAX_HANDSHAKES`]), or until closing.
    /// Handshakes whose peers are too slow make room.
    pub(crate) async fn room(&self) {
        while !(self.has_room() || self.closed.get()) {
            let again = self.patience.end_one();
            let _ = monoio::time::timeout(again, self.change()).await;
        }
    }

    /// Waits until a handshake ends, or until closing.
    async fn change(&self) {
        let mut waits = false;
        poll_fn(|context| {
            if std::mem::replace(&mut waits, true) {
                return Poll::Ready(());
            }
            self.waiting.borrow_mut().push(context.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// Whether one more handshake may begin.
    pub(crate) fn has_room(&self) -> bool {
        self.handshakes.get() < MAX_HANDSHAKES
    }

    /// A connection was accepted; its handshake lasts as long as the value returned.
    pub(crate) fn begin(self: &Rc<Self>) -> Handshake {
        self.accepted.set(self.accepted.get() + 1);
        self.handshakes.set(self.handshakes.get() + 1);
        Handshake { desk: Rc::clone(self), began: Instant::now() }
    }

    /// Whether whoever upgrades at this path is a probe.
    pub(crate) fn is_probe(&self, path: &str) -> bool {
        self.doors.config.probe.is_some_and(|key| key.opens(path))
    }

    /// A TLS handshake is complete.
    pub(crate) fn shook_hands(&self, resumed: bool) {
        let count = &self.shaken[usize::from(resumed)];
        count.set(count.get() + 1);
    }

    /// A place for one more connection of the service.
    pub(crate) fn place(&self, service: ServiceId) -> Option<Place> {
        Place::take(&self.doors.quotas, service)
    }

    /// A place for one more connection of an address; the limit when it has as many.
    pub(crate) fn lodging(
        &self,
        service: ServiceId,
        address: IpAddr,
    ) -> Result<Option<AddressPermit>, usize> {
        match &self.doors.lodgings[service.index()] {
            Some(lodgings) => {
                let limit = self.doors.config[service].access.max_per_address;
                lodgings.take(address).map(Some).ok_or(limit)
            }
            None => Ok(None),
        }
    }

    /// Whether a page of this origin may connect.
    pub(crate) fn admits_origin(&self, service: ServiceId, origin: Option<&str>) -> bool {
        self.doors.config[service].access.admits_origin(origin)
    }

    /// Something went wrong before the broker heard of the connection.
    pub(crate) fn error(&self, service: ServiceId, error: ConnectionError) {
        self.errors.borrow_mut()[service.index()][error as usize] += 1;
    }

    /// The kernel could not be given a connection.
    pub(crate) fn fell_back(&self) {
        self.fallbacks.set(self.fallbacks.get() + 1);
    }

    /// Hands a connection to the turn.
    pub(crate) fn arrive(&self, arrival: Arrival) {
        self.arrivals.borrow_mut().push_back(arrival);
        self.wake.wake();
    }

    /// The turn takes the oldest arrival.
    pub(crate) fn take(&self) -> Option<Arrival> {
        self.arrivals.borrow_mut().pop_front()
    }

    /// Whether nobody has arrived.
    pub(crate) fn is_quiet(&self) -> bool {
        self.arrivals.borrow().is_empty()
    }

    /// Adds what was counted here to the shard's recorder.
    pub(crate) fn record(&self, recorder: &mut Recorder) {
        recorder.count(Count::Accepts, self.accepted.take());
        recorder.count(Count::TlsFallbacks, self.fallbacks.take());
        recorder.count(Count::TlsHandshakesFull, self.shaken[0].take());
        recorder.count(Count::TlsHandshakesResumed, self.shaken[1].take());
        recorder.count(Count::HandshakeWaits, self.governor.take_waits());
        recorder.set(Gauge::Handshakes, self.handshakes.get());
        recorder.set(Gauge::HandshakesWaiting, self.governor.waiting());
        for (service, errors) in self.errors.borrow_mut().iter_mut().enumerate() {
            for (error, count) in ConnectionError::ALL.iter().zip(errors) {
                for _ in 0..std::mem::take(count) {
                    recorder.connection_error(ServiceId(service as u8), *error);
                }
            }
        }
    }

    /// Ends accepting: the tasks that wait for room end.
    pub(crate) fn close(&self) {
        self.closed.set(true);
        self.waiting.take().into_iter().for_each(Waker::wake);
    }

    /// Whether accepting has ended.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.get()
    }

    /// Whether an accept task is left.
    pub(crate) fn is_accepting(&self) -> bool {
        self.acceptors.get() > 0
    }

    /// Handshakes under way.
    pub(crate) fn handshakes(&self) -> usize {
        self.handshakes.get()
    }
}

/// One handshake under way.
pub(crate) struct Handshake {
    desk: Rc<Desk>,
    /// When the connection was accepted.
    pub began: Instant,
}

impl Drop for Handshake {
    fn drop(&mut self) {
        self.desk.handshakes.set(self.desk.handshakes.get() - 1);
        self.desk.waiting.take().into_iter().for_each(Waker::wake);
    }
}

/// One accept task.
pub(crate) struct Acceptor(Rc<Desk>);

impl Drop for Acceptor {
    fn drop(&mut self) {
        self.0.acceptors.set(self.0.acceptors.get() - 1);
        self.0.wake.wake();
    }
}
