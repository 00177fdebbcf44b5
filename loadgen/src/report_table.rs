//! The table of a terminal.

use hdrhistogram::Histogram;
use indicatif::HumanCount;

use crate::figures::Figures;
use crate::quantiles::{QUANTILES, microseconds};
use crate::report::Report;
use crate::summary::{MemoryUse, Summary};

/// Channels with faults that are shown.
const SHOWN_CHANNELS: usize = 10;

/// One column for each run, and remarks below.
pub(crate) fn table(reports: &[Report]) -> String {
    let mut rows: Vec<Vec<String>> = Vec::new();
    let summaries = || reports.iter().map(|report| &report.summary);
    let mut row = |name: &str, cell: &dyn Fn(&Summary, &Figures) -> String| {
        let cells = summaries().map(|summary| cell(summary, &summary.total));
        rows.push(std::iter::once(name.to_owned()).chain(cells).collect());
    };
    row("", &|s, _| s.url.clone());
    row("connections / channels", &|s, _| {
        format!("{} / {}", HumanCount(s.connections.into()), HumanCount(s.channels.into()))
    });
    row("payload", &|s, _| format!("{} B", HumanCount(s.payload_bytes as u64)));
    row("messages/s asked", &|_, total| number(total.rate_asked));
    row("messages/s achieved", &|_, total| number(total.rate_achieved));
    row("published", &|_, total| HumanCount(total.published).to_string());
    row("deliveries", &|_, total| HumanCount(total.deliveries).to_string());
    row("deliveries/s", &|_, total| number(total.deliveries_per_second));
    row("lost / repeated / reordered", &|_, Figures { checks, .. }| {
        let counts = [checks.lost, checks.duplicates, checks.reordered];
        let [lost, repeated, reordered] = counts.map(HumanCount);
        format!("{lost} / {repeated} / {reordered}")
    });
    let mut quantiles = |title: &str, of: &dyn Fn(&Figures) -> &Histogram<u64>| {
        row(title, &|_, _| String::new());
        for (name, quantile) in QUANTILES {
            row(&format!("  {name}"), &|_, total| time(of(total), quantile));
        }
    };
    quantiles("every delivery", &|total| &total.delivery);
    quantiles("last subscriber", &|total| &total.last);
    row("loadgen: sent late by, p99", &|_, total| time(&total.lateness, 0.99));
    row("loadgen: CPU, of one core", &|s, _| format!("{:.0} %", s.cpu_percent));
    if summaries().any(|summary| !summary.total.inflating.is_empty()) {
        row("loadgen: inflating one, p50", &|_, total| time(&total.inflating, 0.5));
    }
    // It says something of connections that are held, not of a short load.
    if summaries().any(|summary| ["idle", "soak"].contains(&&*summary.scenario)) {
        row("server: memory per connection", &|s, _| memory(s.server_memory));
        row("loadgen: memory per connection", &|s, _| memory(s.own_memory));
    }
    let mut text = align(&rows);
    for report in reports {
        let url = &report.summary.url;
        for remark in report.remarks().into_iter().chain(channels_at_fault(&report.summary)) {
            text.push_str(&format!("{url}: {remark}\n"));
        }
        for figure in report.comparison.iter().flat_map(|earlier| &earlier.figures) {
            let [now, before] = [figure.now, figure.before].map(|of| match figure.unit {
                "µs" => duration(of.median),
                _ => number(of.median),
            });
            let (name, verdict) = (figure.name, figure.verdict.words());
            let line = format!("{name} by second {now}, was {before}: {verdict}");
            text.push_str(&format!("{url}: {line}\n"));
        }
    }
    text
}

/// A line for each channel where something is wrong, the worst first.
fn channels_at_fault(summary: &Summary) -> Vec<String> {
    let channels = summary.channels_at_fault();
    let lines = channels.iter().take(SHOWN_CHANNELS).map(|one| {
        let counts = one.checks.named().into_iter().filter(|(count, _)| *count > 0);
        let counts: Vec<_> = counts.map(|(count, what)| format!("{count} {what}")).collect();
        format!("channel {}: {}", one.channel, counts.join(", "))
    });
    let mut lines: Vec<_> = lines.collect();
    if let Some(more) = channels.len().checked_sub(SHOWN_CHANNELS).filter(|more| *more > 0) {
        lines.push(format!("{more} further channels with faults; --json lists them"));
    }
    lines
}

fn memory(of: Option<MemoryUse>) -> String {
    of.map_or("-".into(), |of| format!("{} B", HumanCount(of.per_connection)))
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

/// A quantile with three digits in the unit that fits; `-` of nothing.
pub(crate) fn time(of: &Histogram<u64>, quantile: f64) -> String {
    if of.is_empty() { "-".into() } else { duration(microseconds(of, quantile)) }
}

/// Microseconds with three digits in the unit that fits.
pub(crate) fn duration(microseconds: f64) -> String {
    match microseconds {
        us if us < 10.0 => format!("{us:.2} µs"),
        us if us < 1e3 => format!("{us:.0} µs"),
        us if us < 1e4 => format!("{:.2} ms", us / 1e3),
        us if us < 1e5 => format!("{:.1} ms", us / 1e3),
        us if us < 1e6 => format!("{:.0} ms", us / 1e3),
        us => format!("{:.2} s", us / 1e6),
    }
}

/// For readers: a decimal below 100, thousands apart above.
pub(crate) fn number(value: f64) -> String {
    if value < 100.0 { format!("{value:.1}") } else { HumanCount(value.round() as u64).to_string() }
}

#[cfg(test)]
mod tests;
