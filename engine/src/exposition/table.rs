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
    /// The heading of its group.
    pub group: &'static str,
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// Its labels, separated by blanks.
    pub labels: &'static str,
    /// The HELP line.
    pub help: &'static str,
    /// What it is used for.
    pub reason: &'static str,
}

/// Makes the rows of a group: each metric's type, name, labels, help and reason.
macro_rules! rows {
    ($group:literal {
        $($kind:ident $name:literal [$labels:literal] $help:literal, $reason:literal;)+
    }) => {
        [$(Row {
            group: $group,
            name: $name,
            kind: Kind::$kind,
            labels: $labels,
            help: $help,
            reason: $reason,
        },)+]
    };
}

/// The rows of all eight, in the order of docs/METRICS.md.
pub const FAMILY: [Row; 8] = rows! {
    "The family's" {
        Counter "websocket_connections_total" ["server tls_mode"]
            "WebSocket connections established.",
            "How many come: the rate of reconnecting.";
        Gauge "websocket_connections_active" ["server tls_mode"]
            "WebSocket connections open now.",
            "The number of clients; against max_connections.";
        Counter "websocket_messages_total" ["server message_type direction"]
            "Messages sent and received; a broadcast counts once per delivery.",
            "The load, each way.";
        Counter "websocket_broadcast_total" ["server channel"]
            "Broadcasts, by class of channel: its name up to the first colon.",
            "The load that publishers bring.";
        Histogram "websocket_broadcast_duration_seconds" ["server channel"]
            "From accepting a broadcast to handing the last live subscriber's bytes to the kernel.",
            "The promise: when every subscriber that keeps up has a message.";
        Counter "websocket_connection_errors_total" ["server error_type"]
            "Connections that failed, or were ended for the peer's fault, by reason.",
            "Which connections are refused or lost, and why.";
        Counter "websocket_message_errors_total" ["server error_type"]
            "Messages that were not served or not delivered, by reason.",
            "Which requests fail, and why.";
        Histogram "websocket_latency_seconds" ["server message_type"]
            "From taking in an inbound message to having handled it and all that was taken in with \
             it.",
            "How long requests wait for each other and for deliveries.";
    }
};
