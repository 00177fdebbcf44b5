//! What Prometheus reads. The only file that knows its client library: everything else adds
//! snapshots up in [`Totals`].

mod buckets;
mod families;
mod latency;
mod live;
mod own;
mod requests;
mod state;
pub mod table;
mod tls;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus::core::{Collector, Desc};
use prometheus::process_collector::ProcessCollector;
use prometheus::proto::MetricFamily;
use prometheus::{Registry, TextEncoder};
use uringcast_engine::telemetry::{
    ClassStats, ConnectionError, MessageError, MessageType, ServiceStats, Snapshot, Totals,
};
use uringcast_engine::{Engine, ServiceId};

use crate::certs::Status;
use buckets::{DURATION_BOUNDS, LATENCY_BOUNDS};
use families::{counter, family, gauge, histogram, sizes};
pub use latency::{Ask, Format, Span};
pub use requests::Requests;
use state::{Point, State};

/// The sums of an engine's measurements, and how they are written.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Registry,
    state: Arc<Mutex<State>>,
    shown: Shown,
    certificates: tls::Statuses,
    requests: Requests,
}

impl Metrics {
    /// The media type of [`Metrics::render`].
    pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

    /// Metrics of an engine called `engine` with these services, in their order, and as many
    /// shards as it has. With an `objective`, deliveries that take longer use up the error budget.
    pub fn new(
        engine: &str,
        services: &[Named],
        shards: usize,
        objective: Option<Duration>,
    ) -> Metrics {
        let names = services.iter().map(|named| named.server.clone()).collect();
        let state = Arc::new(Mutex::new(State::new(shards, names, Point::now())));
        let requests = Requests::new(engine);
        Metrics::of(Shown::new(engine, services, objective, state), Vec::new(), requests)
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

    fn of(shown: Shown, certificates: tls::Statuses, requests: Requests) -> Metrics {
        let state = Arc::clone(&shown.state);
        let collector: Box<dyn Collector> = Box::new(shown.clone());
        let registry = Registry::new();
        let process = Box::new(ProcessCollector::for_self());
        for collector in [collector, requests.collector(), process] {
            registry.register(collector).expect("no two of our metrics have one name");
        }
        if let Some(kept) = tls::Certificates::of(&shown, &certificates) {
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

/// A service as its metrics name it.
#[derive(Clone, Debug)]
pub struct Named {
    /// The `server` label.
    pub server: String,
    /// Whether its `tls_mode` is `wss`.
    pub tls: bool,
}

/// The totals as Prometheus's data model.
#[derive(Clone, Debug)]
struct Shown {
    /// The `server` label of what the services share.
    engine: String,
    services: Vec<Named>,
    /// Services to be shown, if not all.
    only: Option<Vec<ServiceId>>,
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
        engine: &str,
        services: &[Named],
        objective: Option<Duration>,
        state: Arc<Mutex<State>>,
    ) -> Shown {
        let (engine, services) = (engine.to_owned(), services.to_vec());
        let mut shown = Shown { engine, services, only: None, objective, state, descs: Vec::new() };
        let names = shown.services.iter().map(|named| named.server.clone()).collect();
        let empty = shown.families(&State::new(0, names, Point::now()));
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
        let mode = |named: &Named| [("tls_mode", if named.tls { "wss" } else { "ws" })];
        all.push(family(
            "websocket_connections_total",
            self.each(totals, |name, stats| counter(&name.server, &mode(name), stats.connections)),
        ));
        all.push(family(
            "websocket_connections_active",
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
            self.each(totals, handling).into_iter().flatten().collect(),
        ));
    }

    fn family_broadcasts(&self, totals: &Totals, all: &mut Vec<MetricFamily>) {
        let classes = || {
            let shown = |class: &&ClassStats| self.shows(class.service);
            totals.classes.values().filter(shown).map(|class| {
                let server = &*self.services[class.service.index()].server;
                (server, [("channel", &*class.name)], class)
            })
        };
        all.push(family(
            "websocket_broadcast_total",
            classes().map(|(s, l, class)| counter(s, &l, class.broadcasts)).collect(),
        ));
        all.push(family(
            "websocket_broadcast_duration_seconds",
            classes()
                .map(|(s, l, class)| histogram(s, &l, Some(&class.broadcast), &DURATION_BOUNDS))
                .collect(),
        ));
        all.push(family(
            "uringcast_delivery_duration_seconds",
            classes()
                .map(|(s, l, class)| histogram(s, &l, Some(&class.delivery), &DURATION_BOUNDS))
                .collect(),
        ));
    }

    /// One of something for every service.
    fn each<T>(&self, totals: &Totals, one: impl Fn(&Named, &ServiceStats) -> T) -> Vec<T> {
        let both = self.services.iter().zip(&totals.services).enumerate();
        both.filter(|(place, _)| self.shows(ServiceId(*place as u8)))
            .map(|(_, (name, stats))| one(name, stats))
            .collect()
    }

    fn shows(&self, service: ServiceId) -> bool {
        self.only.as_ref().is_none_or(|only| only.contains(&service))
    }
}
