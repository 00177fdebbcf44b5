//! One phase of a run, for readers and for machines.

use serde::Serialize;

use crate::quantiles::Quantiles;
use crate::summary::{Checks, HandshakeTimes, PhaseFigures, Summary};

/// The names are keys of `--json` and stay as they are.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct PhaseReport {
    pub(crate) name: String,
    /// From the start of the load.
    pub(crate) begins_seconds: f64,
    pub(crate) duration_seconds: f64,
    /// False of a warm-up.
    pub(crate) measured: bool,
    /// Messages a second.
    pub(crate) rate_asked: f64,
    pub(crate) rate_achieved: f64,
    pub(crate) published: u64,
    pub(crate) deliveries: u64,
    pub(crate) deliveries_per_second: f64,
    pub(crate) checks: Checks,
    pub(crate) latency: Quantiles,
    pub(crate) last: Quantiles,
    pub(crate) lateness: Quantiles,
}

/// The parts of handshakes of one kind.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct HandshakeReport {
    pub(crate) tcp: Quantiles,
    pub(crate) tls: Quantiles,
    pub(crate) upgrade: Quantiles,
}

impl From<&HandshakeTimes> for HandshakeReport {
    fn from(times: &HandshakeTimes) -> Self {
        let HandshakeTimes { tcp, tls, upgrade } = times;
        Self { tcp: tcp.into(), tls: tls.into(), upgrade: upgrade.into() }
    }
}

impl PhaseReport {
    fn new(phase: &PhaseFigures) -> Self {
        let figures = &phase.figures;
        Self {
            name: phase.name.clone(),
            begins_seconds: phase.begins.as_secs_f64(),
            duration_seconds: figures.duration.as_secs_f64(),
            measured: phase.measured,
            rate_asked: figures.rate_asked,
            rate_achieved: figures.rate_achieved,
            published: figures.published,
            deliveries: figures.deliveries,
            deliveries_per_second: figures.deliveries_per_second,
            checks: figures.checks,
            latency: (&figures.delivery).into(),
            last: (&figures.last).into(),
            lateness: (&figures.lateness).into(),
        }
    }

    /// All of a run, in order.
    pub(crate) fn all(summary: &Summary) -> Vec<Self> {
        summary.phases.iter().map(Self::new).collect()
    }
}
