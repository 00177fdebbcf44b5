//! The metrics of the engine itself: deliveries, shards, rings, objective, self-probes.

use std::time::Duration;

use hdrhistogram::Histogram;
use prometheus::proto::Metric;
use uringcast_engine::Transport;
use uringcast_engine::exposition::{
    DURATION_BOUNDS, LATENCY_BOUNDS, Labels, counter, gauge, histogram, sizes,
};
use uringcast_engine::telemetry::{CloseRow, Count, Gauge, Lag, PerShard, Totals};

use super::accumulator::{Accumulator, ProbeStats};
use super::{Families, Metrics};
use crate::log;

/// Upper bounds of the writes of one submission, which has 256 at most.
const BATCH_BOUNDS: [u64; 9] = [1, 2, 4, 8, 16, 32, 64, 128, 256];

/// The part of all deliveries that must be within the objective's time: what a p99 is.
pub(super) const SLO_TARGET: f64 = 0.99;

/// Counts of all transports, each with its part by Server-Sent Events.
const BY_TRANSPORT: [[Count; 2]; 2] = [
    [Count::Deliveries, Count::EventDeliveries],
    [Count::DeliveryBytes, Count::EventDeliveryBytes],
];

impl Metrics {
    pub(super) fn engine_metrics(&self, accumulator: &Accumulator, all: &mut Families) {
        let totals = &accumulator.totals;
        let split = BY_TRANSPORT.as_flattened();
        for what in Count::ALL.iter().filter(|what| !split.contains(what)) {
            let name = format!("uringcast_{}_total", what.label());
            all.add(&name, [counter(&self.engine, &[], totals.count(*what))]);
        }
        for [what, by_events] in BY_TRANSPORT {
            let events = totals.count(by_events);
            let sample = |transport: &Transport| {
                let count = match transport {
                    Transport::WebSocket => totals.count(what) - events,
                    Transport::EventStream => events,
                };
                counter(&self.engine, &[("transport", transport.label())], count)
            };
            let name = format!("uringcast_{}_total", what.label());
            all.add(&name, Transport::ALL.iter().map(sample));
        }
        // The first two are reported by shard, the others by mode.
        let apart = [Gauge::Connections, Gauge::MailboxMessages, Gauge::TlsUser, Gauge::TlsKernel];
        for what in Gauge::ALL.iter().filter(|what| !apart.contains(what)) {
            let name = format!("uringcast_{}", what.label());
            all.add(&name, [gauge(&self.engine, &[], totals.gauge(*what))]);
        }
        self.connection_metrics(totals, all);
        self.shard_metrics(totals, all);
        self.objective(totals, all);
        self.probe_metrics(accumulator, all);
        let version = [("version", env!("CARGO_PKG_VERSION"))];
        all.add("uringcast_build_info", [gauge(&self.engine, &version, 1)]);
        let lost = counter(&self.engine, &[], log::lost_lines());
        all.add("uringcast_log_lines_lost_total", [lost]);
    }

    fn connection_metrics(&self, totals: &Totals, all: &mut Families) {
        let close = |row: CloseRow| {
            let labels = [("code", row.code.as_str()), ("reason", row.reason)];
            counter(&self.engine, &labels, row.count)
        };
        all.add("uringcast_closes_total", totals.own.closes.rows().into_iter().map(close));
        let mode = |(mode, what)| gauge(&self.engine, &[("mode", mode)], totals.gauge(what));
        let modes = [("user", Gauge::TlsUser), ("kernel", Gauge::TlsKernel)];
        all.add("tls_connections", modes.map(mode));
        let lag = |s: &Lag| {
            gauge(&self.engine, &[("state", s.label())], totals.own.laggards[*s as usize])
        };
        all.add("uringcast_laggards_now", Lag::ALL.iter().map(lag));
        for (name, times) in [
            ("uringcast_catch_up_duration_seconds", &totals.catch_up),
            ("uringcast_turn_duration_seconds", &totals.own.turn),
            ("uringcast_handshake_duration_seconds", &totals.own.handshake),
        ] {
            all.add(name, [histogram(&self.engine, &[], Some(times), &LATENCY_BOUNDS)]);
        }
        let writes = sizes(&self.engine, &totals.own.batch, &BATCH_BOUNDS);
        all.add("uringcast_batch_writes", [writes]);
    }

    fn shard_metrics(&self, totals: &Totals, all: &mut Families) {
        let busy = |labels: Labels<'_>, _, own: &PerShard| {
            counter(&self.engine, labels, Duration::from_nanos(own.busy_ns).as_secs_f64())
        };
        all.add("uringcast_shard_busy_seconds_total", by_shard(totals.shards(), busy));
        let deliveries =
            |labels: Labels<'_>, _, own: &PerShard| counter(&self.engine, labels, own.deliveries);
        all.add("uringcast_shard_deliveries_total", by_shard(totals.shards(), deliveries));
        for (name, what) in [
            ("uringcast_shard_connections", Gauge::Connections),
            ("uringcast_shard_mailbox_messages", Gauge::MailboxMessages),
        ] {
            let gauge = |labels: Labels<'_>, shard, _: &PerShard| {
                gauge(&self.engine, labels, totals.shard_gauge(shard, what))
            };
            all.add(name, by_shard(totals.shards(), gauge));
        }
    }

    /// Nothing without an objective.
    fn objective(&self, totals: &Totals, all: &mut Families) {
        let Some(objective) = self.objective else { return };
        let ns = u64::try_from(objective.as_nanos()).unwrap_or(u64::MAX);
        let within = |times: &Histogram<u64>| times.count_between(0, ns);
        let now = || totals.classes.values().map(|class| &class.delivery);
        let deliveries = || now().chain([&totals.retired]);
        let good: u64 = deliveries().map(within).sum();
        let count: u64 = deliveries().map(Histogram::len).sum();
        let seconds = objective.as_secs_f64();
        all.add("uringcast_slo_deliveries_total", [counter(&self.engine, &[], count)]);
        all.add("uringcast_slo_deliveries_within_total", [counter(&self.engine, &[], good)]);
        all.add("uringcast_slo_objective_seconds", [gauge(&self.engine, &[], seconds)]);
        all.add("uringcast_slo_target_ratio", [gauge(&self.engine, &[], SLO_TARGET)]);
    }

    /// Nothing before the first probe.
    fn probe_metrics(&self, accumulator: &Accumulator, all: &mut Families) {
        let latency = |labels: Labels<'_>, _, seen: &ProbeStats| {
            histogram(&self.engine, labels, Some(&seen.latency), &DURATION_BOUNDS)
        };
        all.add("canary_latency_seconds", by_shard(&accumulator.probes, latency));
        let failures =
            |labels: Labels<'_>, _, seen: &ProbeStats| counter(&self.engine, labels, seen.failures);
        all.add("canary_failures_total", by_shard(&accumulator.probes, failures));
    }
}

/// One sample for each shard, with its label and its number.
fn by_shard<T>(
    shards: &[T],
    sample: impl Fn(Labels<'_>, usize, &T) -> Metric,
) -> impl Iterator<Item = Metric> {
    let labelled = move |(shard, of): (usize, _)| {
        let number: String = shard.to_string();
        sample(&[("shard", &number)], shard, of)
    };
    shards.iter().enumerate().map(labelled)
}
