//! A shard's own counters and histograms.

use std::collections::HashMap;

use hdrhistogram::Histogram;

use super::labels::{ConnectionError, Count, Gauge, MessageError};
use super::shard_stats::ShardStats;
use super::top_k::{Sketch, Standing};
use super::{MAX_LATENCY_NS, OTHER, latency_histogram};
use crate::limits::MAX_CLASSES;
use crate::types::{ChannelName, MessageType, ServiceId, ShardId};

/// A channel class of one recorder: an index into [`Snapshot::classes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClassId(pub u16);

impl ClassId {
    /// Channels that are not measured: the engine's own, and all of them without metrics.
    pub const NONE: ClassId = ClassId(u16::MAX);
}

/// The engine's own counts since the last snapshot; gauges as they stand.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    /// By [`Count`].
    pub counts: [u64; Count::COUNT],
    /// By [`Gauge`].
    pub gauges: [u64; Gauge::COUNT],
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
    /// Connections open now.
    pub open: u64,
    /// Handling time of an inbound message, ns, by [`MessageType`]; made when first needed.
    pub handling: [Option<Histogram<u64>>; MessageType::COUNT],
}

impl ServiceStats {
    fn clear_like(&mut self, current: &ServiceStats) {
        let mut handling = std::mem::take(&mut self.handling);
        handling.iter_mut().flatten().for_each(Histogram::reset);
        *self = ServiceStats { open: current.open, handling, ..ServiceStats::default() };
    }
}

/// What one channel class did since the last snapshot.
#[derive(Clone, Debug)]
pub struct ClassStats {
    /// Whose channels these are.
    pub service: ServiceId,
    /// The class's name.
    pub name: String,
    /// Publications accepted.
    pub broadcasts: u64,
    /// Publish accepted → last live subscriber's bytes handed to the kernel, ns.
    pub broadcast: Histogram<u64>,
    /// Publish accepted → one subscriber's bytes handed to the kernel, ns.
    pub delivery: Histogram<u64>,
}

/// Everything one shard measured since its last snapshot.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Who measured.
    pub shard: ShardId,
    /// The engine's own counts.
    pub counters: Counters,
    /// By [`ServiceId`].
    pub services: Vec<ServiceStats>,
    /// By [`ClassId`], in the order the shard met them.
    pub classes: Vec<ClassStats>,
    /// Time a laggard needed to become live again, ns.
    pub catch_up: Histogram<u64>,
    /// What it measured about itself.
    pub own: ShardStats,
    /// What stands out.
    pub standing: Standing,
}

impl Snapshot {
    fn new(shard: ShardId, services: usize) -> Snapshot {
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

    /// Empties it for reuse as the twin of the one in use, keeping gauges and class names.
    fn clear_like(&mut self, current: &Snapshot) {
        self.counters = Counters { gauges: current.counters.gauges, ..Counters::default() };
        for (service, current) in self.services.iter_mut().zip(&current.services) {
            service.clear_like(current);
        }
        for class in &mut self.classes {
            class.broadcasts = 0;
            class.broadcast.reset();
            class.delivery.reset();
        }
        for class in &current.classes[self.classes.len()..] {
            self.classes.push(ClassStats::new(class.service, &class.name));
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
        }
    }
}

/// What a shard records to. Recording is an array increment; nobody else reads or writes.
#[derive(Debug)]
pub struct Recorder {
    pub(super) enabled: bool,
    pub(super) current: Box<Snapshot>,
    pub(super) sketch: Sketch,
    /// By service.
    class_ids: Vec<HashMap<String, ClassId>>,
}

impl Recorder {
    /// A recorder for one shard of an engine with so many services; when not `enabled`, every verb
    /// returns at once.
    pub fn new(shard: ShardId, services: usize, enabled: bool) -> Recorder {
        let current = Box::new(Snapshot::new(shard, services));
        let class_ids = vec![HashMap::new(); services];
        Recorder { enabled, current, sketch: Sketch::new(), class_ids }
    }

    /// Whether anything is recorded at all.
    pub fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// Finds or makes the class of a channel; a service's hundredth and later ones are `other`.
    pub fn class_of(&mut self, channel: &ChannelName) -> ClassId {
        if !self.enabled || channel.is_probe() {
            return ClassId::NONE;
        }
        let (service, mut name) = (channel.service(), channel.class());
        let ids = &mut self.class_ids[service.index()];
        if let Some(id) = ids.get(name) {
            return *id;
        }
        if ids.len() >= MAX_CLASSES {
            name = OTHER;
            if let Some(id) = ids.get(name) {
                return *id;
            }
        }
        let id = ClassId(self.current.classes.len() as u16);
        self.current.classes.push(ClassStats::new(service, name));
        ids.insert(name.to_owned(), id);
        id
    }

    fn service(&mut self, service: ServiceId) -> &mut ServiceStats {
        &mut self.current.services[service.index()]
    }

    /// Adds to a plain count.
    pub fn count(&mut self, what: Count, n: u64) {
        if self.enabled {
            self.current.counters.counts[what as usize] += n;
        }
    }

    /// Sets a value that goes up and down.
    pub fn set(&mut self, what: Gauge, value: usize) {
        if self.enabled {
            self.current.counters.gauges[what as usize] = value as u64;
        }
    }

    /// A connection was established.
    pub fn connected(&mut self, service: ServiceId) {
        if self.enabled {
            self.service(service).connections += 1;
        }
    }

    /// So many connections are open now.
    pub fn set_open(&mut self, service: ServiceId, connections: usize) {
        if self.enabled {
            self.service(service).open = connections as u64;
        }
    }

    /// A connection failed, or was ended for the peer's fault.
    pub fn connection_error(&mut self, service: ServiceId, error: ConnectionError) {
        if self.enabled {
            self.service(service).connection_errors[error as usize] += 1;
        }
    }

    /// A message could not be served or delivered.
    pub fn message_error(&mut self, service: ServiceId, error: MessageError) {
        if self.enabled {
            self.service(service).message_errors[error as usize] += 1;
        }
    }

    /// A message came in and took `ns` nanoseconds to handle.
    pub fn received(&mut self, service: ServiceId, kind: MessageType, ns: u64) {
        if self.enabled {
            let stats = self.service(service);
            stats.received[kind as usize] += 1;
            stats.handling[kind as usize]
                .get_or_insert_with(latency_histogram)
                .saturating_record(ns.min(MAX_LATENCY_NS));
        }
    }

    /// A message went out, other than a broadcast.
    pub fn sent(&mut self, service: ServiceId, kind: MessageType) {
        if self.enabled {
            self.service(service).sent[kind as usize] += 1;
        }
    }

    /// A publication was accepted.
    pub fn broadcast_accepted(&mut self, class: ClassId) {
        if self.enabled && class != ClassId::NONE {
            self.current.classes[usize::from(class.0)].broadcasts += 1;
        }
    }

    /// One frame was handed to the kernel for `n` subscribers, `ns` after it was accepted.
    pub fn delivered(&mut self, class: ClassId, ns: u64, n: u64, frame_bytes: usize) {
        if self.enabled && n > 0 && class != ClassId::NONE {
            let counters = &mut self.current.counters;
            counters.counts[Count::Deliveries as usize] += n;
            counters.counts[Count::DeliveryBytes as usize] += n * frame_bytes as u64;
            let ns = ns.min(MAX_LATENCY_NS);
            let class = &mut self.current.classes[usize::from(class.0)];
            class.delivery.saturating_record_n(ns, n);
            let service = class.service;
            self.service(service).sent[MessageType::Event as usize] += n;
        }
    }

    /// The last live subscriber of a frame has its bytes, `ns` after it was accepted.
    pub fn broadcast_done(&mut self, class: ClassId, ns: u64) {
        if self.enabled && class != ClassId::NONE {
            let ns = ns.min(MAX_LATENCY_NS);
            self.current.classes[usize::from(class.0)].broadcast.saturating_record(ns);
        }
    }

    /// `n` frames were handed to the kernel for a subscriber that is catching up.
    pub fn replayed(&mut self, service: ServiceId, n: u64) {
        if self.enabled {
            self.current.counters.counts[Count::CatchUps as usize] += n;
            self.service(service).sent[MessageType::Event as usize] += n;
        }
    }

    /// A laggard became live again after `ns` nanoseconds.
    pub fn caught_up(&mut self, ns: u64) {
        if self.enabled {
            self.current.counters.counts[Count::Recoveries as usize] += 1;
            self.current.catch_up.saturating_record(ns.min(MAX_LATENCY_NS));
        }
    }

    /// Hands over what was recorded and goes on with `twin` (or a new one), cleared.
    pub fn swap(&mut self, twin: Option<Box<Snapshot>>) -> Box<Snapshot> {
        let (shard, services) = (self.current.shard, self.current.services.len());
        let mut next = twin.unwrap_or_else(|| Box::new(Snapshot::new(shard, services)));
        next.clear_like(&self.current);
        std::mem::replace(&mut self.current, next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> ChannelName {
        ChannelName::parse(text).unwrap()
    }

    #[test]
    fn classes_are_bounded_and_the_rest_is_other() {
        let mut recorder = Recorder::new(ShardId(0), 1, true);
        for i in 0..MAX_CLASSES + 50 {
            let class = recorder.class_of(&name(&format!("class{i}:x")));
            recorder.broadcast_accepted(class);
        }
        let snapshot = recorder.swap(None);
        assert_eq!(snapshot.classes.len(), MAX_CLASSES + 1);
        assert_eq!(snapshot.classes.last().unwrap().name, "other");
        assert_eq!(snapshot.classes.last().unwrap().broadcasts, 50);
    }

    #[test]
    fn services_have_classes_and_counts_of_their_own() {
        let mut recorder = Recorder::new(ShardId(0), 2, true);
        let one = recorder.class_of(&name("global"));
        let other = recorder.class_of(&name("global").at(ServiceId(1)));
        assert_ne!(one, other);
        recorder.delivered(other, 5_000, 3, 100);
        let snapshot = recorder.swap(None);
        let sent: Vec<u64> =
            snapshot.services.iter().map(|s| s.sent[MessageType::Event as usize]).collect();
        assert_eq!(sent, [0, 3]);
    }

    #[test]
    fn a_twin_starts_empty_and_keeps_gauges_and_classes() {
        let mut recorder = Recorder::new(ShardId(0), 1, true);
        let first = recorder.swap(None);
        let class = recorder.class_of(&name("a:1"));
        recorder.set(Gauge::Connections, 7);
        recorder.delivered(class, 5_000, 10, 128);
        let second = recorder.swap(Some(first));
        assert_eq!(second.classes[0].delivery.len(), 10);
        recorder.delivered(class, 5_000, 1, 128);
        let third = recorder.swap(Some(second));
        assert_eq!(third.classes[0].delivery.len(), 1);
        assert_eq!(third.counters.gauges[Gauge::Connections as usize], 7);
        assert_eq!(third.counters.counts[Count::DeliveryBytes as usize], 128);
    }
}
