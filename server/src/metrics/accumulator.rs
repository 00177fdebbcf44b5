//! Everything that was measured, added up: since the start, and in the last interval.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde_json::Value;
use uringcast_engine::telemetry::{MAX_LATENCY_NS, Snapshot, Totals, latency_histogram};

use super::dashboard_data::DashboardData;
use super::timestamp::Timestamp;
use crate::limits::LATENCY_WINDOW;

/// The sums that the collector writes and the exporters read.
#[derive(Debug)]
pub(super) struct Accumulator {
    pub totals: Totals,
    /// The beginning of `totals`.
    pub started: Timestamp,
    current: Totals,
    since: Timestamp,
    /// The last whole window, when there has been one, with its beginning and length.
    last: Option<(Totals, Timestamp, Duration)>,
    /// By shard; empty before the first probe.
    pub probes: Vec<ProbeStats>,
    shards: usize,
    /// The services' names, in their order.
    pub names: Vec<String>,
    pub dashboard: DashboardData,
}

/// The results of one shard's self-probe.
#[derive(Debug)]
pub(super) struct ProbeStats {
    /// Publish → receive of the probes that arrived, ns.
    pub latency: Histogram<u64>,
    /// Probes that did not arrive.
    pub failures: u64,
}

impl Accumulator {
    pub(super) fn new(shards: usize, names: Vec<String>, now: Timestamp) -> Accumulator {
        Accumulator {
            totals: Totals::new(shards, names.len()),
            started: now,
            current: Totals::new(shards, names.len()),
            since: now,
            last: None,
            probes: Vec::new(),
            shards,
            dashboard: DashboardData::new(shards, names.len()),
            names,
        }
    }

    /// Adds one shard's snapshot.
    pub(super) fn absorb(&mut self, snapshot: &Snapshot) {
        self.totals.absorb(snapshot);
        self.current.absorb(snapshot);
        self.dashboard.absorb(snapshot);
    }

    /// Ends the window when it is long enough.
    pub(super) fn rotate_window(&mut self, now: Timestamp) {
        let length = now.mono - self.since.mono;
        if length >= LATENCY_WINDOW {
            let whole =
                std::mem::replace(&mut self.current, Totals::new(self.shards, self.names.len()));
            self.last = Some((whole, self.since, length));
            self.since = now;
        }
    }

    /// The last whole window, or what there is of the first: its sums, beginning and length.
    pub(super) fn window(&self, now: Timestamp) -> (&Totals, Timestamp, Duration) {
        match &self.last {
            Some((totals, since, length)) => (totals, *since, *length),
            None => (&self.current, self.since, now.mono - self.since.mono),
        }
    }

    /// What the dashboard shows of now.
    pub(super) fn dashboard_now(&self, now: Timestamp) -> Value {
        self.dashboard.now(&self.totals, &self.names, now.mono - self.started.mono)
    }

    /// A self-probe's probe arrived after so long, or not in time.
    pub(super) fn probed(&mut self, shard: usize, latency: Option<Duration>) {
        let fresh = || ProbeStats { latency: latency_histogram(), failures: 0 };
        self.probes.resize_with(self.shards, fresh);
        let stats = &mut self.probes[shard];
        match latency {
            Some(latency) => {
                let ns = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
                stats.latency.saturating_record(ns.min(MAX_LATENCY_NS));
            }
            None => stats.failures += 1,
        }
    }
}

#[cfg(test)]
mod tests;
