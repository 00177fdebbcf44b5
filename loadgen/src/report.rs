//! The numbers of a run, for readers and for machines.

use std::time::SystemTime;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::advice::Given;
use crate::comparison::Comparison;
use crate::heat_map::HeatMap;
use crate::second::Second;
use crate::summary::Summary;

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

/// One finished run with what it is known by. The names are keys of `--json` and stay as they are.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Report {
    #[serde(flatten)]
    pub(crate) summary: Summary,
    /// RFC 3339, in UTC.
    pub(crate) started_at: String,
    /// When the measured time begins, from the start of the load.
    pub(crate) warmup_seconds: f64,
    /// How the server's certificate was verified; `None` without TLS.
    pub(crate) tls: Option<&'static str>,
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
    pub(crate) fn new(summary: Summary, run: &Circumstances, failures: Vec<String>) -> Self {
        let measured = summary.phases.iter().find(|phase| phase.measured);
        let started = jiff::Timestamp::try_from(run.started).unwrap_or_default();
        Self {
            started_at: format!("{started:.0}"),
            warmup_seconds: measured.map_or(0.0, |phase| phase.begins.as_secs_f64()),
            tls: run.tls,
            seconds: Second::all(&summary),
            curve: curve(&summary.total.delivery),
            failures,
            comparison: None,
            last_curve: curve(&summary.total.last),
            heat: HeatMap::of(&summary),
            given: run.given.clone(),
            summary,
        }
    }

    /// Lines about what was refused or lost, each with what to do about it.
    pub(crate) fn remarks(&self) -> Vec<String> {
        let summary = &self.summary;
        let errors = summary.publish_errors.iter();
        let errors = errors.map(|(code, count)| {
            format!("{count} publishes refused, {code}: {}", self.given.remedy_for(code))
        });
        let notices = summary.notices.iter();
        let notices = notices.map(|(code, count)| format!("{count} subscribers got {code}"));
        let lost = summary.disconnect_reasons.iter();
        let lost = lost.map(|(reason, count)| format!("{count} subscribers lost: {reason}"));
        let declined = self.given.compression && summary.total.inflating.is_empty();
        let declined = declined.then(|| {
            "no message came compressed: the server declined, or compresses only longer ones".into()
        });
        let early = summary.interrupted.then(|| "stopped early by a signal".into());
        errors.chain(notices).chain(lost).chain(declined).chain(early).collect()
    }
}

fn curve(histogram: &Histogram<u64>) -> Vec<[f64; 2]> {
    let points = histogram.iter_quantiles(TICKS);
    let point =
        points.map(|point| [point.quantile_iterated_to(), point.value_iterated_to() as f64 / 1e3]);
    // The last one has no distance to 100 %.
    point.filter(|[quantile, _]| *quantile < 1.0).collect()
}
