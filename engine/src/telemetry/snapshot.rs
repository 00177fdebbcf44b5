//! The measurements of one shard on their way to the collector.

use hdrhistogram::Histogram;

use super::labels::{ConnectionError, Count, Gauge, MessageError};
use super::latency_histogram;
use super::shard_stats::ShardStats;
use super::top_k::Standing;
use crate::types::{MessageType, ServiceId, ServiceLoad, ShardId};

/// A channel class of one recorder, as long as it keeps its place in [`Snapshot::classes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClassId {
    pub(super) place: u16,
    pub(super) generation: u16,
}

impl ClassId {
    /// Channels that are not measured: the engine's own, and all of them without metrics.
    pub const NONE: ClassId = ClassId { place: u16::MAX, generation: 0 };
}

/// The engine's own counts since the last snapshot; the present gauges.
#[derive(Clone, Debug)]
pub struct Counters {
    /// By [`Count`].
    pub counts: [u64; Count::COUNT],
    /// By [`Gauge`].
    pub gauges: [u64; Gauge::COUNT],
}

impl Default for Counters {
    fn default() -> Counters {
        Counters { counts: [0; Count::COUNT], gauges: [0; Gauge::COUNT] }
    }
}

/// What the connections of one service did since the last snapshot.
#[derive(Clone, Debug, Default)]
pub struct ServiceStats {
    /// By [`MessageType`].
    pub received: [u64; MessageType::COUNT],
    /// By [`MessageType`]; broadcasts count once per delivery.
    pub sent: [u64; MessageType::COUNT],
    /// By [`ConnectionError`].
    pub connection_errors: [u64; ConnectionError::COUNT],
    /// By [`MessageError`].
    pub message_errors: [u64; MessageError::COUNT],
    /// Connections that were established.
    pub connections: u64,
    /// What its clients hold now.
    pub load: ServiceLoad,
    /// Handling time of an inbound message, ns, by [`MessageType`]; made when first needed.
    pub handling: [Option<Histogram<u64>>; MessageType::COUNT],
}

impl ServiceStats {
    fn clear_like(&mut self, current: &ServiceStats) {
        let mut handling = std::mem::take(&mut self.handling);
        handling.iter_mut().flatten().for_each(Histogram::reset);
        *self = ServiceStats { load: current.load, handling, ..ServiceStats::default() };
    }
}

/// What one channel class did since the last snapshot.
#[derive(Clone, Debug)]
pub struct ClassStats {
    /// The channels' service.
    pub service: ServiceId,
    /// The class's name.
    pub name: String,
    /// Publications accepted.
    pub broadcasts: u64,
    /// Publish accepted → last live subscriber's bytes handed to the kernel, ns.
    pub broadcast: Histogram<u64>,
    /// Publish accepted → one subscriber's bytes handed to the kernel, ns.
    pub delivery: Histogram<u64>,
    /// It was idle for [`CLASS_IDLE`](crate::limits::CLASS_IDLE): another may have its place.
    pub vacant: bool,
}

/// Everything one shard measured since its last snapshot.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The shard that measured.
    pub shard: ShardId,
    /// The engine's own counts.
    pub counters: Counters,
    /// By [`ServiceId`].
    pub services: Vec<ServiceStats>,
    /// By the place of [`ClassId`].
    pub classes: Vec<ClassStats>,
    /// Time a laggard needed to become live again, ns.
    pub catch_up: Histogram<u64>,
    /// Its measurements of itself.
    pub own: ShardStats,
    /// Its busiest channels and slowest consumers.
    pub standing: Standing,
}

impl Snapshot {
    pub(super) fn new(shard: ShardId, services: usize) -> Snapshot {
        Snapshot {
            shard,
            counters: Counters::default(),
            services: vec![ServiceStats::default(); services],
            classes: Vec::new(),
            catch_up: latency_histogram(),
            own: ShardStats::new(),
            standing: Standing::default(),
        }
    }

    /// A class takes its place, which is empty.
    pub(super) fn set_class(&mut self, id: ClassId, service: ServiceId, name: &str) {
        match self.classes.get_mut(usize::from(id.place)) {
            None => self.classes.push(ClassStats::new(service, name)),
            Some(class) => {
                (class.service, class.vacant) = (service, false);
                name.clone_into(&mut class.name);
            }
        }
    }

    /// Empties it for reuse in the place of `current`, keeping its gauges and class names.
    pub(super) fn clear_like(&mut self, current: &Snapshot) {
        self.counters = Counters { gauges: current.counters.gauges, ..Counters::default() };
        for (service, current) in self.services.iter_mut().zip(&current.services) {
            service.clear_like(current);
        }
        for (class, current) in self.classes.iter_mut().zip(&current.classes) {
            // Most are idle, and a histogram has 20 KiB.
            if !class.is_empty() {
                class.broadcasts = 0;
                class.broadcast.reset();
                class.delivery.reset();
            }
            class.vacant = current.vacant;
            class.service = current.service;
            class.name.clone_from(&current.name);
        }
        for class in &current.classes[self.classes.len()..] {
            let vacant = class.vacant;
            self.classes.push(ClassStats { vacant, ..ClassStats::new(class.service, &class.name) });
        }
        self.catch_up.reset();
        self.own.clear_like(&current.own);
        self.standing.clone_from(&current.standing);
    }
}

impl ClassStats {
    pub(super) fn new(service: ServiceId, name: &str) -> ClassStats {
        ClassStats {
            service,
            name: name.to_owned(),
            broadcasts: 0,
            broadcast: latency_histogram(),
            delivery: latency_histogram(),
            vacant: false,
        }
    }

    /// Whether nothing was measured.
    pub(super) fn is_empty(&self) -> bool {
        self.broadcasts == 0 && self.broadcast.is_empty() && self.delivery.is_empty()
    }
}
