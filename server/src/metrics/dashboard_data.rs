//! The data of the live page: a point a second for its charts, and the busiest channels, slowest
//! consumers and closes of now.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use hdrhistogram::Histogram;
use serde_json::{Value, json};
use uringcast_engine::telemetry::{
    CloseCounts, CloseRow, Count, Gauge, HotChannel, Lag, SlowConsumer, Snapshot, Totals,
    latency_histogram,
};
use uringcast_engine::{ChannelName, limits::SNAPSHOT_INTERVAL};

use super::timestamp::Timestamp;
use crate::limits::{LIVE_HISTORY, LIVE_HOT_SECONDS, LIVE_ROWS};

/// Points without a snapshot after which a shard counts as silent.
const STALE: u32 = 3;
/// Points that make "recently".
const RECENT: usize = 60;

/// The latest of every shard, and the points of the last minutes.
#[derive(Debug)]
pub(super) struct DashboardData {
    shards: Vec<ShardSecond>,
    services: usize,
    points: VecDeque<DashboardPoint>,
}

/// One second of one shard. Rates are those of its last snapshot, which covers a second: adding up
/// whatever came in since the last point would show the snapshots' rhythm instead.
#[derive(Clone, Debug, Default)]
struct ShardSecond {
    /// Points since its snapshot.
    age: u32,
    /// By service.
    services: Vec<ServiceSecond>,
    deliveries: u64,
    bytes: u64,
    busy_ns: u64,
    hot: VecDeque<Vec<HotChannel>>,
    slowest: Vec<SlowConsumer>,
}

/// What one service did on one shard.
#[derive(Clone, Debug)]
struct ServiceSecond {
    deliveries: u64,
    publishes: u64,
    latency: Histogram<u64>,
}

/// One point: all services together, then each, if there are several.
#[derive(Debug)]
struct DashboardPoint {
    unix_s: u64,
    rows: Vec<Row>,
    closes: CloseCounts,
}

/// Connections, deliveries, publications, and latencies in µs: p50, p99, p99.9.
type Row = [u64; 6];

impl DashboardData {
    pub(super) fn new(shards: usize, services: usize) -> DashboardData {
        DashboardData {
            shards: vec![ShardSecond::default(); shards],
            services,
            points: VecDeque::new(),
        }
    }

    pub(super) fn absorb(&mut self, snapshot: &Snapshot) {
        let new = || ServiceSecond { deliveries: 0, publishes: 0, latency: latency_histogram() };
        let shard = &mut self.shards[snapshot.shard.index()];
        shard.services.resize_with(self.services, new);
        for part in &mut shard.services {
            (part.deliveries, part.publishes) = (0, 0);
            part.latency.reset();
        }
        for class in &snapshot.classes {
            let part = &mut shard.services[class.service.index()];
            // Not all events sent: welcomes are such too.
            part.deliveries += class.delivery.len();
            part.publishes += class.broadcasts;
            part.latency.add(&class.delivery).expect("all latencies have the same bounds");
        }
        shard.age = 0;
        shard.deliveries = shard.services.iter().map(|part| part.deliveries).sum();
        shard.bytes = snapshot.counters.counts[Count::DeliveryBytes as usize];
        shard.busy_ns = snapshot.own.busy_ns;
        shard.slowest.clone_from(&snapshot.standing.slowest);
        shard.hot.truncate(LIVE_HOT_SECONDS - 1);
        shard.hot.push_front(snapshot.standing.hottest.clone());
    }

    /// Resets a shard that has sent no snapshot for [`STALE`] points.
    fn age(&mut self) {
        for shard in &mut self.shards {
            shard.age += 1;
            if shard.age >= STALE {
                *shard = ShardSecond { age: shard.age, ..ShardSecond::default() };
            }
        }
    }

    /// Sums of all services together for `None`.
    fn row(&self, service: Option<usize>, connections: u64) -> Row {
        let (mut deliveries, mut publishes, mut latency) = (0, 0, latency_histogram());
        for shard in &self.shards {
            for (id, part) in shard.services.iter().enumerate() {
                if service.is_none_or(|wanted| wanted == id) {
                    deliveries += part.deliveries;
                    publishes += part.publishes;
                    latency.add(&part.latency).expect("all latencies have the same bounds");
                }
            }
        }
        let us = |quantile| latency.value_at_quantile(quantile).div_ceil(1_000);
        [connections, deliveries, publishes, us(0.5), us(0.99), us(0.999)]
    }

    /// The busiest channels of the last seconds, most first, with publications a second.
    fn hottest(&self, names: &[String]) -> Value {
        let mut sums: HashMap<&ChannelName, u64> = HashMap::new();
        let mut seconds = 1;
        for shard in &self.shards {
            seconds = seconds.max(shard.hot.len());
            for one in shard.hot.iter().flatten() {
                *sums.entry(&one.name).or_default() += u64::from(one.publishes);
            }
        }
        let mut all: Vec<_> = sums.into_iter().collect();
        all.sort_unstable_by(|(a, n), (b, m)| m.cmp(n).then_with(|| a.cmp(b)));
        all.truncate(LIVE_ROWS);
        let one = |(name, sum): (&ChannelName, u64)| {
            json!({
                "service": names[name.service().index()],
                "channel": name.as_str(),
                "per_second": sum as f64 / seconds as f64,
            })
        };
        all.into_iter().map(one).collect()
    }

    fn slowest(&self, names: &[String]) -> Value {
        let mut all: Vec<_> = self.shards.iter().flat_map(|shard| &shard.slowest).collect();
        all.sort_by_key(|one| std::cmp::Reverse(one.owed));
        all.truncate(LIVE_ROWS);
        let one = |one: &SlowConsumer| {
            json!({
                "connection_id": one.id.to_string(),
                "peer": one.peer.to_string(),
                "service": names[one.service.index()],
                "owed": one.owed,
                "behind": one.behind.as_secs_f64(),
                "state": one.state.label(),
                "skipped": one.skipped.slow + one.skipped.conflated,
            })
        };
        all.into_iter().map(one).collect()
    }

    /// Makes the point of this second.
    pub(super) fn make_point(&mut self, totals: &Totals, now: Timestamp) {
        self.age();
        let open = |id: usize| totals.services[id].load.connections;
        let mut rows = vec![self.row(None, (0..self.services).map(open).sum())];
        if self.services > 1 {
            rows.extend((0..self.services).map(|id| self.row(Some(id), open(id))));
        }
        self.points.truncate(LIVE_HISTORY - 1);
        let (unix_s, closes) = (now.since_1970().as_secs(), totals.own.closes.clone());
        self.points.push_front(DashboardPoint { unix_s, rows, closes });
    }

    /// The newest point, and the busiest channels, slowest consumers and closes of now.
    pub(super) fn now(&self, totals: &Totals, names: &[String], uptime: Duration) -> Value {
        let point = self.points.front();
        json!({
            "at": point.map_or(0, |point| point.unix_s),
            "uptime": uptime.as_secs(),
            "rows": point.map(|point| &point.rows),
            "engine": self.engine_now(totals),
            "shards": self.shards_now(totals),
            "hottest": self.hottest(names),
            "slowest": self.slowest(names),
            "closes": self.closes_now(totals),
        })
    }

    /// The points so far, oldest first: for all services, then for each if there are several.
    pub(super) fn history(&self) -> Value {
        let series = self.points.front().map_or(0, |point| point.rows.len());
        let rows = |series: usize| -> Vec<Row> {
            self.points.iter().rev().map(|point| point.rows[series]).collect()
        };
        json!((0..series).map(rows).collect::<Vec<_>>())
    }

    fn engine_now(&self, totals: &Totals) -> Value {
        let clients = totals.services.iter().map(|service| service.load.subscriptions).sum::<u64>();
        json!({
            "channels": totals.gauge(Gauge::Channels),
            "subscriptions": clients,
            // The server's own: those of its canaries and of open pages like the one that shows it.
            "probe_subscriptions": totals.gauge(Gauge::Subscriptions).saturating_sub(clients),
            "log_bytes": totals.gauge(Gauge::LogBytes),
            "laggard_bytes": totals.gauge(Gauge::LaggardBytes),
            "bytes_per_second": self.shards.iter().map(|shard| shard.bytes).sum::<u64>(),
            "laggards": Lag::ALL.iter()
                .map(|lag| (lag.label(), totals.own.laggards[*lag as usize]))
                .collect::<HashMap<_, _>>(),
        })
    }

    fn shards_now(&self, totals: &Totals) -> Value {
        let one = |(id, shard): (usize, &ShardSecond)| {
            let busy = shard.busy_ns as f64 / SNAPSHOT_INTERVAL.as_nanos() as f64;
            json!({
                "busy": busy.min(1.0),
                "deliveries": shard.deliveries,
                "connections": totals.shard_gauge(id, Gauge::Connections),
                "mailbox": totals.shard_gauge(id, Gauge::MailboxMessages),
                "silent": shard.age >= STALE,
            })
        };
        self.shards.iter().enumerate().map(one).collect()
    }

    /// Connections that ended, by reason: since the start and in the last minute.
    fn closes_now(&self, totals: &Totals) -> Value {
        let before = self.points.get(RECENT).map(|then| then.closes.clone());
        let recent = totals.own.closes.since(&before.unwrap_or_default()).rows();
        let both = totals.own.closes.rows().into_iter().zip(recent);
        let one = |(row, recent): (CloseRow, CloseRow)| {
            json!({"reason": row.reason, "code": row.code, "total": row.count,
                "recent": recent.count})
        };
        both.filter(|(row, _)| row.count > 0).map(one).collect()
    }
}

#[cfg(test)]
mod tests;
