//! The table of a terminal.

use indicatif::HumanCount;

use crate::quantiles::{QUANTILES, Quantiles};
use crate::report::Report;
use crate::summary::MemoryUse;

/// One column for each run, and remarks below.
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
    // It says something of connections that are held, not of a short load.
    if reports.iter().any(|report| ["idle", "soak"].contains(&&*report.scenario)) {
        row("server: memory per connection", &|r| memory(r.server_memory));
        row("loadgen: memory per connection", &|r| memory(r.own_memory));
    }
    let mut text = align(&rows);
    for report in reports {
        for remark in report.remarks() {
            text.push_str(&format!("{}: {remark}\n", report.url));
        }
        for figure in report.comparison.iter().flat_map(|earlier| &earlier.figures) {
            let [now, before] = [figure.now, figure.before].map(|of| match figure.unit {
                "µs" => duration(of.median),
                _ => number(of.median),
            });
            let (name, verdict) = (figure.name, figure.verdict.words());
            let line = format!("{name} by second {now}, was {before}: {verdict}");
            text.push_str(&format!("{}: {line}\n", report.url));
        }
    }
    text
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

/// With three digits in the unit that fits; `-` of nothing.
pub(crate) fn time(of: &Quantiles, microseconds: f64) -> String {
    if of.count == 0 { "-".into() } else { duration(microseconds) }
}

/// Microseconds with three digits in the unit that fits.
pub(crate) fn duration(microseconds: f64) -> String {
    match microseconds {
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
