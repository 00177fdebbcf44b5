//! What is known of a run while it runs.

use std::time::Duration;

use crate::collector::Totals;

/// The figures of one moment, without the warm-up where they are latencies.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Moment {
    /// Until the last message is due.
    pub(crate) left: Duration,
    /// Subscribers now.
    pub(crate) connected: u64,
    pub(crate) disconnected: u64,
    pub(crate) published: u64,
    pub(crate) deliveries: u64,
    /// Messages that were left out and have not turned up late.
    pub(crate) missing: u64,
    /// In milliseconds, since the beginning.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
}

impl Moment {
    /// Of now: `ready` subscribers were there at the start, and so many messages are `published`.
    pub(crate) fn of(left: Duration, ready: u32, published: u64, total: &Totals) -> Self {
        let quantile = |quantile| total.latency.value_at_quantile(quantile) as f64 / 1e6;
        let disconnected: u64 = total.disconnected.values().sum();
        Self {
            left,
            connected: u64::from(ready).saturating_sub(disconnected),
            disconnected,
            published,
            deliveries: total.deliveries,
            missing: total.missing.max(0).unsigned_abs(),
            p50: quantile(0.5),
            p99: quantile(0.99),
            p999: quantile(0.999),
        }
    }
}
