//! A distribution in figures.

use hdrhistogram::Histogram;
use serde::{Serialize, Serializer};

/// What tables show of a distribution; 1 is the most.
pub(crate) const QUANTILES: [(&str, f64); 5] =
    [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0)];

/// A distribution in microseconds, all 0 of nothing. The names are keys of `--json` and stay as
/// they are.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
struct Quantiles {
    count: u64,
    p50_us: f64,
    p90_us: f64,
    p99_us: f64,
    p999_us: f64,
    max_us: f64,
}

/// For `#[serde(serialize_with)]`.
pub(crate) fn as_quantiles<S: Serializer>(of: &Histogram<u64>, to: S) -> Result<S::Ok, S::Error> {
    let [p50_us, p90_us, p99_us, p999_us, max_us] =
        QUANTILES.map(|(_, quantile)| microseconds(of, quantile));
    Quantiles { count: of.len(), p50_us, p90_us, p99_us, p999_us, max_us }.serialize(to)
}

/// A quantile of nanoseconds in microseconds.
pub(crate) fn microseconds(of: &Histogram<u64>, quantile: f64) -> f64 {
    of.value_at_quantile(quantile) as f64 / 1e3
}
