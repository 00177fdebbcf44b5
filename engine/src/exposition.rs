//! The Prometheus text format: the family's eight metrics, which servers and embedders share, and
//! the functions that make samples and families.

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
    /// Its counts. `handling` is not read.
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
    let samples = [
        each(connections),
        each(active),
        each(messages),
        of_class(broadcasts),
        of_class(duration),
        each(connection_errors),
        each(message_errors),
        each(latency),
    ];
    FAMILY.iter().zip(samples).map(|(row, samples)| family(row, samples)).collect()
}

fn mode(service: &ServiceSample<'_>) -> (&'static str, &'static str) {
    ("tls_mode", if service.tls { "wss" } else { "ws" })
}

fn connections(service: &ServiceSample<'_>) -> Vec<Metric> {
    vec![counter(service.server, &[mode(service)], service.stats.connections)]
}

fn active(service: &ServiceSample<'_>) -> Vec<Metric> {
    vec![gauge(service.server, &[mode(service)], service.stats.load.connections)]
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
    let types = ConnectionError::ALL.iter().map(|error| error.label());
    errors(service.server, types, &service.stats.connection_errors)
}

fn message_errors(service: &ServiceSample<'_>) -> Vec<Metric> {
    let types = MessageError::ALL.iter().map(|error| error.label());
    errors(service.server, types, &service.stats.message_errors)
}

fn errors<'a>(server: &str, types: impl Iterator<Item = &'a str>, counts: &[u64]) -> Vec<Metric> {
    let one = |(label, n): (&str, &u64)| counter(server, &[("error_type", label)], *n);
    types.zip(counts).map(one).collect()
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
