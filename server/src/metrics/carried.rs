//! What the counters of the servers before this one had come to: a server that takes over goes on
//! with them, so that none ever falls.

use std::sync::Arc;

use parking_lot::RwLock;
use prometheus::proto::{Bucket, Counter, Histogram, LabelPair, Metric, MetricFamily, MetricType};
use serde::{Deserialize, Serialize};

/// Of the process itself, which is another one.
const OF_PROCESS: &str = "process_";

/// Counters and histograms of the servers before. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Carried(Arc<RwLock<Vec<Family>>>);

/// One of their families.
#[derive(Debug, Serialize, Deserialize)]
struct Family {
    name: String,
    samples: Vec<Sample>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Sample {
    labels: Vec<(String, String)>,
    #[serde(flatten)]
    value: Value,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Value {
    Counter(f64),
    Histogram {
        count: u64,
        sum: f64,
        /// Upper bound and count of each but the last.
        buckets: Vec<(f64, u64)>,
    },
}

impl Carried {
    /// Counters and histograms as another server reads them.
    pub(super) fn write(families: &[MetricFamily]) -> Vec<u8> {
        let own = families.iter().filter(|family| !family.name().starts_with(OF_PROCESS));
        let all: Vec<Family> = own.filter_map(Family::of).collect();
        serde_json::to_vec(&all).expect("families of metrics are JSON")
    }

    /// Goes on with what another server has written.
    ///
    /// # Errors
    /// For other bytes.
    pub(super) fn read(&self, bytes: &[u8]) -> Result<(), serde_json::Error> {
        *self.0.write() = serde_json::from_slice(bytes)?;
        Ok(())
    }

    /// Adds what was carried to the samples, but for those with a `server` label that is hidden.
    pub(super) fn add_to(&self, all: &mut [MetricFamily], hides: impl Fn(&str) -> bool) {
        for carried in &*self.0.read() {
            let Some(family) = all.iter_mut().find(|family| family.name() == carried.name) else {
                // This version has no such metric.
                continue;
            };
            for sample in
                carried.samples.iter().filter(|sample| !sample.server().is_some_and(&hides))
            {
                let metrics = family.mut_metric();
                match metrics.iter_mut().find(|metric| labels_of(metric) == sample.labels) {
                    Some(metric) => sample.value.add_to(metric),
                    None => metrics.push(sample.metric()),
                }
            }
        }
    }
}

impl Family {
    /// `None` for one of gauges.
    fn of(family: &MetricFamily) -> Option<Family> {
        let value = |metric: &Metric| match family.get_field_type() {
            MetricType::COUNTER => Some(Value::Counter(metric.get_counter().get_value())),
            MetricType::HISTOGRAM => Some(Value::of(metric.get_histogram())),
            _ => None,
        };
        let sample = |metric| Some(Sample { labels: labels_of(metric), value: value(metric)? });
        let samples: Option<Vec<_>> = family.get_metric().iter().map(sample).collect();
        Some(Family { name: family.name().to_owned(), samples: samples? })
    }
}

impl Sample {
    fn server(&self) -> Option<&str> {
        let server = self.labels.iter().find(|(name, _)| name == "server");
        server.map(|(_, value)| value.as_str())
    }

    fn metric(&self) -> Metric {
        let pair = |(name, value): &(String, String)| {
            let mut pair = LabelPair::default();
            pair.set_name(name.clone());
            pair.set_value(value.clone());
            pair
        };
        let mut metric = Metric::from_label(self.labels.iter().map(pair).collect());
        match &self.value {
            Value::Counter(_) => metric.set_counter(Counter::default()),
            Value::Histogram { .. } => metric.set_histogram(Histogram::default()),
        }
        self.value.add_to(&mut metric);
        metric
    }
}

impl Value {
    fn of(histogram: &Histogram) -> Value {
        let buckets = histogram.get_bucket().iter();
        let buckets = buckets.map(|bucket| (bucket.upper_bound(), bucket.cumulative_count()));
        let (count, sum) = (histogram.get_sample_count(), histogram.get_sample_sum());
        Value::Histogram { count, sum, buckets: buckets.filter(|(at, _)| at.is_finite()).collect() }
    }

    fn add_to(&self, metric: &mut Metric) {
        match self {
            Value::Counter(before) => {
                let mut counter = Counter::default();
                counter.set_value(metric.get_counter().get_value() + before);
                metric.set_counter(counter);
            }
            Value::Histogram { count, sum, buckets } => {
                let now = metric.get_histogram();
                let mut both = Histogram::default();
                both.set_sample_count(now.get_sample_count() + count);
                both.set_sample_sum(now.get_sample_sum() + sum);
                both.set_bucket(add_buckets(now.get_bucket(), buckets));
                metric.set_histogram(both);
            }
        }
    }
}

/// The sums by bound. With other bounds than before, those of now: what came before counts where it
/// certainly belongs.
fn add_buckets(now: &[Bucket], before: &[(f64, u64)]) -> Vec<Bucket> {
    let bucket = |bound, count| {
        let mut bucket = Bucket::default();
        bucket.set_upper_bound(bound);
        bucket.set_cumulative_count(count);
        bucket
    };
    if now.is_empty() {
        return before.iter().map(|(bound, count)| bucket(*bound, *count)).collect();
    }
    let sum = |of: &Bucket| {
        let below = before.iter().rev().find(|(bound, _)| *bound <= of.upper_bound());
        let carried = below.map_or(0, |(_, count)| *count);
        bucket(of.upper_bound(), of.cumulative_count() + carried)
    };
    now.iter().map(sum).collect()
}

fn labels_of(metric: &Metric) -> Vec<(String, String)> {
    let pairs = metric.get_label().iter();
    pairs.map(|pair| (pair.name().to_owned(), pair.value().to_owned())).collect()
}

#[cfg(test)]
mod tests;
