//! What Prometheus reads. Only this module uses its client library; the rest of the server adds
//! snapshots up in [`Totals`].

mod accumulator;
mod carried;
mod cluster_metrics;
mod dashboard_data;
mod engine_metrics;
mod http_given_up;
mod latency;
mod requests;
pub mod table;
mod timestamp;

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use prometheus::TextEncoder;
use prometheus::core::Collector;
use prometheus::process_collector::ProcessCollector;
use prometheus::proto::{Metric, MetricFamily};
use serde_json::Value;
use uringcast_engine::exposition::{
    self, ClassSample, DURATION_BOUNDS, LATENCY_BOUNDS, ServiceSample, counter, family_of_eight,
    fold, gauge, histogram,
};
use uringcast_engine::telemetry::{ClassStats, Snapshot, Totals};
use uringcast_engine::{Engine, Service, ServiceId};

use crate::certs::CertStatus;
use crate::cluster::ClusterStatus;
use crate::config_reload::ReloadStatus;
use crate::foreign_listeners::ForeignListeners;
use crate::live_services::LiveServices;
use accumulator::Accumulator;
use carried::Carried;
pub use http_given_up::{GivenUp, HttpGivenUp};
pub use latency::{Format, LatencyQuery, Span};
pub use requests::Requests;
use timestamp::Timestamp;

/// The status of each service's certificates.
type CertStatuses = Vec<(ServiceId, Arc<Mutex<CertStatus>>)>;

/// The sums of an engine's measurements, and how they are written.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// The `server` label of what the services share.
    engine: String,
    services: Arc<[Service]>,
    live: LiveServices,
    reloads: Arc<Mutex<ReloadStatus>>,
    /// Services to be shown, if not all.
    only: Option<Vec<ServiceId>>,
    objective: Option<Duration>,
    accumulator: Arc<Mutex<Accumulator>>,
    certificates: CertStatuses,
    foreign: Option<ForeignListeners>,
    /// What the servers before have counted.
    carried: Carried,
    cluster: Option<Arc<Mutex<ClusterStatus>>>,
    /// The counters of HTTP requests.
    pub(crate) requests: Requests,
    /// What the HTTP ports gave up.
    pub(crate) given_up: HttpGivenUp,
}

impl Metrics {
    /// The media type of [`Metrics::render`].
    pub const CONTENT_TYPE: &str = exposition::CONTENT_TYPE;

    /// Metrics of an engine called `engine` with these services, in their order, and as many
    /// shards as it has. With an `objective`, deliveries that take longer use up the error budget.
    pub fn new(
        engine: &str,
        services: Arc<[Service]>,
        shards: usize,
        objective: Option<Duration>,
    ) -> Metrics {
        let names = services.iter().map(|service| service.name.clone()).collect();
        let accumulator = Accumulator::new(shards, names, Timestamp::now());
        Metrics {
            engine: engine.to_owned(),
            live: LiveServices::new(Arc::clone(&services)),
            reloads: Arc::default(),
            services,
            only: None,
            objective,
            accumulator: Arc::new(Mutex::new(accumulator)),
            certificates: Vec::new(),
            foreign: None,
            carried: Carried::default(),
            cluster: None,
            requests: Requests::new(engine),
            given_up: HttpGivenUp::new(engine),
        }
    }

    /// The same measurements, with the families of services restricted to these services.
    #[must_use]
    pub fn only(&self, services: &[ServiceId]) -> Metrics {
        Metrics { only: Some(services.to_vec()), ..self.clone() }
    }

    /// The same, with the status of these services' certificates.
    #[must_use]
    pub fn with_certificates(self, certificates: CertStatuses) -> Metrics {
        Metrics { certificates, ..self }
    }

    /// The same, with the number of other processes' listeners.
    #[must_use]
    pub fn with_foreign_listeners(self, foreign: Option<ForeignListeners>) -> Metrics {
        Metrics { foreign, ..self }
    }

    /// The same, with what the cluster has come to.
    #[must_use]
    pub fn with_cluster(self, cluster: Option<Arc<Mutex<ClusterStatus>>>) -> Metrics {
        Metrics { cluster, ..self }
    }

    /// The same, with the settings of the services that change and the status of their reloads.
    #[must_use]
    pub(crate) fn with_reloads(
        self,
        live: LiveServices,
        reloads: Arc<Mutex<ReloadStatus>>,
    ) -> Metrics {
        Metrics { live, reloads, ..self }
    }

    /// Adds one shard's snapshot.
    pub fn absorb(&self, snapshot: &Snapshot) {
        self.accumulator.lock().absorb(snapshot);
    }

    /// Adds everything the shards have sent since the last call.
    pub fn collect(&self, engine: &Engine) {
        let mut accumulator = self.accumulator.lock();
        engine.collect(|snapshot| accumulator.absorb(snapshot));
        accumulator.rotate_window(Timestamp::now());
    }

    /// A self-probe's probe arrived after this time, or not in time.
    pub fn probed(&self, shard: usize, latency: Option<Duration>) {
        self.accumulator.lock().probed(shard, latency);
    }

    /// The latencies that a query selects.
    ///
    /// # Errors
    /// The server or class that the query names and that is not there, and those that are.
    pub fn latencies(&self, query: &LatencyQuery) -> Result<String, String> {
        latency::render(&self.accumulator.lock(), query)
    }

    /// Makes the dashboard's point of this second; returns what the dashboard shows of now.
    pub fn make_point(&self) -> Value {
        let (mut guard, now) = (self.accumulator.lock(), Timestamp::now());
        let accumulator = &mut *guard;
        accumulator.dashboard.make_point(&accumulator.totals, now);
        self.with_cluster_now(accumulator.dashboard_now(now))
    }

    /// What the dashboard shows of now, and its points of the last minutes.
    pub fn dashboard(&self) -> (Value, Value) {
        let accumulator = self.accumulator.lock();
        let now = self.with_cluster_now(accumulator.dashboard_now(Timestamp::now()));
        (now, accumulator.dashboard.history())
    }

    fn with_cluster_now(&self, mut now: Value) -> Value {
        now["cluster"] = self.cluster_now();
        now
    }

    /// Everything in the text format 0.0.4: families by name, samples by the values of their
    /// labels.
    ///
    /// # Errors
    /// None that input can cause: a metric that is not well formed.
    pub fn render(&self) -> prometheus::Result<String> {
        let mut all = self.all_families();
        all.retain(|family| !family.get_metric().is_empty());
        all.sort_by(|a, b| a.name().cmp(b.name()));
        let values = |metric: &Metric| {
            metric.get_label().iter().map(|label| label.value().to_owned()).collect::<Vec<_>>()
        };
        all.iter_mut().for_each(|family| family.mut_metric().sort_by_cached_key(values));
        TextEncoder::new().encode_to_string(&all)
    }

    /// Everything, with what the servers before have counted.
    fn all_families(&self) -> Vec<MetricFamily> {
        let mut all = self.families(&self.accumulator.lock());
        all.extend(self.requests.0.collect());
        all.extend(self.given_up.0.collect());
        all.extend(ProcessCollector::for_self().collect());
        let is_hidden =
            |server: &str| {
                server != self.engine
                    && self.services.iter().enumerate().any(|(id, service)| {
                        service.name == server && !self.shows(ServiceId(id as u8))
                    })
            };
        self.carried.add_to(&mut all, is_hidden);
        all
    }

    /// What the server that takes over is to go on with.
    pub(crate) fn to_carry(&self) -> Vec<u8> {
        Carried::write(&self.all_families())
    }

    /// Goes on with what the server before has counted.
    ///
    /// # Errors
    /// For other bytes than those of [`Metrics::to_carry`].
    pub(crate) fn carry(&self, bytes: &[u8]) -> Result<(), serde_json::Error> {
        self.carried.read(bytes)
    }

    fn families(&self, accumulator: &Accumulator) -> Vec<MetricFamily> {
        let totals = &accumulator.totals;
        let mut all =
            Families(family_of_eight(&self.service_samples(totals), &self.class_samples(totals)));
        let delivery = |class: &ClassStats| {
            let channel = [("channel", &*class.name)];
            let server = self.server(class.service);
            histogram(server, &channel, Some(&class.delivery), &DURATION_BOUNDS)
        };
        all.add("uringcast_delivery_duration_seconds", self.classes(totals).map(delivery));
        let live = self.live.current();
        let limit = |(id, service): (ServiceId, &Service)| {
            gauge(&service.name, &[], live[id.index()].max_connections as f64)
        };
        all.add("uringcast_connections_limit", self.shown().map(limit));
        let ReloadStatus { is_successful, waiting_for_restart } = *self.reloads.lock();
        let successful = gauge(&self.engine, &[], f64::from(u8::from(is_successful)));
        all.add("uringcast_config_reload_successful", [successful]);
        let waiting = gauge(&self.engine, &[], waiting_for_restart as f64);
        all.add("uringcast_config_waiting_for_restart", [waiting]);
        self.certificate_families(&mut all);
        let foreign =
            self.foreign.iter().map(|foreign| gauge(&self.engine, &[], foreign.count() as f64));
        all.add("uringcast_foreign_listeners", foreign);
        self.cluster_families(&mut all);
        self.engine_metrics(accumulator, &mut all);
        all.0
    }

    fn service_samples<'a>(&'a self, totals: &'a Totals) -> Vec<ServiceSample<'a>> {
        let sample = |(id, service): (ServiceId, &'a Service)| {
            let stats = &totals.services[id.index()];
            let handling =
                std::array::from_fn(|kind| fold(stats.handling[kind].as_ref(), &LATENCY_BOUNDS));
            ServiceSample { server: &service.name, tls: service.tls.is_some(), stats, handling }
        };
        self.shown().map(sample).collect()
    }

    fn class_samples<'a>(&'a self, totals: &'a Totals) -> Vec<ClassSample<'a>> {
        let sample = |class: &'a ClassStats| ClassSample {
            server: self.server(class.service),
            channel: &class.name,
            broadcasts: class.broadcasts,
            duration: fold(Some(&class.broadcast), &DURATION_BOUNDS),
        };
        self.classes(totals).map(sample).collect()
    }

    /// The certificates of the services that are shown.
    fn certificate_families(&self, all: &mut Families) {
        let (mut ends, mut reloads) = (Vec::new(), Vec::new());
        for (id, status) in self.certificates.iter().filter(|(id, _)| self.shows(*id)) {
            let server = self.server(*id);
            let status = status.lock().clone();
            for (name, end) in &status.certificates {
                ends.push(gauge(server, &[("certificate", name)], *end as f64));
            }
            for (result, count) in [("success", status.reloaded), ("failure", status.failed)] {
                reloads.push(counter(server, &[("result", result)], count));
            }
        }
        all.add("tls_certificate_not_after_seconds", ends);
        all.add("tls_reloads_total", reloads);
    }

    /// The classes of the services that are shown.
    fn classes<'a>(&self, totals: &'a Totals) -> impl Iterator<Item = &'a ClassStats> {
        totals.classes.values().filter(|class| self.shows(class.service))
    }

    /// The services that are shown.
    fn shown(&self) -> impl Iterator<Item = (ServiceId, &Service)> {
        let all = self.services.iter().enumerate().map(|(id, one)| (ServiceId(id as u8), one));
        all.filter(|(id, _)| self.shows(*id))
    }

    fn shows(&self, service: ServiceId) -> bool {
        self.only.as_ref().is_none_or(|only| only.contains(&service))
    }

    /// The `server` label of a service.
    fn server(&self, service: ServiceId) -> &str {
        &self.services[service.index()].name
    }
}

/// Families of metrics, each as its row describes it.
struct Families(Vec<MetricFamily>);

impl Families {
    fn add(&mut self, name: &str, metrics: impl IntoIterator<Item = Metric>) {
        self.0.push(exposition::family(table::row(name), metrics.into_iter().collect()));
    }
}
