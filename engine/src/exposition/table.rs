//! The family's eight metrics: names, types, labels and HELP, wherever they are exposed.

/// The type of a metric, as Prometheus calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only rises.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts by upper bound.
    Histogram,
}

impl Kind {
    /// As TYPE lines have it.
    pub fn text(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        }
    }
}

/// One metric.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The heading it stands under.
    pub group: &'static str,
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// Its labels, separated by blanks.
    pub labels: &'static str,
    /// The HELP line.
    pub help: &'static str,
    /// Which question it answers.
    pub reason: &'static str,
}

const fn row(
    name: &'static str,
    kind: Kind,
    labels: &'static str,
    help: &'static str,
    reason: &'static str,
) -> Row {
    Row { group: "The family's", name, kind, labels, help, reason }
}

pub(super) const CONNECTIONS: Row = row(
    "websocket_connections_total",
    Kind::Counter,
    "server tls_mode",
    "WebSocket connections established.",
    "How many come: the rate of reconnecting.",
);

pub(super) const ACTIVE: Row = row(
    "websocket_connections_active",
    Kind::Gauge,
    "server tls_mode",
    "WebSocket connections open now.",
    "Who is there; against max_connections.",
);

pub(super) const MESSAGES: Row = row(
    "websocket_messages_total",
    Kind::Counter,
    "server message_type direction",
    "Messages sent and received; a broadcast counts once per delivery.",
    "The load, each way.",
);

pub(super) const BROADCASTS: Row = row(
    "websocket_broadcast_total",
    Kind::Counter,
    "server channel",
    "Broadcasts, by class of channel: its name up to the first colon.",
    "The load that publishers bring.",
);

pub(super) const DURATION: Row = row(
    "websocket_broadcast_duration_seconds",
    Kind::Histogram,
    "server channel",
    "From accepting a broadcast to handing the last live subscriber's bytes to the kernel.",
    "The promise: when everybody who keeps up has a message.",
);

pub(super) const CONNECTION_ERRORS: Row = row(
    "websocket_connection_errors_total",
    Kind::Counter,
    "server error_type",
    "Connections that failed, or were ended for the peer's fault, by reason.",
    "Who is turned away or lost, and why.",
);

pub(super) const MESSAGE_ERRORS: Row = row(
    "websocket_message_errors_total",
    Kind::Counter,
    "server error_type",
    "Messages that were not served or not delivered, by reason.",
    "Which requests fail, and why.",
);

pub(super) const LATENCY: Row = row(
    "websocket_latency_seconds",
    Kind::Histogram,
    "server message_type",
    "From taking in an inbound message to having handled it and all that was taken in with it.",
    "How long requests wait for each other and for deliveries.",
);

/// The rows of all eight, in the order of docs/METRICS.md.
pub const FAMILY: [Row; 8] = [
    CONNECTIONS,
    ACTIVE,
    MESSAGES,
    BROADCASTS,
    DURATION,
    CONNECTION_ERRORS,
    MESSAGE_ERRORS,
    LATENCY,
];
