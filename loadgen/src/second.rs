//! What each second of a run delivered.

use serde::{Deserialize, Serialize};

use crate::summary::{Slice, Summary};

/// One slice of time, usually a second. The names are keys of `--json` and stay as they are.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Second {
    /// Its beginning, in seconds from the start of the load.
    pub(crate) at: f64,
    pub(crate) published: u64,
    pub(crate) deliveries: u64,
    pub(crate) lost: u64,
    /// Latencies of what was due in it; zero of one without deliveries.
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) p999_us: f64,
    pub(crate) max_us: f64,
}

impl Second {
    fn new(at: f64, slice: &Slice) -> Self {
        let time = |quantile| match slice.latency.is_empty() {
            true => 0.0,
            false => slice.latency.value_at_quantile(quantile) as f64 / 1e3,
        };
        Self {
            at,
            published: slice.published,
            deliveries: slice.deliveries,
            lost: slice.lost,
            p50_us: time(0.5),
            p99_us: time(0.99),
            p999_us: time(0.999),
            max_us: time(1.0),
        }
    }

    /// All of a run, in order.
    pub(crate) fn all(summary: &Summary) -> Vec<Self> {
        let length = summary.slice_length.as_secs_f64();
        let slices = summary.slices.iter().enumerate();
        slices.map(|(place, slice)| Self::new(place as f64 * length, slice)).collect()
    }
}
