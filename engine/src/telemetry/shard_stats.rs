//! What a shard measures about itself, beside what it does for clients.

use hdrhistogram::Histogram;

use super::labels::{Close, Count, Lag};
use super::recorder::{ClassId, Recorder};
use super::totals::{add, merge};
use super::{MAX_LATENCY_NS, latency_histogram};
use crate::limits::BATCH_ENTRIES;

/// One shard's since its last snapshot, or all shards' since the start.
#[derive(Clone, Debug)]
pub struct ShardStats {
    /// Length of a turn, ns.
    pub turn: Histogram<u64>,
    /// Writes of one submission.
    pub batch: Histogram<u64>,
    /// From accepting a connection to its upgrade, ns; those that succeeded.
    pub handshake: Histogram<u64>,
    /// By [`Close`].
    pub closes: [u64; Close::COUNT],
    /// By [`Lag`]: as it stands, not since anything.
    pub laggards: [u64; Lag::COUNT],
    /// CPU time the shard's thread used, ns.
    pub busy_ns: u64,
}

impl ShardStats {
    pub(super) fn new() -> ShardStats {
        let batch = Histogram::new_with_bounds(1, BATCH_ENTRIES as u64, 2);
        ShardStats {
            turn: latency_histogram(),
            batch: batch.expect("constant bounds are valid"),
            handshake: latency_histogram(),
            closes: [0; Close::COUNT],
            laggards: [0; Lag::COUNT],
            busy_ns: 0,
        }
    }

    /// Empties it, keeping what stands in `current`.
    pub(super) fn clear_like(&mut self, current: &ShardStats) {
        self.turn.reset();
        self.batch.reset();
        self.handshake.reset();
        (self.closes, self.busy_ns) = ([0; Close::COUNT], 0);
        self.laggards = current.laggards;
    }

    /// Adds what is counted; what stands is the caller's to add up.
    pub(super) fn absorb(&mut self, new: &ShardStats) {
        merge(&mut self.turn, &new.turn);
        merge(&mut self.batch, &new.batch);
        merge(&mut self.handshake, &new.handshake);
        add(&mut self.closes, &new.closes);
        self.busy_ns += new.busy_ns;
    }
}

impl Recorder {
    fn own(&mut self) -> Option<&mut ShardStats> {
        self.enabled.then_some(&mut self.current.own)
    }

    /// A turn took `ns` nanoseconds.
    pub fn turned(&mut self, ns: u64) {
        if let Some(own) = self.own() {
            own.turn.saturating_record(ns.min(MAX_LATENCY_NS));
        }
    }

    /// One or more joined frames went out whole to `n` live subscribers.
    pub fn wrote(&mut self, class: ClassId, n: u64) {
        if class != ClassId::NONE {
            self.count(Count::DeliveryWrites, n);
        }
    }

    /// So many writes went out with one submission.
    pub fn submitted(&mut self, writes: u64) {
        if let Some(own) = self.own() {
            own.batch.saturating_record(writes);
        }
    }

    /// A connection was upgraded `ns` nanoseconds after it was accepted.
    pub fn greeted(&mut self, ns: u64) {
        if let Some(own) = self.own() {
            own.handshake.saturating_record(ns.min(MAX_LATENCY_NS));
        }
    }

    /// A connection is over, or its close frame is on the way.
    pub fn closed(&mut self, why: Close) {
        if let Some(own) = self.own() {
            own.closes[why as usize] += 1;
        }
    }

    /// So many laggards are in each state now.
    pub fn lagging(&mut self, states: [u64; Lag::COUNT]) {
        if let Some(own) = self.own() {
            own.laggards = states;
        }
    }

    /// The shard's thread used `ns` nanoseconds of CPU time more.
    pub fn worked(&mut self, ns: u64) {
        if let Some(own) = self.own() {
            own.busy_ns += ns;
        }
    }
}
