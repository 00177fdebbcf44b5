//! A distribution in figures.

use hdrhistogram::Histogram;
use serde::Serialize;

/// A distribution in microseconds.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct Quantiles {
    pub(crate) count: u64,
    pub(crate) p50_us: f64,
    pub(crate) p90_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) p999_us: f64,
    pub(crate) max_us: f64,
}

/// One of them.
pub(crate) type Quantile = fn(&Quantiles) -> f64;

/// All of them, by name.
pub(crate) const QUANTILES: [(&str, Quantile); 5] = [
    ("p50", |of| of.p50_us),
    ("p90", |of| of.p90_us),
    ("p99", |of| of.p99_us),
    ("p99.9", |of| of.p999_us),
    ("max", |of| of.max_us),
];

impl From<&Histogram<u64>> for Quantiles {
    fn from(histogram: &Histogram<u64>) -> Self {
        let at = |quantile| histogram.value_at_quantile(quantile) as f64 / 1e3;
        Self {
            count: histogram.len(),
            p50_us: at(0.5),
            p90_us: at(0.9),
            p99_us: at(0.99),
            p999_us: at(0.999),
            max_us: at(1.0),
        }
    }
}
