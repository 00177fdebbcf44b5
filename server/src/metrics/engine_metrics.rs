//! The metrics of the engine itself: deliveries, shards, rings, objective, self-probes.

use std::time::Duration;

use hdrhistogram::Histogram;
use prometheus::proto::{Metric, MetricFamily};
use uringcast_engine::exposition::{
    DURATION_BOUNDS, LATENCY_BOUNDS, Labels, counter, gauge, histogram, sizes,
};
use uringcast_engine::telemetry::{Close, Count, Gauge, Lag, PerShard, Totals};

use super::accumulator::{Accumulator, ProbeStats};
use super::{Metrics, family};

/// Upper bounds of the writes of one submission, which has 256 at most.
const BATCH_BOUNDS: [u64; 9] = [1, 2, 4, 8, 16, 32, 64, 128, 256];

/// The part of all deliveries that must be within the objective's time: what a p99 is.
pub(super) const SLO_TARGET: f64 = 0.99;

impl Metrics {
    pub(super) fn engine_metrics(&self, accumulator: &Accumulator, all: &mut Vec<MetricFamily>) {
        let totals = &accumulator.totals;
        for what in Count::ALL {
            let name = format!("uringcast_{}_total", what.label());
            all.push(family(&name, vec![counter(&self.engine, &[], totals.count(*what))]));
        }
        // The first two are reported by shard, the others by mode.
        let apart = [Gauge::Connections, Gauge::MailboxMessages, Gauge::TlsUser, Gauge::TlsKernel];
        for what in Gauge::ALL.iter().filter(|what| !apart.contains(what)) {
            let name = format!("uringcast_{}", what.label());
            all.push(family(&name, vec![gauge(&self.engine, &[], totals.gauge(*what))]));
        }
        self.connection_metrics(totals, all);
        self.shard_metrics(totals, all);
        self.objective(totals, all);
        self.probe_metrics(accumulator, all);
        let version = [("version", env!("CARGO_PKG_VERSION"))];
        all.push(family("uringcast_build_info", vec![gauge(&self.engine, &version, 1)]));
    }

    fn connection_metrics(&self, totals: &Totals, all: &mut Vec<MetricFamily>) {
        let close = |why: &Close| {
            let labels = [("code", why.code()), ("reason", why.label())];
            counter(&self.engine, &labels, totals.own.closes[*why as usize])
        };
        all.push(family("uringcast_closes_total", Close::ALL.iter().map(close).collect()));
        let mode = |(mode, what)| gauge(&self.engine, &[("mode", mode)], totals.gauge(what));
        let modes = [("user", Gauge::TlsUser), ("kernel", Gauge::TlsKernel)].map(mode);
        all.push(family("tls_connections", modes.into()));
        let lag = |s: &Lag| {
            gauge(&self.engine, &[("state", s.label())], totals.own.laggards[*s as usize])
        };
        all.push(family("uringcast_laggards_now", Lag::ALL.iter().map(lag).collect()));
        for (name, times) in [
            ("uringcast_catch_up_duration_seconds", &totals.catch_up),
            ("uringcast_turn_duration_seconds", &totals.own.turn),
            ("uringcast_handshake_duration_seconds", &totals.own.handshake),
        ] {
            all.push(family(
                name,
                vec![histogram(&self.engine, &[], Some(times), &LATENCY_BOUNDS)],
            ));
        }
        let writes = sizes(&self.engine, &totals.own.batch, &BATCH_BOUNDS);
        all.push(family("uringcast_batch_writes", vec![writes]));
    }

    fn shard_metrics(&self, totals: &Totals, all: &mut Vec<MetricFamily>) {
        let each = |one: &dyn Fn(Labels<'_>, usize, &PerShard) -> Metric| {
            let metric = |(shard, own): (usize, &PerShard)| {
                one(&[("shard", &shard.to_string())], shard, own)
            };
            totals.shards().iter().enumerate().map(metric).collect()
        };
        let busy = |l: Labels<'_>, _, own: &PerShard| {
            counter(&self.engine, l, Duration::from_nanos(own.busy_ns).as_secs_f64())
        };
        all.push(family("uringcast_shard_busy_seconds_total", each(&busy)));
        let deliveries =
            |l: Labels<'_>, _, own: &PerShard| counter(&self.engine, l, own.deliveries);
        all.push(family("uringcast_shard_deliveries_total", each(&deliveries)));
        for (name, what) in [
            ("uringcast_shard_connections", Gauge::Connections),
            ("uringcast_shard_mailbox_messages", Gauge::MailboxMessages),
        ] {
            let gauge = |l: Labels<'_>, shard, _: &PerShard| {
                gauge(&self.engine, l, totals.shard_gauge(shard, what))
            };
            all.push(family(name, each(&gauge)));
        }
    }

    /// Nothing without an objective.
    fn objective(&self, totals: &Totals, all: &mut Vec<MetricFamily>) {
        let Some(objective) = self.objective else { return };
        let ns = u64::try_from(objective.as_nanos()).unwrap_or(u64::MAX);
        let within = |times: &Histogram<u64>| times.count_between(0, ns);
        let deliveries = || totals.classes.values().map(|class| &class.delivery);
        let good: u64 = deliveries().map(within).sum();
        let count: u64 = deliveries().map(Histogram::len).sum();
        let good = counter(&self.engine, &[], good);
        all.push(family("uringcast_slo_deliveries_total", vec![counter(&self.engine, &[], count)]));
        all.push(family("uringcast_slo_deliveries_within_total", vec![good]));
        let seconds = gauge(&self.engine, &[], objective.as_secs_f64());
        all.push(family("uringcast_slo_objective_seconds", vec![seconds]));
        all.push(family("uringcast_slo_target_ratio", vec![gauge(&self.engine, &[], SLO_TARGET)]));
    }

    /// Nothing before the first probe.
    fn probe_metrics(&self, accumulator: &Accumulator, all: &mut Vec<MetricFamily>) {
        let shards =
            || accumulator.probes.iter().enumerate().map(|(i, seen)| (i.to_string(), seen));
        let latency = |(shard, seen): (String, &ProbeStats)| {
            histogram(&self.engine, &[("shard", &shard)], Some(&seen.latency), &DURATION_BOUNDS)
        };
        let failures = |(shard, seen): (String, &ProbeStats)| {
            counter(&self.engine, &[("shard", &shard)], seen.failures)
        };
        all.push(family("canary_latency_seconds", shards().map(latency).collect()));
        all.push(family("canary_failures_total", shards().map(failures).collect()));
    }
}
