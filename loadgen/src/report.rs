//! The numbers of a run, for readers and for machines.

use std::time::SystemTime;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::advice::Given;
use crate::comparison::Comparison;
use crate::heat_map::HeatMap;
use crate::phase_report::{HandshakeReport, PhaseReport};
use crate::quantiles::Quantiles;
use crate::rate_search::SearchStep;
use crate::second::Second;
use crate::summary::{Checks, MemoryUse, Summary};
use crate::tally::Counts;

/// Points of a distribution for each halving of the distance to 100 %.
const TICKS: u32 = 4;

/// What a run is known by beside its figures.
#[derive(Debug, Clone)]
pub(crate) struct Circumstances {
    pub(crate) started: SystemTime,
    /// How the server's certificate was verified; `None` without TLS.
    pub(crate) tls: Option<&'static str>,
    /// What advice is based on.
    pub(crate) given: Given,
}

/// One finished run. The names are the keys of `--json` and stay as they are.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct Report {
    pub(crate) url: String,
    pub(crate) scenario: String,
    /// RFC 3339, in UTC.
    pub(crate) started_at: String,
    pub(crate) seed: u64,
    pub(crate) connections: u32,
    pub(crate) channels: u32,
    pub(crate) publishers: u32,
    pub(crate) payload_bytes: usize,
    /// Measured time.
    pub(crate) duration_seconds: f64,
    /// When the measured time begins, from the start of the load.
    pub(crate) warmup_seconds: f64,
    /// Messages a second.
    pub(crate) rate_asked: f64,
    pub(crate) rate_achieved: f64,
    pub(crate) published: u64,
    pub(crate) refused: u64,
    /// Without duplicates, warm-up included.
    pub(crate) deliveries: u64,
    pub(crate) deliveries_per_second: f64,
    pub(crate) loss: u64,
    pub(crate) duplicates: u64,
    pub(crate) reordered: u64,
    pub(crate) corrupted: u64,
    pub(crate) misrouted: u64,
    pub(crate) foreign: u64,
    /// Of the deliveries, those made up for after an absence.
    pub(crate) recovered: u64,
    pub(crate) disconnected: u64,
    /// Every delivery, from the intended time of sending.
    pub(crate) latency: Quantiles,
    /// The first, the median and the last subscriber of every message, likewise.
    pub(crate) first: Quantiles,
    pub(crate) median: Quantiles,
    pub(crate) last: Quantiles,
    /// How late this tool itself sent.
    pub(crate) lateness: Quantiles,
    /// The same without the time in which the server took no more.
    pub(crate) own_lateness: Quantiles,
    /// Connections made with a full TLS handshake, or without TLS.
    pub(crate) handshakes_full: HandshakeReport,
    pub(crate) handshakes_resumed: HandshakeReport,
    /// CPU time of this tool, in per cent of one core.
    pub(crate) cpu_percent: f64,
    /// The run was ended by a signal.
    pub(crate) interrupted: bool,
    /// Refused publishes, by error code.
    pub(crate) publish_errors: Counts,
    /// Errors and gaps the subscribers received.
    pub(crate) notices: Counts,
    /// Lost connections, by the reason.
    pub(crate) disconnect_reasons: Counts,
    /// Resident memory of this tool, and of the server where its process is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) own_memory: Option<MemoryUse>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) server_memory: Option<MemoryUse>,
    /// The rates that a search tried.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) search: Vec<SearchStep>,
    /// How the server's certificate was verified; `None` without TLS.
    pub(crate) tls: Option<&'static str>,
    pub(crate) phases: Vec<PhaseReport>,
    pub(crate) seconds: Vec<Second>,
    /// The distribution of `latency`: pairs of a quantile and microseconds.
    pub(crate) curve: Vec<[f64; 2]>,
    /// Why it did not pass; empty if it did.
    pub(crate) failures: Vec<String>,
    /// With `--baseline`.
    pub(crate) comparison: Option<Comparison>,
    /// The distribution of `last`, for the page alone.
    #[serde(skip)]
    pub(crate) last_curve: Vec<[f64; 2]>,
    #[serde(skip)]
    pub(crate) heat: HeatMap,
    #[serde(skip)]
    pub(crate) given: Given,
}

impl Report {
    /// Of a finished run. `failures` are the reasons not to pass.
    pub(crate) fn new(summary: &Summary, run: &Circumstances, failures: Vec<String>) -> Self {
        let total = &summary.total;
        let Checks { lost, duplicates, reordered, corrupted, misrouted, foreign } = total.checks;
        let measured = summary.phases.iter().find(|phase| phase.measured);
        let started = jiff::Timestamp::try_from(run.started).unwrap_or_default();
        Self {
            url: summary.url.clone(),
            scenario: summary.scenario.clone(),
            started_at: format!("{started:.0}"),
            seed: summary.seed,
            connections: summary.connections,
            channels: summary.channels,
            publishers: summary.publishers,
            payload_bytes: summary.payload_bytes,
            duration_seconds: total.duration.as_secs_f64(),
            warmup_seconds: measured.map_or(0.0, |phase| phase.begins.as_secs_f64()),
            rate_asked: total.rate_asked,
            rate_achieved: total.rate_achieved,
            published: total.published,
            refused: total.refused,
            deliveries: total.deliveries,
            deliveries_per_second: total.deliveries_per_second,
            loss: lost,
            duplicates,
            reordered,
            corrupted,
            misrouted,
            foreign,
            recovered: total.recovered,
            disconnected: total.disconnected,
            latency: (&total.delivery).into(),
            first: (&total.first).into(),
            median: (&total.median).into(),
            last: (&total.last).into(),
            lateness: (&total.lateness).into(),
            own_lateness: (&total.own_lateness).into(),
            handshakes_full: (&total.handshakes.full).into(),
            handshakes_resumed: (&total.handshakes.resumed).into(),
            cpu_percent: summary.cpu_percent,
            interrupted: summary.interrupted,
            publish_errors: summary.publish_errors.clone(),
            notices: summary.notices.clone(),
            disconnect_reasons: summary.disconnect_reasons.clone(),
            own_memory: summary.own_memory,
            server_memory: summary.server_memory,
            search: summary.search.clone(),
            tls: run.tls,
            phases: PhaseReport::all(summary),
            seconds: Second::all(summary),
            curve: curve(&total.delivery),
            failures,
            comparison: None,
            last_curve: curve(&total.last),
            heat: HeatMap::of(summary),
            given: run.given.clone(),
        }
    }

    /// Lines about what was refused or lost, each with what to do about it.
    pub(crate) fn remarks(&self) -> Vec<String> {
        let errors = self.publish_errors.iter();
        let errors = errors.map(|(code, count)| {
            format!("{count} publishes refused, {code}: {}", self.given.remedy_for(code))
        });
        let notices = self.notices.iter();
        let notices = notices.map(|(code, count)| format!("{count} subscribers got {code}"));
        let lost = self.disconnect_reasons.iter();
        let lost = lost.map(|(reason, count)| format!("{count} subscribers lost: {reason}"));
        let early = self.interrupted.then(|| "stopped early by a signal".into());
        errors.chain(notices).chain(lost).chain(early).collect()
    }
}

fn curve(histogram: &Histogram<u64>) -> Vec<[f64; 2]> {
    let points = histogram.iter_quantiles(TICKS);
    let point =
        points.map(|point| [point.quantile_iterated_to(), point.value_iterated_to() as f64 / 1e3]);
    // The last one has no distance to 100 %.
    point.filter(|[quantile, _]| *quantile < 1.0).collect()
}
