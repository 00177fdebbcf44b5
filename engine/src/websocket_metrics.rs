//! The family's eight metrics for a program with sockets of its own.

mod metrics_server;
mod thread_counters;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use prometheus::TextEncoder;
use thread_local::ThreadLocal;

use crate::exposition::{
    ClassSample, DURATION_BOUNDS, LATENCY_BOUNDS, ServiceSample, family_of_eight,
};
use crate::limits::MAX_CLASSES;
use crate::telemetry::{ConnectionError, MessageError, MessageType};
pub use metrics_server::{MetricsServer, MetricsServerError};
use thread_counters::{OTHER, ThreadCounters};

/// Records the eight series of a server for any other program.
///
/// Cheap to clone and to share: every thread has counters of its own, without locks, without locked
/// instructions and, once a thread has used a channel's class, without allocating. A scrape adds
/// the threads' counters up; a thread that ends leaves its counts behind. Everything is bounded:
/// labels are closed sets, channels are grouped by class (the part before the first `:`), and from
/// the hundred and first on classes are `other`.
///
/// ```
/// use std::time::Duration;
/// use uringcast_engine::WebSocketMetrics;
/// use uringcast_engine::telemetry::{ConnectionError, MessageError, MessageType};
///
/// let metrics = WebSocketMetrics::new("orders", true);
/// let server = metrics.start_metrics_server(0)?;
///
/// let worker = metrics.clone();
/// std::thread::spawn(move || {
///     worker.on_connect();
///     worker.on_message_received(MessageType::Subscribe);
///     worker.observe_latency(MessageType::Subscribe, Duration::from_micros(40));
///     worker.on_message_sent(MessageType::Response);
///     worker.on_broadcast("order:7", 250, Duration::from_micros(900));
///     worker.on_message_error(MessageError::DecodeError);
///     worker.on_connection_error(ConnectionError::Timeout);
///     worker.on_disconnect();
/// })
/// .join()
/// .unwrap();
///
/// assert!(metrics.render().contains(
///     "websocket_connections_total{server=\"orders\",tls_mode=\"wss\"} 1"
/// ));
/// println!("http://{}/metrics", server.local_addr().unwrap());
/// # Ok::<(), uringcast_engine::MetricsServerError>(())
/// ```
#[derive(Clone, Debug)]
pub struct WebSocketMetrics(Option<Arc<Inner>>);

#[derive(Debug)]
struct Inner {
    server: String,
    tls: bool,
    counters: ThreadLocal<Box<ThreadCounters>>,
    /// Place of each class in the counters. Replaced, seldom, by one with a class more.
    classes: ArcSwap<HashMap<String, usize>>,
}

impl WebSocketMetrics {
    /// Metrics of the service called `server`; `tls`: whether its `tls_mode` is `wss`.
    pub fn new(server: &str, tls: bool) -> WebSocketMetrics {
        WebSocketMetrics(Some(Arc::new(Inner {
            server: server.to_owned(),
            tls,
            counters: ThreadLocal::new(),
            classes: ArcSwap::default(),
        })))
    }

    /// Metrics that are off: every call returns at once, and nothing is served.
    pub fn disabled() -> WebSocketMetrics {
        WebSocketMetrics(None)
    }

    /// Whether anything is recorded at all.
    pub fn is_enabled(&self) -> bool {
        self.0.is_some()
    }

    /// This thread's counters, unless metrics are off.
    fn counters(&self) -> Option<&ThreadCounters> {
        let inner = self.0.as_deref()?;
        Some(inner.counters.get_or(|| Box::new(ThreadCounters::new())))
    }

    fn record(&self, record: impl FnOnce(&ThreadCounters)) {
        self.counters().map(record);
    }

    /// A connection was established.
    pub fn on_connect(&self) {
        self.record(|counters| counters.connects.add(1));
    }

    /// An established connection is over; any thread may record it.
    pub fn on_disconnect(&self) {
        self.record(|counters| counters.disconnects.add(1));
    }

    /// A message was sent to one client, other than by a broadcast.
    pub fn on_message_sent(&self, kind: MessageType) {
        self.record(|counters| counters.sent[kind as usize].add(1));
    }

    /// A message came in.
    pub fn on_message_received(&self, kind: MessageType) {
        self.record(|counters| counters.received[kind as usize].add(1));
    }

    /// A broadcast on `channel` reached `subscribers`, the last one `time` after it was accepted.
    /// It counts as that many events sent.
    pub fn on_broadcast(&self, channel: &str, subscribers: u64, time: Duration) {
        if let (Some(inner), Some(counters)) = (self.0.as_deref(), self.counters()) {
            counters.sent[MessageType::Event as usize].add(subscribers);
            let class = channel.split(':').next().unwrap_or(channel);
            counters.class_or_new(inner.place(class)).observe(time, &DURATION_BOUNDS);
        }
    }

    /// A connection failed, or was ended for the peer's fault.
    pub fn on_connection_error(&self, error: ConnectionError) {
        self.record(|counters| counters.connection_errors[error as usize].add(1));
    }

    /// A message was not served or not delivered.
    pub fn on_message_error(&self, error: MessageError) {
        self.record(|counters| counters.message_errors[error as usize].add(1));
    }

    /// Handling one inbound message took so long.
    pub fn observe_latency(&self, kind: MessageType, time: Duration) {
        self.record(|counters| counters.handling[kind as usize].observe(time, &LATENCY_BOUNDS));
    }

    /// The series in the text format ([`CONTENT_TYPE`](crate::exposition::CONTENT_TYPE)), for a
    /// program with an HTTP server of its own. Nothing if metrics are off.
    pub fn render(&self) -> String {
        self.0.as_deref().map(Inner::render).unwrap_or_default()
    }

    /// Serves `GET /metrics` on this port of loopback, or on a free one for 0, until the handle is
    /// dropped.
    ///
    /// # Errors
    /// When the port is taken, or the system has no socket or thread to give.
    pub fn start_metrics_server(&self, port: u16) -> Result<MetricsServer, MetricsServerError> {
        let Some(inner) = self.0.clone() else { return Ok(MetricsServer::off()) };
        MetricsServer::start(port, move || inner.render())
    }
}

impl Inner {
    /// Where counters keep a class.
    fn place(&self, class: &str) -> usize {
        let known = self.classes.load();
        match known.get(class) {
            Some(place) => *place,
            None if known.len() >= MAX_CLASSES => OTHER,
            None => self.admit(class),
        }
    }

    /// A place for a class that is new; several threads may request it at once.
    #[cold]
    fn admit(&self, class: &str) -> usize {
        // A class that is called `other` shares the place of those without one.
        if class == OTHER_NAME {
            return OTHER;
        }
        self.classes.rcu(|known| {
            let mut more = HashMap::clone(known);
            if more.len() < MAX_CLASSES && !more.contains_key(class) {
                more.insert(class.to_owned(), more.len());
            }
            more
        });
        self.classes.load().get(class).copied().unwrap_or(OTHER)
    }

    fn render(&self) -> String {
        let counters: Vec<&ThreadCounters> =
            self.counters.iter().map(|counters| &**counters).collect();
        let stats = thread_counters::stats(&counters);
        let handling =
            |kind: usize| thread_counters::fold(counters.iter().map(|s| &s.handling[kind]));
        let service = ServiceSample {
            server: &self.server,
            tls: self.tls,
            stats: &stats,
            handling: std::array::from_fn(handling),
        };
        let known = self.classes.load();
        let mut named: Vec<(&str, usize)> = known.iter().map(|(n, place)| (&**n, *place)).collect();
        named.push((OTHER_NAME, OTHER));
        named.sort_unstable();
        let class = |(channel, place)| {
            let duration =
                thread_counters::fold(counters.iter().filter_map(|counters| counters.class(place)));
            ClassSample { server: &self.server, channel, broadcasts: duration.count, duration }
        };
        let mut classes: Vec<ClassSample<'_>> = named.into_iter().map(class).collect();
        classes.retain(|class| class.broadcasts > 0);
        let mut families = family_of_eight(&[service], &classes);
        families.retain(|family| !family.get_metric().is_empty());
        families.sort_by(|one, other| one.name().cmp(other.name()));
        TextEncoder::new().encode_to_string(&families).expect("our metrics are well formed")
    }
}

/// The class of what is beyond the bound.
const OTHER_NAME: &str = "other";
