//! The numbers of a run, for readers and for machines.

use hdrhistogram::Histogram;
use indicatif::HumanCount;
use serde::Serialize;

use crate::advice::Given;
use crate::rate_search::SearchStep;
use crate::summary::Summary;
use crate::tally::Counts;

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

/// One finished run. The names are the keys of `--json` and stay as they are.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct Report {
    pub(crate) url: String,
    pub(crate) connections: u32,
    pub(crate) channels: u32,
    pub(crate) publishers: u32,
    pub(crate) payload_bytes: usize,
    pub(crate) duration_seconds: f64,
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
    pub(crate) misrouted: u64,
    pub(crate) disconnected: u64,
    /// Every delivery, from the intended time of sending.
    pub(crate) latency: Quantiles,
    /// The last subscriber of every message, from the intended time of sending.
    pub(crate) last: Quantiles,
    /// How late this tool itself sent.
    pub(crate) lateness: Quantiles,
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
    /// The rates that a search tried.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) search: Vec<SearchStep>,
    /// How the server's certificate was verified; `None` without TLS.
    pub(crate) tls: Option<&'static str>,
    /// What advice is based on.
    #[serde(skip)]
    pub(crate) given: Given,
}

impl Report {
    /// Of a finished run. `tls` is how the server's certificate was verified, if it had one.
    pub(crate) fn new(summary: &Summary, tls: Option<&'static str>, given: Given) -> Self {
        let total = &summary.total;
        Self {
            url: summary.url.clone(),
            connections: summary.connections,
            channels: summary.channels,
            publishers: summary.publishers,
            payload_bytes: summary.payload_bytes,
            duration_seconds: total.duration.as_secs_f64(),
            rate_asked: total.rate_asked,
            rate_achieved: total.rate_achieved,
            published: total.published,
            refused: total.refused,
            deliveries: total.deliveries,
            deliveries_per_second: total.deliveries_per_second,
            loss: total.checks.lost,
            duplicates: total.checks.duplicates,
            reordered: total.checks.reordered,
            misrouted: total.checks.misrouted,
            disconnected: total.disconnected,
            latency: (&total.delivery).into(),
            last: (&total.last).into(),
            lateness: (&total.lateness).into(),
            cpu_percent: summary.cpu_percent,
            interrupted: summary.interrupted,
            publish_errors: summary.publish_errors.clone(),
            notices: summary.notices.clone(),
            disconnect_reasons: summary.disconnect_reasons.clone(),
            search: summary.search.clone(),
            tls,
            given,
        }
    }

    fn remarks(&self) -> Vec<String> {
        let errors = self.publish_errors.iter();
        let errors = errors.map(|(code, count)| {
            format!("{count} publishes refused, {code}: {}", self.given.remedy_for(code))
        });
        let notices = self.notices.iter();
        let notices = notices.map(|(code, count)| format!("{count} subscribers got {code}"));
        let lost = self.disconnect_reasons.iter();
        let lost = lost.map(|(reason, count)| format!("{count} subscribers lost: {reason}"));
        errors.chain(notices).chain(lost).collect()
    }
}

/// The table, one column for each run, and remarks below.
pub(crate) fn table(reports: &[Report]) -> String {
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut row = |name: &str, cell: &dyn Fn(&Report) -> String| {
        rows.push(std::iter::once(name.to_owned()).chain(reports.iter().map(cell)).collect());
    };
    row("", &|r| r.url.clone());
    row("connections / channels", &|r| {
        format!("{} / {}", HumanCount(r.connections.into()), HumanCount(r.channels.into()))
    });
    row("payload", &|r| format!("{} B", HumanCount(r.payload_bytes as u64)));
    row("messages/s asked", &|r| number(r.rate_asked));
    row("messages/s achieved", &|r| number(r.rate_achieved));
    row("published", &|r| HumanCount(r.published).to_string());
    row("deliveries", &|r| HumanCount(r.deliveries).to_string());
    row("deliveries/s", &|r| number(r.deliveries_per_second));
    row("lost / repeated / reordered", &|r| {
        let [lost, repeated, reordered] = [r.loss, r.duplicates, r.reordered].map(HumanCount);
        format!("{lost} / {repeated} / {reordered}")
    });
    let mut quantiles = |title: &str, of: &dyn Fn(&Report) -> &Quantiles| {
        row(title, &|_| String::new());
        for (name, quantile) in QUANTILES {
            row(&format!("  {name}"), &|r| time(of(r), quantile(of(r))));
        }
    };
    quantiles("every delivery", &|r| &r.latency);
    quantiles("last subscriber", &|r| &r.last);
    row("loadgen: sent late by, p99", &|r| time(&r.lateness, r.lateness.p99_us));
    row("loadgen: CPU, of one core", &|r| format!("{:.0} %", r.cpu_percent));
    let mut text = align(&rows);
    for report in reports {
        for remark in report.remarks() {
            text.push_str(&format!("{}: {remark}\n", report.url));
        }
        if report.interrupted {
            text.push_str(&format!("{}: stopped early by a signal\n", report.url));
        }
    }
    text
}

/// Pads the cells of each column to one width: the first to the left, the others to the right.
fn align(rows: &[Vec<String>]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let mut text = String::new();
    for row in rows {
        let mut line = format!("{:<1$}", row[0], width(0).unwrap_or(0));
        for (column, cell) in row.iter().enumerate().skip(1) {
            line.push_str(&format!("   {cell:>0$}", width(column).unwrap_or(0)));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// With three digits in the unit that fits.
fn time(of: &Quantiles, microseconds: f64) -> String {
    match microseconds {
        _ if of.count == 0 => "-".into(),
        us if us < 1e3 => format!("{us:.0} µs"),
        us if us < 1e4 => format!("{:.2} ms", us / 1e3),
        us if us < 1e5 => format!("{:.1} ms", us / 1e3),
        us if us < 1e6 => format!("{:.0} ms", us / 1e3),
        us => format!("{:.2} s", us / 1e6),
    }
}

fn number(value: f64) -> String {
    if value < 100.0 { format!("{value:.1}") } else { HumanCount(value.round() as u64).to_string() }
}

#[cfg(test)]
mod tests;
