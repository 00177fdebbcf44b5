//! How measurements are written for Prometheus: the family's eight metrics, which servers and
//! embedders share, and what their like is made of.

mod buckets;
mod families;
mod table;

use prometheus::proto::{Metric, MetricFamily};

use crate::telemetry::{ConnectionError, MessageError, MessageType, ServiceStats};
pub use buckets::{DURATION_BOUNDS, Folded, LATENCY_BOUNDS, fold, seconds};
pub use families::{Labels, Number, counter, durations, family, gauge, histogram, sizes};
pub use table::{FAMILY, Kind, Row};

/// The media type of the text format.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What one service did, for the `server` label.
#[derive(Debug)]
pub struct ServiceSample<'a> {
    /// The `server` label.
    pub server: &'a str,
    /// Whether its `tls_mode` is `wss`.
    pub tls: bool,
    /// Its counts. `handling` is not looked at.
    pub stats: &'a ServiceStats,
    /// Handling time by [`MessageType`], folded by [`LATENCY_BOUNDS`].
    pub handling: [Folded; MessageType::COUNT],
}

/// What one class of a service's channels did.
#[derive(Debug)]
pub struct ClassSample<'a> {
    /// The `server` label.
    pub server: &'a str,
    /// The class's name.
    pub channel: &'a str,
    /// Broadcasts.
    pub broadcasts: u64,
    /// Their durations, folded by [`DURATION_BOUNDS`].
    pub duration: Folded,
}

/// The family's eight metrics. A family without samples is empty.
pub fn family_of_eight(
    services: &[ServiceSample<'_>],
    classes: &[ClassSample<'_>],
) -> Vec<MetricFamily> {
    let each = |samples: fn(&ServiceSample<'_>) -> Vec<Metric>| {
        services.iter().flat_map(samples).collect::<Vec<_>>()
    };
    let of_class = |sample: fn(&ClassSample<'_>) -> Metric| classes.iter().map(sample).collect();
    vec![
        family(&table::CONNECTIONS, each(|s| vec![connections(s)])),
        family(&table::ACTIVE, each(|s| vec![active(s)])),
        family(&table::MESSAGES, each(messages)),
        family(&table::BROADCASTS, of_class(broadcasts)),
        family(&table::DURATION, of_class(duration)),
        family(&table::CONNECTION_ERRORS, each(connection_errors)),
        family(&table::MESSAGE_ERRORS, each(message_errors)),
        family(&table::LATENCY, each(latency)),
    ]
}

fn mode(service: &ServiceSample<'_>) -> (&'static str, &'static str) {
    ("tls_mode", if service.tls { "wss" } else { "ws" })
}

fn connections(service: &ServiceSample<'_>) -> Metric {
    counter(service.server, &[mode(service)], service.stats.connections)
}

fn active(service: &ServiceSample<'_>) -> Metric {
    gauge(service.server, &[mode(service)], service.stats.open)
}

fn messages(service: &ServiceSample<'_>) -> Vec<Metric> {
    let both = |kind: &MessageType| {
        let (label, i) = (("message_type", kind.label()), *kind as usize);
        let one = |direction, n| counter(service.server, &[label, ("direction", direction)], n);
        [one("sent", service.stats.sent[i]), one("received", service.stats.received[i])]
    };
    MessageType::ALL.iter().flat_map(both).collect()
}

fn connection_errors(service: &ServiceSample<'_>) -> Vec<Metric> {
    let counts = &service.stats.connection_errors;
    let one = |error: &ConnectionError| {
        counter(service.server, &[("error_type", error.label())], counts[*error as usize])
    };
    ConnectionError::ALL.iter().map(one).collect()
}

fn message_errors(service: &ServiceSample<'_>) -> Vec<Metric> {
    let counts = &service.stats.message_errors;
    let one = |error: &MessageError| {
        counter(service.server, &[("error_type", error.label())], counts[*error as usize])
    };
    MessageError::ALL.iter().map(one).collect()
}

fn latency(service: &ServiceSample<'_>) -> Vec<Metric> {
    let one = |(kind, times): (&MessageType, &Folded)| {
        durations(service.server, &[("message_type", kind.label())], times, &LATENCY_BOUNDS)
    };
    MessageType::ALL.iter().zip(&service.handling).map(one).collect()
}

fn broadcasts(class: &ClassSample<'_>) -> Metric {
    counter(class.server, &[("channel", class.channel)], class.broadcasts)
}

fn duration(class: &ClassSample<'_>) -> Metric {
    durations(class.server, &[("channel", class.channel)], &class.duration, &DURATION_BOUNDS)
}
