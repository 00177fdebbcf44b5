//! What [`crate::MetricsServer`] takes of those who scrape it.

use std::time::Duration;

/// Bytes of a scrape's request that an embedder's metrics server reads: Prometheus sends some 300.
pub const SCRAPE_HEAD: usize = 8 << 10;
/// Headers of such a request.
pub const SCRAPE_HEADERS: usize = 64;
/// Time for one scrape: they are served one at a time, so that a stuck one would hold up the next.
pub const SCRAPE_PATIENCE: Duration = Duration::from_secs(5);
