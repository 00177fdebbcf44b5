//! What Prometheus reads. The only file that knows its client library: everything else adds
//! snapshots up in [`Totals`].

mod buckets;
mod help;
mod requests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hdrhistogram::Histogram;
use prometheus::core::{Collector, Desc};
use prometheus::process_collector::ProcessCollector;
use prometheus::proto::{self, LabelPair, Metric, MetricFamily, MetricType};
use prometheus::{Registry, TextEncoder};
use uringcast_engine::Engine;
use uringcast_engine::telemetry::{
    ConnectionError, Count, Gauge, MessageError, MessageType, ServiceStats, Snapshot, Totals,
};

pub use requests::Requests;

use buckets::{DURATION_BOUNDS, LATENCY_BOUNDS};

/// The sums of an engine's measurements, and how they are written.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Registry,
    totals: Arc<Mutex<Totals>>,
    requests: Requests,
}

impl Metrics {
    /// The media type of [`Metrics::render`].
    pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

    /// Metrics of an engine called `engine` with these services, in their order, and as many
    /// shards as it has.
    pub fn new(engine: &str, services: &[Named], shards: usize) -> Metrics {
        let totals = Arc::new(Mutex::new(Totals::new(shards, services.len())));
        let shown: Box<dyn Collector> = Box::new(Shown::new(engine, services, Arc::clone(&totals)));
        let requests = Requests::new(engine);
        let registry = Registry::new();
        for collector in [shown, requests.collector(), Box::new(ProcessCollector::for_self())] {
            registry.register(collector).expect("no two of our metrics have one name");
        }
        Metrics { registry, totals, requests }
    }

    /// Where HTTP requests are counted.
    pub fn requests(&self) -> &Requests {
        &self.requests
    }

    /// Adds one shard's snapshot.
    pub fn absorb(&self, snapshot: &Snapshot) {
        lock(&self.totals).absorb(snapshot);
    }

    /// Adds everything the shards have sent since the last call.
    pub fn collect(&self, engine: &Engine) {
        let mut totals = lock(&self.totals);
        engine.collect(|snapshot| totals.absorb(snapshot));
    }

    /// Everything in the text format 0.0.4.
    ///
    /// # Errors
    /// None that input can cause: a metric that is not well formed.
    pub fn render(&self) -> prometheus::Result<String> {
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}

/// A panic while adding up leaves numbers, not a broken structure.
fn lock(totals: &Mutex<Totals>) -> MutexGuard<'_, Totals> {
    totals.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A service as its metrics name it.
#[derive(Clone, Debug)]
pub struct Named {
    /// The `server` label.
    pub server: String,
    /// Whether its `tls_mode` is `wss`.
    pub tls: bool,
}

/// The totals as Prometheus's data model.
struct Shown {
    /// The `server` label of what the services share.
    engine: String,
    services: Vec<Named>,
    totals: Arc<Mutex<Totals>>,
    descs: Vec<Desc>,
}

impl Collector for Shown {
    fn desc(&self) -> Vec<&Desc> {
        self.descs.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        self.families(&lock(&self.totals))
    }
}

type Labels<'a> = &'a [(&'a str, &'a str)];

impl Shown {
    fn new(engine: &str, services: &[Named], totals: Arc<Mutex<Totals>>) -> Shown {
        let (engine, services) = (engine.to_owned(), services.to_vec());
        let mut shown = Shown { engine, services, totals, descs: Vec::new() };
        let empty = shown.families(&Totals::new(0, shown.services.len()));
        let desc = |family: &MetricFamily| {
            let (name, help) = (family.name().to_owned(), family.help().to_owned());
            Desc::new(name, help, vec!["server".into()], Default::default())
                .expect("our metrics are well named")
        };
        shown.descs = empty.iter().map(desc).collect();
        shown
    }

    fn families(&self, totals: &Totals) -> Vec<MetricFamily> {
        let mut all = Vec::new();
        self.family_connections(totals, &mut all);
        self.family_messages(totals, &mut all);
        self.family_broadcasts(totals, &mut all);
        self.engine_own(totals, &mut all);
        all
    }

    fn family_connections(&self, totals: &Totals, all: &mut Vec<MetricFamily>) {
        let mode = |named: &Named| [("tls_mode", if named.tls { "wss" } else { "ws" })];
        all.push(family(
            "websocket_connections_total",
            "WebSocket connections established.",
            MetricType::COUNTER,
            self.each(totals, |name, stats| counter(&name.server, &mode(name), stats.connections)),
        ));
        all.push(family(
            "websocket_connections_active",
            "WebSocket connections open now.",
            MetricType::GAUGE,
            self.each(totals, |name, stats| gauge(&name.server, &mode(name), stats.open)),
        ));
        let errors = |name: &Named, stats: &ServiceStats| {
            let error = |error: &ConnectionError| {
                let labels = [("error_type", error.label())];
                counter(&name.server, &labels, stats.connection_errors[*error as usize])
            };
            ConnectionError::ALL.iter().map(error).collect::<Vec<_>>()
        };
        all.push(family(
            "websocket_connection_errors_total",
            "Connections that failed, or were ended for the peer's fault, by reason.",
            MetricType::COUNTER,
            self.each(totals, errors).into_iter().flatten().collect(),
        ));
    }

    fn family_messages(&self, totals: &Totals, all: &mut Vec<MetricFamily>) {
        let messages = |name: &Named, stats: &ServiceStats| {
            let both = |kind: &MessageType| {
                let (kind, i) = (("message_type", kind.label()), *kind as usize);
                let one =
                    |direction, n| counter(&name.server, &[kind, ("direction", direction)], n);
                [one("sent", stats.sent[i]), one("received", stats.received[i])]
            };
            MessageType::ALL.iter().flat_map(both).collect::<Vec<_>>()
        };
        all.push(family(
            "websocket_messages_total",
            "Messages sent and received; a broadcast counts once per delivery.",
            MetricType::COUNTER,
            self.each(totals, messages).into_iter().flatten().collect(),
        ));
        let errors = |name: &Named, stats: &ServiceStats| {
            let error = |error: &MessageError| {
                let labels = [("error_type", error.label())];
                counter(&name.server, &labels, stats.message_errors[*error as usize])
            };
            MessageError::ALL.iter().map(error).collect::<Vec<_>>()
        };
        all.push(family(
            "websocket_message_errors_total",
            "Messages that were not served or not delivered, by reason.",
            MetricType::COUNTER,
            self.each(totals, errors).into_iter().flatten().collect(),
        ));
        let handling = |name: &Named, stats: &ServiceStats| {
            let one = |kind: &MessageType| {
                let times = stats.handling[*kind as usize].as_ref();
                let labels = [("message_type", kind.label())];
                histogram(&name.server, &labels, times, &LATENCY_BOUNDS)
            };
            MessageType::ALL.iter().map(one).collect::<Vec<_>>()
        };
        all.push(family(
            "websocket_latency_seconds",
            "Time to handle one inbound message.",
            MetricType::HISTOGRAM,
            self.each(totals, handling).into_iter().flatten().collect(),
        ));
    }

    fn family_broadcasts(&self, totals: &Totals, all: &mut Vec<MetricFamily>) {
        let classes = || {
            totals.classes.values().map(|class| {
                let server = &*self.services[class.service.index()].server;
                (server, [("channel", &*class.name)], class)
            })
        };
        all.push(family(
            "websocket_broadcast_total",
            "Broadcasts, by class of channel: its name up to the first colon.",
            MetricType::COUNTER,
            classes().map(|(s, l, class)| counter(s, &l, class.broadcasts)).collect(),
        ));
        all.push(family(
            "websocket_broadcast_duration_seconds",
            "From accepting a broadcast to handing the last live subscriber's bytes to the kernel.",
            MetricType::HISTOGRAM,
            classes()
                .map(|(s, l, class)| histogram(s, &l, Some(&class.broadcast), &DURATION_BOUNDS))
                .collect(),
        ));
        all.push(family(
            "uringcast_delivery_duration_seconds",
            "From accepting a broadcast to handing one subscriber's bytes to the kernel.",
            MetricType::HISTOGRAM,
            classes()
                .map(|(s, l, class)| histogram(s, &l, Some(&class.delivery), &DURATION_BOUNDS))
                .collect(),
        ));
    }

    fn engine_own(&self, totals: &Totals, all: &mut Vec<MetricFamily>) {
        for what in Count::ALL {
            let name = format!("uringcast_{}_total", what.label());
            let metric = counter(&self.engine, &[], totals.count(*what));
            all.push(family(&name, help::count(*what), MetricType::COUNTER, vec![metric]));
        }
        for what in Gauge::ALL {
            let name = format!("uringcast_{}", what.label());
            let metric = gauge(&self.engine, &[], totals.gauge(*what));
            all.push(family(&name, help::gauge(*what), MetricType::GAUGE, vec![metric]));
        }
        all.push(family(
            "uringcast_catch_up_duration_seconds",
            "Time a subscriber that fell behind needed to be live again.",
            MetricType::HISTOGRAM,
            vec![histogram(&self.engine, &[], Some(&totals.catch_up), &LATENCY_BOUNDS)],
        ));
        all.push(family(
            "uringcast_build_info",
            "The running version, as a label; always 1.",
            MetricType::GAUGE,
            vec![gauge(&self.engine, &[("version", env!("CARGO_PKG_VERSION"))], 1)],
        ));
    }

    /// One of something for every service.
    fn each<T>(&self, totals: &Totals, one: impl Fn(&Named, &ServiceStats) -> T) -> Vec<T> {
        self.services.iter().zip(&totals.services).map(|(name, stats)| one(name, stats)).collect()
    }
}

fn labels(server: &str, more: Labels<'_>) -> Vec<LabelPair> {
    let pair = |(name, value): (&str, &str)| {
        let mut pair = LabelPair::default();
        pair.set_name(name.to_owned());
        pair.set_value(value.to_owned());
        pair
    };
    [("server", server)].into_iter().chain(more.iter().copied()).map(pair).collect()
}

fn counter(server: &str, more: Labels<'_>, value: u64) -> Metric {
    let mut counter = proto::Counter::default();
    counter.set_value(value as f64);
    let mut metric = Metric::from_label(labels(server, more));
    metric.set_counter(counter);
    metric
}

fn gauge(server: &str, more: Labels<'_>, value: u64) -> Metric {
    let mut gauge = proto::Gauge::default();
    gauge.set_value(value as f64);
    let mut metric = Metric::from_label(labels(server, more));
    metric.set_gauge(gauge);
    metric
}

fn histogram(
    server: &str,
    more: Labels<'_>,
    times: Option<&Histogram<u64>>,
    bounds: &[u64],
) -> Metric {
    let folded = buckets::fold(times, bounds);
    let bucket = |(bound, count): (&u64, &u64)| {
        let mut bucket = proto::Bucket::default();
        bucket.set_upper_bound(buckets::seconds(*bound));
        bucket.set_cumulative_count(*count);
        bucket
    };
    let mut histogram = proto::Histogram::default();
    histogram.set_sample_count(folded.count);
    histogram.set_sample_sum(folded.sum);
    histogram.set_bucket(bounds.iter().zip(&folded.cumulative).map(bucket).collect());
    let mut metric = Metric::from_label(labels(server, more));
    metric.set_histogram(histogram);
    metric
}

fn family(name: &str, help: &str, kind: MetricType, metrics: Vec<Metric>) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(name.to_owned());
    family.set_help(help.to_owned());
    family.set_field_type(kind);
    family.set_metric(metrics);
    family
}
