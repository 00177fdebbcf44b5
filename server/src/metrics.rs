//! What Prometheus reads. The only file that knows its client library: everything else adds
//! snapshots up in [`Totals`].

mod buckets;
mod latency;
mod own;
mod state;
pub mod table;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;
use prometheus::core::{Collector, Desc};
use prometheus::process_collector::ProcessCollector;
use prometheus::proto::{self, LabelPair, Metric, MetricFamily, MetricType};
use prometheus::{Registry, TextEncoder};
use uringcast_engine::Engine;
use uringcast_engine::telemetry::{
    ConnectionError, Gauge, MessageError, MessageType, Snapshot, Totals,
};

use buckets::{DURATION_BOUNDS, Folded, LATENCY_BOUNDS};
pub use latency::{Ask, Format, Span};
use state::{Point, State};
use table::{Kind, row};

/// The sums of an engine's measurements, and how they are written.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Registry,
    state: Arc<Mutex<State>>,
}

impl Metrics {
    /// The media type of [`Metrics::render`].
    pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

    /// Metrics of the server called `server`, with as many shards as the engine has. With an
    /// `objective`, deliveries that take longer use up the error budget.
    pub fn new(server: &str, tls: bool, shards: usize, objective: Option<Duration>) -> Metrics {
        let state = Arc::new(Mutex::new(State::new(shards, Point::now())));
        let shown = Shown::new(server, tls, objective, Arc::clone(&state));
        let shown: Box<dyn Collector> = Box::new(shown);
        let registry = Registry::new();
        for collector in [shown, Box::new(ProcessCollector::for_self())] {
            registry.register(collector).expect("no two of our metrics have one name");
        }
        Metrics { registry, state }
    }

    /// Adds one shard's snapshot.
    pub fn absorb(&self, snapshot: &Snapshot) {
        lock(&self.state).absorb(snapshot);
    }

    /// Adds everything the shards have sent since the last call.
    pub fn collect(&self, engine: &Engine) {
        let mut state = lock(&self.state);
        engine.collect(|snapshot| state.absorb(snapshot));
        state.turn_window(Point::now());
    }

    /// A canary's probe arrived after so long, or not in time.
    pub fn probed(&self, shard: usize, latency: Option<Duration>) {
        lock(&self.state).probed(shard, latency);
    }

    /// The latencies as `ask` wants them.
    pub fn latencies(&self, ask: &Ask) -> String {
        latency::render(&lock(&self.state), ask)
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
fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The totals as Prometheus's data model.
struct Shown {
    server: String,
    tls_mode: &'static str,
    objective: Option<Duration>,
    state: Arc<Mutex<State>>,
    descs: Vec<Desc>,
}

impl Collector for Shown {
    fn desc(&self) -> Vec<&Desc> {
        self.descs.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        self.families(&lock(&self.state))
    }
}

type Labels<'a> = &'a [(&'a str, &'a str)];

impl Shown {
    fn new(
        server: &str,
        tls: bool,
        objective: Option<Duration>,
        state: Arc<Mutex<State>>,
    ) -> Shown {
        let (server, tls_mode) = (server.to_owned(), if tls { "wss" } else { "ws" });
        let mut shown = Shown { server, tls_mode, objective, state, descs: Vec::new() };
        let empty = shown.families(&State::new(0, Point::now()));
        let desc = |family: &MetricFamily| {
            let (name, help) = (family.name().to_owned(), family.help().to_owned());
            Desc::new(name, help, vec!["server".into()], Default::default())
                .expect("our metrics are well named")
        };
        shown.descs = empty.iter().map(desc).collect();
        shown
    }

    fn families(&self, state: &State) -> Vec<MetricFamily> {
        let (mut all, totals) = (Vec::new(), &state.totals);
        self.family_connections(totals, &mut all);
        self.family_messages(totals, &mut all);
        self.family_broadcasts(totals, &mut all);
        self.engine_own(state, &mut all);
        all
    }

    fn family_connections(&self, totals: &Totals, all: &mut Vec<MetricFamily>) {
        let mode: Labels<'_> = &[("tls_mode", self.tls_mode)];
        let counters = &totals.counters;
        all.push(family(
            "websocket_connections_total",
            vec![self.counter(mode, counters.connections)],
        ));
        all.push(family(
            "websocket_connections_active",
            vec![self.gauge(mode, totals.gauge(Gauge::Connections))],
        ));
        let error = |error: &ConnectionError| {
            let labels = [("error_type", error.label())];
            self.counter(&labels, counters.connection_errors[*error as usize])
        };
        all.push(family(
            "websocket_connection_errors_total",
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
            MessageType::ALL.iter().flat_map(both).collect(),
        ));
        let error = |error: &MessageError| {
            let labels = [("error_type", error.label())];
            self.counter(&labels, counters.message_errors[*error as usize])
        };
        all.push(family(
            "websocket_message_errors_total",
            MessageError::ALL.iter().map(error).collect(),
        ));
        let handling = |kind: &MessageType| {
            let times = totals.handling[*kind as usize].as_ref();
            self.histogram(&[("message_type", kind.label())], times, &LATENCY_BOUNDS)
        };
        all.push(family(
            "websocket_latency_seconds",
            MessageType::ALL.iter().map(handling).collect(),
        ));
    }

    fn family_broadcasts(&self, totals: &Totals, all: &mut Vec<MetricFamily>) {
        let classes = || totals.classes.values().map(|class| ([("channel", &*class.name)], class));
        all.push(family(
            "websocket_broadcast_total",
            classes().map(|(labels, class)| self.counter(&labels, class.broadcasts)).collect(),
        ));
        all.push(family(
            "websocket_broadcast_duration_seconds",
            classes()
                .map(|(l, class)| self.histogram(&l, Some(&class.broadcast), &DURATION_BOUNDS))
                .collect(),
        ));
        all.push(family(
            "uringcast_delivery_duration_seconds",
            classes()
                .map(|(l, class)| self.histogram(&l, Some(&class.delivery), &DURATION_BOUNDS))
                .collect(),
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

    fn counter(&self, labels: Labels<'_>, value: impl Number) -> Metric {
        let mut counter = proto::Counter::default();
        counter.set_value(value.number());
        let mut metric = Metric::from_label(self.labels(labels));
        metric.set_counter(counter);
        metric
    }

    fn gauge(&self, labels: Labels<'_>, value: impl Number) -> Metric {
        let mut gauge = proto::Gauge::default();
        gauge.set_value(value.number());
        let mut metric = Metric::from_label(self.labels(labels));
        metric.set_gauge(gauge);
        metric
    }

    /// A histogram of nanoseconds, in seconds.
    fn histogram(&self, l: Labels<'_>, times: Option<&Histogram<u64>>, bounds: &[u64]) -> Metric {
        let folded = buckets::fold(times, bounds);
        self.distribution(l, &folded, bounds.iter().map(|bound| buckets::seconds(*bound)))
    }

    /// A histogram of plain numbers.
    fn sizes(&self, l: Labels<'_>, sizes: &Histogram<u64>, bounds: &[u64]) -> Metric {
        let mut folded = buckets::fold(Some(sizes), bounds);
        folded.sum *= 1e9;
        self.distribution(l, &folded, bounds.iter().map(|bound| *bound as f64))
    }

    fn distribution(
        &self,
        labels: Labels<'_>,
        folded: &Folded,
        bounds: impl Iterator<Item = f64>,
    ) -> Metric {
        let bucket = |(bound, count): (f64, &u64)| {
            let mut bucket = proto::Bucket::default();
            bucket.set_upper_bound(bound);
            bucket.set_cumulative_count(*count);
            bucket
        };
        let mut histogram = proto::Histogram::default();
        histogram.set_sample_count(folded.count);
        histogram.set_sample_sum(folded.sum);
        histogram.set_bucket(bounds.zip(&folded.cumulative).map(bucket).collect());
        let mut metric = Metric::from_label(self.labels(labels));
        metric.set_histogram(histogram);
        metric
    }
}

/// A family as [`table::TABLE`] describes it.
fn family(name: &str, metrics: Vec<Metric>) -> MetricFamily {
    let row = row(name);
    let mut family = MetricFamily::default();
    family.set_name(name.to_owned());
    family.set_help(row.help.to_owned());
    family.set_field_type(match row.kind {
        Kind::Counter => MetricType::COUNTER,
        Kind::Gauge => MetricType::GAUGE,
        Kind::Histogram => MetricType::HISTOGRAM,
    });
    family.set_metric(metrics);
    family
}

/// What a sample's value may be.
trait Number {
    fn number(self) -> f64;
}

impl Number for u64 {
    fn number(self) -> f64 {
        self as f64
    }
}

impl Number for f64 {
    fn number(self) -> f64 {
        self
    }
}
