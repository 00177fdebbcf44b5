//! Settings that are valid and seldom intended.

use crate::config::Config;
use crate::settings::Settings;

/// Warns of settings that are valid and seldom intended.
pub(super) fn log(settings: &Settings, config: &Config) {
    if config.is_exposed_without_tls() {
        tracing::warn!("host reaches beyond loopback and TLS is off: anybody on the way can read");
    }
    if settings.slo_p99.is_some() && config.metrics.is_empty() {
        tracing::warn!("slo_p99 is set and so is no_metrics: nothing counts what is within it");
    }
}
