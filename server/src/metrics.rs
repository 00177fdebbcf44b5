//! What Prometheus reads. The only file that knows its client library: everything else adds
//! snapshots up in [`Totals`].

mod accumulator;
mod certificate_metrics;
mod dashboard_data;
mod engine_metrics;
mod latency;
mod requests;
pub mod table;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus::core::{Collector, Desc};
use prometheus::process_collector::ProcessCollector;
use prometheus::proto::{Metric, MetricFamily};
use prometheus::{Registry, TextEncoder};
use uringcast_engine::exposition::{
    self, ClassSample, DURATION_BOUNDS, LATENCY_BOUNDS, Labels, ServiceSample, counter,
    family_of_eight, fold, gauge, histogram, sizes,
};
use uringcast_engine::telemetry::{ClassStats, Snapshot, Totals};
use uringcast_engine::{Engine, ServiceId};

use crate::certs::Status;
use accumulator::{Accumulator, Timestamp};
pub use latency::{Format, LatencyQuery, Span};
pub use requests::Requests;

/// The sums of an engine's measurements, and how they are written.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Registry,
    state: Arc<Mutex<Accumulator>>,
    shown: Exporter,
    certificates: certificate_metrics::Statuses,
    requests: Requests,
}

impl Metrics {
    /// The media type of [`Metrics::render`].
    pub const CONTENT_TYPE: &str = exposition::CONTENT_TYPE;

    /// Metrics of an engine called `engine` with these services, in their order, and as many
    /// shards as it has. With an `objective`, deliveries that take longer use up the error budget.
    pub fn new(
        engine: &str,
        services: &[Named],
        shards: usize,
        objective: Option<Duration>,
    ) -> Metrics {
        let names = services.iter().map(|named| named.server.clone()).collect();
        let state = Arc::new(Mutex::new(Accumulator::new(shards, names, Timestamp::now())));
        let requests = Requests::new(engine);
        Metrics::of(Exporter::new(engine, services, objective, state), Vec::new(), requests)
    }

    /// Where HTTP requests are counted.
    pub fn requests(&self) -> &Requests {
        &self.requests
    }

    /// The same measurements, showing of the services' own these only.
    #[must_use]
    pub fn only(&self, services: &[ServiceId]) -> Metrics {
        let mut shown = self.shown.clone();
        shown.only = Some(services.to_vec());
        Metrics::of(shown, self.certificates.clone(), self.requests.clone())
    }

    fn of(
        shown: Exporter,
        certificates: certificate_metrics::Statuses,
        requests: Requests,
    ) -> Metrics {
        let state = Arc::clone(&shown.state);
        let collector: Box<dyn Collector> = Box::new(shown.clone());
        let registry = Registry::new();
        let process = Box::new(ProcessCollector::for_self());
        for collector in [collector, requests.collector(), process] {
            registry.register(collector).expect("no two of our metrics have one name");
        }
        if let Some(kept) = certificate_metrics::Certificates::of(&shown, &certificates) {
            registry.register(Box::new(kept)).expect("no two of our metrics have one name");
        }
        Metrics { registry, state, shown, certificates, requests }
    }

    /// The same, with the status of these services' certificates.
    #[must_use]
    pub fn with_certificates(self, certificates: Vec<(ServiceId, Arc<Mutex<Status>>)>) -> Metrics {
        Metrics::of(self.shown, certificates, self.requests)
    }

    /// Adds one shard's snapshot.
    pub fn absorb(&self, snapshot: &Snapshot) {
        lock(&self.state).absorb(snapshot);
    }

    /// Adds everything the shards have sent since the last call.
    pub fn collect(&self, engine: &Engine) {
        let mut state = lock(&self.state);
        engine.collect(|snapshot| state.absorb(snapshot));
        state.rotate_window(Timestamp::now());
    }

    /// A canary's probe arrived after so long, or not in time.
    pub fn probed(&self, shard: usize, latency: Option<Duration>) {
        lock(&self.state).probed(shard, latency);
    }

    /// The latencies as `ask` wants them.
    ///
    /// # Errors
    /// Who is asked for and not there, and who is.
    pub fn latencies(&self, ask: &LatencyQuery) -> Result<String, String> {
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
fn lock(state: &Mutex<Accumulator>) -> MutexGuard<'_, Accumulator> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A service as its metrics name it.
#[derive(Clone, Debug)]
pub struct Named {
    /// The `server` label.
    pub server: String,
    /// Whether its `tls_mode` is `wss`.
    pub tls: bool,
    /// Connections it takes at most.
    pub most: usize,
}

/// The totals as Prometheus's data model.
#[derive(Clone, Debug)]
struct Exporter {
    /// The `server` label of what the services share.
    engine: String,
    services: Vec<Named>,
    /// Services to be shown, if not all.
    only: Option<Vec<ServiceId>>,
    objective: Option<Duration>,
    state: Arc<Mutex<Accumulator>>,
    descs: Vec<Desc>,
}

impl Collector for Exporter {
    fn desc(&self) -> Vec<&Desc> {
        self.descs.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        self.families(&lock(&self.state))
    }
}

/// A family of ours as its row describes it.
fn family(name: &str, metrics: Vec<Metric>) -> MetricFamily {
    exposition::family(table::row(name), metrics)
}

impl Exporter {
    fn new(
        engine: &str,
        services: &[Named],
        objective: Option<Duration>,
        state: Arc<Mutex<Accumulator>>,
    ) -> Exporter {
        let (engine, services) = (engine.to_owned(), services.to_vec());
        let mut shown =
            Exporter { engine, services, only: None, objective, state, descs: Vec::new() };
        let names = shown.services.iter().map(|named| named.server.clone()).collect();
        let empty = shown.families(&Accumulator::new(0, names, Timestamp::now()));
        let desc = |family: &MetricFamily| {
            let (name, help) = (family.name().to_owned(), family.help().to_owned());
            Desc::new(name, help, vec!["server".into()], Default::default())
                .expect("our metrics are well named")
        };
        shown.descs = empty.iter().map(desc).collect();
        shown
    }

    fn families(&self, state: &Accumulator) -> Vec<MetricFamily> {
        let totals = &state.totals;
        let mut all = family_of_eight(&self.service_samples(totals), &self.class_samples(totals));
        all.push(self.delivery(totals));
        all.push(self.limits());
        self.engine_metrics(state, &mut all);
        all
    }

    fn service_samples<'a>(&'a self, totals: &'a Totals) -> Vec<ServiceSample<'a>> {
        let both = self.services.iter().zip(&totals.services).enumerate();
        both.filter(|(place, _)| self.shows(ServiceId(*place as u8)))
            .map(|(_, (named, stats))| ServiceSample {
                server: &named.server,
                tls: named.tls,
                stats,
                handling: std::array::from_fn(|kind| {
                    fold(stats.handling[kind].as_ref(), &LATENCY_BOUNDS)
                }),
            })
            .collect()
    }

    fn class_samples<'a>(&'a self, totals: &'a Totals) -> Vec<ClassSample<'a>> {
        let sample = |class: &'a ClassStats| ClassSample {
            server: &self.services[class.service.index()].server,
            channel: &class.name,
            broadcasts: class.broadcasts,
            duration: fold(Some(&class.broadcast), &DURATION_BOUNDS),
        };
        self.classes(totals).map(sample).collect()
    }

    fn delivery(&self, totals: &Totals) -> MetricFamily {
        let one = |class: &ClassStats| {
            let server = &self.services[class.service.index()].server;
            let channel = [("channel", &*class.name)];
            histogram(server, &channel, Some(&class.delivery), &DURATION_BOUNDS)
        };
        family("uringcast_delivery_duration_seconds", self.classes(totals).map(one).collect())
    }

    /// What connections are measured by.
    fn limits(&self) -> MetricFamily {
        let shown = self.services.iter().enumerate();
        let shown = shown.filter(|(place, _)| self.shows(ServiceId(*place as u8)));
        let one = |(_, named): (_, &Named)| gauge(&named.server, &[], named.most as f64);
        family("uringcast_connections_limit", shown.map(one).collect())
    }

    /// The classes of the services that are shown.
    fn classes<'a>(&self, totals: &'a Totals) -> impl Iterator<Item = &'a ClassStats> {
        totals.classes.values().filter(|class| self.shows(class.service))
    }

    fn shows(&self, service: ServiceId) -> bool {
        self.only.as_ref().is_none_or(|only| only.contains(&service))
    }
}
