//! Samples and families in the client library's types.

use hdrhistogram::Histogram;
use prometheus::proto::{self, LabelPair, Metric, MetricFamily, MetricType};

use super::buckets::{Folded, fold, seconds};
use super::table::{Kind, Row};

/// Names and values of labels, beside `server`.
pub type Labels<'a> = &'a [(&'a str, &'a str)];

fn labels(server: &str, more: Labels<'_>) -> Vec<LabelPair> {
    let pair = |(name, value): (&str, &str)| {
        let mut pair = LabelPair::default();
        pair.set_name(name.to_owned());
        pair.set_value(value.to_owned());
        pair
    };
    [("server", server)].into_iter().chain(more.iter().copied()).map(pair).collect()
}

/// One sample of a counter.
pub fn counter(server: &str, more: Labels<'_>, value: impl Number) -> Metric {
    let mut counter = proto::Counter::default();
    counter.set_value(value.number());
    let mut metric = Metric::from_label(labels(server, more));
    metric.set_counter(counter);
    metric
}

/// One sample of a gauge.
pub fn gauge(server: &str, more: Labels<'_>, value: impl Number) -> Metric {
    let mut gauge = proto::Gauge::default();
    gauge.set_value(value.number());
    let mut metric = Metric::from_label(labels(server, more));
    metric.set_gauge(gauge);
    metric
}

/// A histogram of nanoseconds, in seconds.
pub fn histogram(
    server: &str,
    more: Labels<'_>,
    times: Option<&Histogram<u64>>,
    bounds: &[u64],
) -> Metric {
    durations(server, more, &fold(times, bounds), bounds)
}

/// The same of what was folded by these bounds already.
pub fn durations(server: &str, more: Labels<'_>, folded: &Folded, bounds: &[u64]) -> Metric {
    distribution(server, more, folded, bounds.iter().map(|bound| seconds(*bound)))
}

/// A histogram of plain numbers.
pub fn sizes(server: &str, sizes: &Histogram<u64>, bounds: &[u64]) -> Metric {
    let mut folded = fold(Some(sizes), bounds);
    folded.sum *= 1e9;
    distribution(server, &[], &folded, bounds.iter().map(|bound| *bound as f64))
}

fn distribution(
    server: &str,
    more: Labels<'_>,
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
    let mut metric = Metric::from_label(labels(server, more));
    metric.set_histogram(histogram);
    metric
}

/// A family as its row describes it.
pub fn family(row: &Row, metrics: Vec<Metric>) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(row.name.to_owned());
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
pub trait Number {
    /// As the text format has it.
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
