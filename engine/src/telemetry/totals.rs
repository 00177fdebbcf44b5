//! Snapshots of all shards added up since the start.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;

use super::labels::{Count, Gauge, Lag, Latency};
use super::shard_stats::ShardStats;
use super::snapshot::{ClassStats, Counters, ServiceStats, Snapshot};
use super::{MessageType, OTHER, add, latency_histogram, merge};
use crate::limits::MAX_CLASSES;
use crate::types::{ServiceId, ServiceLoad};

/// The sum of every snapshot taken in so far.
#[derive(Debug)]
pub struct Totals {
    /// Sums of the engine's own counts; gauges are sums of each shard's last value.
    pub counters: Counters,
    /// Sums by [`ServiceId`]; `load` likewise.
    pub services: Vec<ServiceStats>,
    /// By service and class name: the classes that the last snapshot of any shard has.
    pub classes: BTreeMap<(ServiceId, String), ClassStats>,
    /// Deliveries of classes that none has any more, ns: so that sums of all only rise.
    pub retired: Histogram<u64>,
    /// The shards with a class in their last snapshot, as bits.
    listed: BTreeMap<(ServiceId, String), u64>,
    /// Time laggards needed to become live again, ns.
    pub catch_up: Histogram<u64>,
    /// What the shards measured about themselves, added up.
    pub own: ShardStats,
    /// By shard.
    gauges: Vec<[u64; Gauge::COUNT]>,
    /// By shard, then by service.
    loads: Vec<Vec<ServiceLoad>>,
    shards: Vec<PerShard>,
}

/// What is kept by shard.
#[derive(Clone, Copy, Debug, Default)]
pub struct PerShard {
    /// CPU time used, ns.
    pub busy_ns: u64,
    /// [`Count::Deliveries`].
    pub deliveries: u64,
    /// By [`Lag`].
    pub laggards: [u64; Lag::COUNT],
}

impl Totals {
    /// Sums for an engine of `shards` shards and `services` services.
    pub fn new(shards: usize, services: usize) -> Totals {
        Totals {
            counters: Counters::default(),
            services: vec![ServiceStats::default(); services],
            classes: BTreeMap::new(),
            retired: latency_histogram(),
            listed: BTreeMap::new(),
            catch_up: latency_histogram(),
            own: ShardStats::new(),
            gauges: vec![[0; Gauge::COUNT]; shards],
            shards: vec![PerShard::default(); shards],
            loads: vec![vec![ServiceLoad::default(); services]; shards],
        }
    }

    /// Adds one snapshot.
    pub fn absorb(&mut self, snapshot: &Snapshot) {
        let (sum, new) = (&mut self.counters, &snapshot.counters);
        add(&mut sum.counts, &new.counts);
        self.gauges[snapshot.shard.index()] = new.gauges;
        sum.gauges = [0; Gauge::COUNT];
        for shard in &self.gauges {
            add(&mut sum.gauges, shard);
        }
        for (id, new) in snapshot.services.iter().enumerate() {
            self.loads[snapshot.shard.index()][id] = new.load;
            let sum = &mut self.services[id];
            sum.load = ServiceLoad::default();
            self.loads.iter().for_each(|shard| sum.load += shard[id]);
            absorb_service(sum, new);
        }
        self.absorb_classes(snapshot);
        merge(&mut self.catch_up, &snapshot.catch_up);
        self.absorb_own(snapshot);
    }

    fn absorb_classes(&mut self, snapshot: &Snapshot) {
        let shard = 1 << snapshot.shard.0;
        self.listed.values_mut().for_each(|shards| *shards &= !shard);
        for class in snapshot.classes.iter().filter(|class| !class.vacant) {
            let sum = self.class(class.service, &class.name, shard);
            sum.broadcasts += class.broadcasts;
            merge(&mut sum.broadcast, &class.broadcast);
            merge(&mut sum.delivery, &class.delivery);
        }
        let (classes, retired) = (&mut self.classes, &mut self.retired);
        self.listed.retain(|key, shards| {
            let gone = if *shards == 0 { classes.remove(key) } else { None };
            gone.inspect(|class| merge(retired, &class.delivery)).is_none()
        });
    }

    /// The sums of a class that a shard lists. Each shard has classes of its own: here too a
    /// service's hundredth and later ones are `other`, as long as there are so many.
    fn class(&mut self, service: ServiceId, name: &str, shard: u64) -> &mut ClassStats {
        let mut key = (service, name.to_owned());
        let known = || self.classes.keys().filter(|(s, name)| *s == service && name != OTHER);
        if !self.classes.contains_key(&key) && known().count() >= MAX_CLASSES {
            key.1 = OTHER.to_owned();
        }
        let name = key.1.clone();
        *self.listed.entry(key.clone()).or_default() |= shard;
        self.classes.entry(key).or_insert_with(|| ClassStats::new(service, &name))
    }

    fn absorb_own(&mut self, snapshot: &Snapshot) {
        self.own.absorb(&snapshot.own);
        let counts = &snapshot.counters.counts;
        let shard = &mut self.shards[snapshot.shard.index()];
        shard.busy_ns += snapshot.own.busy_ns;
        shard.deliveries += counts[Count::Deliveries as usize];
        shard.laggards = snapshot.own.laggards;
        self.own.laggards = [0; Lag::COUNT];
        for shard in &self.shards {
            add(&mut self.own.laggards, &shard.laggards);
        }
    }

    /// What is kept by shard.
    pub fn shards(&self) -> &[PerShard] {
        &self.shards
    }

    /// Every latency histogram that has been made: its kind, its service (of what the shards do for
    /// all services together: the first one) and, where there are several of a kind, the value of
    /// [`Latency::split_by`].
    pub fn latencies(&self) -> impl Iterator<Item = (Latency, ServiceId, &str, &Histogram<u64>)> {
        let handling = self.services.iter().enumerate().flat_map(|(service, stats)| {
            let times = MessageType::ALL.iter().zip(&stats.handling);
            times.filter_map(move |(kind, times)| {
                let service = ServiceId(service as u8);
                times.as_ref().map(|times| (Latency::Handling, service, kind.label(), times))
            })
        });
        let all = ServiceId::default();
        let single = [
            (Latency::CatchUp, all, "", &self.catch_up),
            (Latency::Turn, all, "", &self.own.turn),
            (Latency::Handshake, all, "", &self.own.handshake),
        ];
        let classes = || self.classes.values();
        let broadcasts = classes().map(|c| (Latency::Broadcast, c.service, &*c.name, &c.broadcast));
        let deliveries = classes().map(|c| (Latency::Delivery, c.service, &*c.name, &c.delivery));
        broadcasts.chain(deliveries).chain(handling).chain(single)
    }

    /// One of the engine's own counts.
    pub fn count(&self, what: Count) -> u64 {
        self.counters.counts[what as usize]
    }

    /// One of the engine's own gauges.
    pub fn gauge(&self, what: Gauge) -> u64 {
        self.counters.gauges[what as usize]
    }

    /// A gauge of one shard.
    pub fn shard_gauge(&self, shard: usize, what: Gauge) -> u64 {
        self.gauges[shard][what as usize]
    }
}

fn absorb_service(sum: &mut ServiceStats, new: &ServiceStats) {
    add(&mut sum.received, &new.received);
    add(&mut sum.sent, &new.sent);
    add(&mut sum.connection_errors, &new.connection_errors);
    add(&mut sum.message_errors, &new.message_errors);
    sum.connections += new.connections;
    for (known, new) in sum.handling.iter_mut().zip(&new.handling) {
        if let Some(new) = new {
            merge(known.get_or_insert_with(latency_histogram), new);
        }
    }
}

#[cfg(test)]
mod tests;
