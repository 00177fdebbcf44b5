//! A shard's own counters and histograms.

use super::classes::Classes;
use super::labels::{Close, ConnectionError, Count, Gauge, Lag, MessageError};
use super::shard_stats::ShardStats;
use super::snapshot::{ClassId, ClassStats, ServiceStats, Snapshot};
use super::top_k::{Counted, HotChannel, Sketch, SlowConsumer, Standing};
use super::{MAX_LATENCY_NS, OTHER, latency_histogram};
use crate::limits::{MAX_CLASS_NAME, MAX_CLASSES};
use crate::types::{
    ChannelName, CloseCodes, MessageType, ServiceId, ServiceLoad, ShardId, Transport,
};

/// What a shard records to. Recording is an array increment; no other thread reads or writes.
#[derive(Debug)]
pub struct Recorder {
    enabled: bool,
    current: Box<Snapshot>,
    sketch: Sketch,
    classes: Classes,
}

impl Recorder {
    /// A recorder for one shard of an engine with so many services; when not `enabled`, every verb
    /// returns at once.
    pub fn new(shard: ShardId, services: usize, enabled: bool) -> Recorder {
        let current = Box::new(Snapshot::new(shard, services));
        Recorder { enabled, current, sketch: Sketch::new(), classes: Classes::new(services) }
    }

    /// Whether anything is recorded at all.
    pub fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// Finds or makes the class of a channel that is published to; a service's hundredth and later
    /// ones are `other`.
    pub fn class_of(&mut self, channel: &ChannelName) -> ClassId {
        if !self.enabled || channel.is_probe() {
            return ClassId::NONE;
        }
        let (service, name) = (channel.service(), channel.class());
        let mut name = &name[..name.floor_char_boundary(MAX_CLASS_NAME)];
        if let Some(id) = self.classes.find(service, name) {
            return id;
        }
        if self.classes.count(service) >= MAX_CLASSES {
            name = OTHER;
            if let Some(id) = self.classes.find(service, name) {
                return id;
            }
        }
        let id = self.classes.add(service, name);
        self.current.set_class(id, service, name);
        id
    }

    /// Whether a class still has its place: a channel must be given one anew if not.
    pub fn is_current(&self, class: ClassId) -> bool {
        self.classes.is_current(class)
    }

    /// Calls `record` with the present snapshot, unless nothing is recorded.
    fn record(&mut self, record: impl FnOnce(&mut Snapshot)) {
        if self.enabled {
            record(&mut self.current);
        }
    }

    fn of(&mut self, service: ServiceId, record: impl FnOnce(&mut ServiceStats)) {
        self.record(|current| record(&mut current.services[service.index()]));
    }

    fn of_class(&mut self, class: ClassId, record: impl FnOnce(&mut ClassStats)) {
        if self.classes.is_current(class) {
            self.record(|current| record(&mut current.classes[usize::from(class.place)]));
        }
    }

    fn own(&mut self, record: impl FnOnce(&mut ShardStats)) {
        self.record(|current| record(&mut current.own));
    }

    /// Adds to a plain count.
    pub fn count(&mut self, what: Count, n: u64) {
        self.record(|current| current.counters.counts[what as usize] += n);
    }

    /// Sets a value that goes up and down.
    pub fn set(&mut self, what: Gauge, value: usize) {
        self.record(|current| current.counters.gauges[what as usize] = value as u64);
    }

    /// A connection was established.
    pub fn connected(&mut self, service: ServiceId) {
        self.of(service, |stats| stats.connections += 1);
    }

    /// What its clients hold now.
    pub fn set_load(&mut self, service: ServiceId, load: ServiceLoad) {
        self.of(service, |stats| stats.load = load);
    }

    /// A connection failed, or was ended for the peer's fault.
    pub fn connection_error(&mut self, service: ServiceId, error: ConnectionError) {
        self.of(service, |stats| stats.connection_errors[error as usize] += 1);
    }

    /// A message could not be served or delivered.
    pub fn message_error(&mut self, service: ServiceId, error: MessageError) {
        self.of(service, |stats| stats.message_errors[error as usize] += 1);
    }

    /// A message came in and took `ns` nanoseconds to handle.
    pub fn received(&mut self, service: ServiceId, kind: MessageType, ns: u64) {
        self.of(service, |stats| {
            stats.received[kind as usize] += 1;
            stats.handling[kind as usize]
                .get_or_insert_with(latency_histogram)
                .saturating_record(ns.min(MAX_LATENCY_NS));
        });
    }

    /// A message went out, other than a broadcast.
    pub fn sent(&mut self, service: ServiceId, kind: MessageType) {
        self.of(service, |stats| stats.sent[kind as usize] += 1);
    }

    /// A publication was accepted.
    pub fn broadcast_accepted(&mut self, class: ClassId) {
        self.of_class(class, |stats| stats.broadcasts += 1);
    }

    /// One frame was handed to the kernel for `n` subscribers of a transport, `ns` after it was
    /// accepted.
    pub fn delivered(&mut self, class: ClassId, to: Transport, ns: u64, n: u64, bytes: usize) {
        if n == 0 || !self.classes.is_current(class) {
            return;
        }
        self.record(|current| {
            let counts = &mut current.counters.counts;
            let bytes = n * bytes as u64;
            counts[Count::Deliveries as usize] += n;
            counts[Count::DeliveryBytes as usize] += bytes;
            if to == Transport::EventStream {
                counts[Count::EventDeliveries as usize] += n;
                counts[Count::EventDeliveryBytes as usize] += bytes;
            }
            let class = &mut current.classes[usize::from(class.place)];
            class.delivery.saturating_record_n(ns.min(MAX_LATENCY_NS), n);
            current.services[class.service.index()].sent[MessageType::Event as usize] += n;
        });
    }

    /// The last live subscriber of a frame has its bytes, `ns` after it was accepted.
    pub fn broadcast_done(&mut self, class: ClassId, ns: u64) {
        self.of_class(class, |stats| stats.broadcast.saturating_record(ns.min(MAX_LATENCY_NS)));
    }

    /// `n` frames were handed to the kernel for a subscriber that is catching up.
    pub fn replayed(&mut self, service: ServiceId, n: u64) {
        self.count(Count::CatchUps, n);
        self.of(service, |stats| stats.sent[MessageType::Event as usize] += n);
    }

    /// A laggard became live again after `ns` nanoseconds.
    pub fn caught_up(&mut self, ns: u64) {
        self.count(Count::Recoveries, 1);
        self.record(|current| current.catch_up.saturating_record(ns.min(MAX_LATENCY_NS)));
    }

    /// A turn took `ns` nanoseconds.
    pub fn turned(&mut self, ns: u64) {
        self.own(|own| own.turn.saturating_record(ns.min(MAX_LATENCY_NS)));
    }

    /// One or more joined frames went out whole to `n` live subscribers.
    pub fn wrote(&mut self, class: ClassId, n: u64) {
        if class != ClassId::NONE {
            self.count(Count::DeliveryWrites, n);
        }
    }

    /// So many writes went out with one submission.
    pub fn submitted(&mut self, writes: u64) {
        self.own(|own| own.batch.saturating_record(writes));
    }

    /// A connection was upgraded `ns` nanoseconds after it was accepted.
    pub fn upgraded(&mut self, ns: u64) {
        self.own(|own| own.handshake.saturating_record(ns.min(MAX_LATENCY_NS)));
    }

    /// A connection is over, or its close frame is on the way.
    pub fn closed(&mut self, why: Close, codes: CloseCodes) {
        self.own(|own| own.closes.count(why, codes));
    }

    /// So many laggards are in each state now.
    pub fn lagging(&mut self, states: [u64; Lag::COUNT]) {
        self.own(|own| own.laggards = states);
    }

    /// The shard's thread used `ns` nanoseconds of CPU time more.
    pub fn used_cpu(&mut self, ns: u64) {
        self.own(|own| own.busy_ns += ns);
    }

    /// A publication was accepted for the channel with this index, which is homed here.
    pub fn published_to(&mut self, class: ClassId, channel: u32) {
        if self.enabled && class != ClassId::NONE {
            self.sketch.hit(channel);
        }
    }

    /// Ends the sketch's second, and keeps its busiest channels and slowest consumers. `name` maps
    /// an index to its channel.
    pub fn record_top(
        &mut self,
        slowest: Vec<SlowConsumer>,
        name: impl Fn(u32) -> Option<ChannelName>,
    ) {
        if !self.enabled {
            return;
        }
        let hot = |(channel, publishes, over): Counted| {
            name(channel).map(|name| HotChannel { name, publishes, over })
        };
        let hottest = self.sketch.take().into_iter().filter_map(hot).collect();
        self.current.standing = Standing { hottest, slowest };
    }

    /// Hands over what was recorded and goes on with `spare` (or a new one), cleared.
    pub fn swap(&mut self, spare: Option<Box<Snapshot>>) -> Box<Snapshot> {
        let (shard, services) = (self.current.shard, self.current.services.len());
        let mut next = spare.unwrap_or_else(|| Box::new(Snapshot::new(shard, services)));
        next.clear_like(&self.current);
        self.classes.next_snapshot(&self.current, &mut next);
        std::mem::replace(&mut self.current, next)
    }
}

#[cfg(test)]
mod tests;
