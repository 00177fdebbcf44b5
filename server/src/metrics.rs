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
    ConnectionError, Count, Gauge, MessageError, MessageType, Snapshot, Totals,
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

    /// Metrics of the server called `server`, with as many shards as the engine has.
    pub fn new(server: &str, tls: bool, shards: usize) -> Metrics {
        let totals = Arc::new(Mutex::new(Totals::new(shards)));
        let shown: Box<dyn Collector> = Box::new(Shown::new(server, tls, Arc::clone(&totals)));
        let requests = Requests::new(server);
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

/// The totals as Prometheus's data model.
struct Shown {
    server: String,
    tls_mode: &'static str,
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
    fn new(server: &str, tls: bool, totals: Arc<Mutex<Totals>>) -> Shown {
        let (server, tls_mode) = (server.to_owned(), if tls { "wss" } else { "ws" });
        let mut shown = Shown { server, tls_mode, totals, descs: Vec::new() };
        let empty = shown.families(&Totals::new(0));
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
        let mode: Labels<'_> = &[("tls_mode", self.tls_mode)];
        let counters = &totals.counters;
        all.push(family(
            "websocket_connections_total",
            "WebSocket connections established.",
            MetricType::COUNTER,
            vec![self.counter(mode, counters.connections)],
        ));
        all.push(family(
            "websocket_connections_active",
            "WebSocket connections open now.",
            MetricType::GAUGE,
            vec![self.gauge(mode, totals.gauge(Gauge::Connections))],
        ));
        let error = |error: &ConnectionError| {
            let labels = [("error_type", error.label())];
            self.counter(&labels, counters.connection_errors[*error as usize])
        };
        all.push(family(
            "websocket_connection_errors_total",
            "Connections that failed, or were ended for the peer's fault, by reason.",
            MetricType::COUNTER,
            ConnectionError::ALL.iter().map(error).collect(),
        ));
    }

    fn family_messages(&self, totals: &Totals, all: &mut Vec<MetricFamily>) {
        let counters = &totals.counters;
        let both = |kind: &MessageType| {
            let (kind, i) = (("message_type", kind.label()), *kind as usize);
            let sent = self.counter(&[kind, ("direction", "sent")], counters.sent[i]);
            let received = self.counter(&[kind, ("direction", "received")], counters.received[i]);
            [sent, received]
        };
        all.push(family(
            "websocket_messages_total",
            "Messages sent and received; a broadcast counts once per delivery.",
            MetricType::COUNTER,
            MessageType::ALL.iter().flat_map(both).collect(),
        ));
        let error = |error: &MessageError| {
            let labels = [("error_type", error.label())];
            self.counter(&labels, counters.message_errors[*error as usize])
        };
        all.push(family(
            "websocket_message_errors_total",
            "Messages that were not served or not delivered, by reason.",
            MetricType::COUNTER,
            MessageError::ALL.iter().map(error).collect(),
        ));
        let handling = |kind: &MessageType| {
            let times = totals.handling[*kind as usize].as_ref();
            self.histogram(&[("message_type", kind.label())], times, &LATENCY_BOUNDS)
        };
        all.push(family(
            "websocket_latency_seconds",
            "Time to handle one inbound message.",
            MetricType::HISTOGRAM,
            MessageType::ALL.iter().map(handling).collect(),
        ));
    }

    fn family_broadcasts(&self, totals: &Totals, all: &mut Vec<MetricFamily>) {
        let classes = || totals.classes.values().map(|class| ([("channel", &*class.name)], class));
        all.push(family(
            "websocket_broadcast_total",
            "Broadcasts, by class of channel: its name up to the first colon.",
            MetricType::COUNTER,
            classes().map(|(labels, class)| self.counter(&labels, class.broadcasts)).collect(),
        ));
        all.push(family(
            "websocket_broadcast_duration_seconds",
            "From accepting a broadcast to handing the last live subscriber's bytes to the kernel.",
            MetricType::HISTOGRAM,
            classes()
                .map(|(l, class)| self.histogram(&l, Some(&class.broadcast), &DURATION_BOUNDS))
                .collect(),
        ));
        all.push(family(
            "uringcast_delivery_duration_seconds",
            "From accepting a broadcast to handing one subscriber's bytes to the kernel.",
            MetricType::HISTOGRAM,
            classes()
                .map(|(l, class)| self.histogram(&l, Some(&class.delivery), &DURATION_BOUNDS))
                .collect(),
        ));
    }

    fn engine_own(&self, totals: &Totals, all: &mut Vec<MetricFamily>) {
        for what in Count::ALL {
            let name = format!("uringcast_{}_total", what.label());
            let metric = self.counter(&[], totals.count(*what));
            all.push(family(&name, help::count(*what), MetricType::COUNTER, vec![metric]));
        }
        for what in Gauge::ALL {
            let name = format!("uringcast_{}", what.label());
            let metric = self.gauge(&[], totals.gauge(*what));
            all.push(family(&name, help::gauge(*what), MetricType::GAUGE, vec![metric]));
        }
        all.push(family(
            "uringcast_catch_up_duration_seconds",
            "Time a subscriber that fell behind needed to be live again.",
            MetricType::HISTOGRAM,
            vec![self.histogram(&[], Some(&totals.catch_up), &LATENCY_BOUNDS)],
        ));
        all.push(family(
            "uringcast_build_info",
            "The running version, as a label; always 1.",
            MetricType::GAUGE,
            vec![self.gauge(&[("version", env!("CARGO_PKG_VERSION"))], 1)],
        ));
    }

    fn labels(&self, more: Labels<'_>) -> Vec<LabelPair> {
        let pair = |(name, value): (&str, &str)| {
            let mut pair = LabelPair::default();
            pair.set_name(name.to_owned());
            pair.set_value(value.to_owned());
            pair
        };
        [("server", self.server.as_str())]
            .into_iter()
            .chain(more.iter().copied())
            .map(pair)
            .collect()
    }

    fn counter(&self, labels: Labels<'_>, value: u64) -> Metric {
        let mut counter = proto::Counter::default();
        counter.set_value(value as f64);
        let mut metric = Metric::from_label(self.labels(labels));
        metric.set_counter(counter);
        metric
    }

    fn gauge(&self, labels: Labels<'_>, value: u64) -> Metric {
        let mut gauge = proto::Gauge::default();
        gauge.set_value(value as f64);
        let mut metric = Metric::from_label(self.labels(labels));
        metric.set_gauge(gauge);
        metric
    }

    fn histogram(&self, l: Labels<'_>, times: Option<&Histogram<u64>>, bounds: &[u64]) -> Metric {
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
        let mut metric = Metric::from_label(self.labels(l));
        metric.set_histogram(histogram);
        metric
    }
}

fn family(name: &str, help: &str, kind: MetricType, metrics: Vec<Metric>) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(name.to_owned());
    family.set_help(help.to_owned());
    family.set_field_type(kind);
    family.set_metric(metrics);
    family
}
