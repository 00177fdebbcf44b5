//! The part of the page about one run.

use hdrhistogram::Histogram;
use indicatif::HumanCount;

use super::charts::{self, ONE, THREE, TWO};
use super::markup::{escaped, figure, table};
use crate::comparison::{Comparison, Quartiles};
use crate::figures::{Checks, Figures};
use crate::quantiles::QUANTILES;
use crate::rate_search::StepOutcome;
use crate::report::Report;
use crate::report_table::{duration, number, time};
use crate::summary::Summary;

/// Channels with faults that are shown.
const SHOWN_CHANNELS: usize = 50;

/// All of it.
pub(super) fn section(report: &Report) -> String {
    let summary = &report.summary;
    let parts = [
        format!("<section>\n<h2>{}</h2>\n<p>{}</p>\n", escaped(&summary.url), sentence(summary)),
        tiles(&summary.total),
        remarks(report),
        channels(summary),
        charts_of(report),
        distributions(&summary.total),
        report.comparison.as_ref().map(comparison).unwrap_or_default(),
        search(summary),
        phases(summary),
        load(report),
        "</section>\n".into(),
    ];
    parts.concat()
}

fn count(count: u64) -> String {
    HumanCount(count).to_string()
}

/// What happened, for those who read nothing else.
fn sentence(summary: &Summary) -> String {
    let latency = &summary.total.delivery;
    let deliveries = match latency.len() {
        0 => "Nothing was delivered in the measured time.".into(),
        measured => format!(
            "Of {} deliveries half arrived within <b>{}</b> of the time their message was due, 99 \
             of 100 within <b>{}</b>, and the slowest after {}.",
            count(measured),
            time(latency, 0.5),
            time(latency, 0.99),
            time(latency, 1.0),
        ),
    };
    let lost = match summary.total.checks.lost {
        0 => "None was lost.".into(),
        lost => format!("<b>{} were lost.</b>", count(lost)),
    };
    format!(
        "{} subscribers of {} channel{}, {} messages a second of {} bytes for {} s. {deliveries} \
         {lost}",
        count(summary.connections.into()),
        count(summary.channels.into()),
        if summary.channels == 1 { "" } else { "s" },
        number(summary.total.rate_achieved),
        count(summary.payload_bytes as u64),
        number(summary.total.duration.as_secs_f64()),
    )
}

fn tiles(total: &Figures) -> String {
    let tiles = [
        ("deliveries a second", number(total.deliveries_per_second)),
        ("p50", time(&total.delivery, 0.5)),
        ("p99", time(&total.delivery, 0.99)),
        ("p99.9", time(&total.delivery, 0.999)),
        ("lost", count(total.checks.lost)),
        ("sent late by, p99", time(&total.lateness, 0.99)),
    ];
    let tile = |(name, value)| format!("<div><dt>{name}</dt><dd>{value}</dd></div>");
    format!("<dl class=\"tiles\">{}</dl>\n", tiles.map(tile).concat())
}

fn remarks(report: &Report) -> String {
    let remarks = report.remarks();
    let lines: String = remarks.iter().map(|line| format!("<li>{}</li>", escaped(line))).collect();
    if lines.is_empty() { lines } else { format!("<ul class=\"reasons\">{lines}</ul>\n") }
}

/// What is wrong, by channel; nothing where nothing is.
fn channels(summary: &Summary) -> String {
    let channels = summary.channels_at_fault();
    let rows = channels.iter().take(SHOWN_CHANNELS).map(|one| {
        let counts = one.checks.named().map(|(found, _)| count(found));
        [one.channel.clone(), count(one.deliveries)].into_iter().chain(counts).collect()
    });
    let rows: Vec<Vec<String>> = rows.collect();
    let kinds = Checks::default().named().map(|(_, kind)| kind);
    let head: Vec<&str> = ["", "deliveries"].into_iter().chain(kinds).collect();
    let caption = match channels.len() {
        0 => return String::new(),
        all if all > SHOWN_CHANNELS => format!("The worst of {all} channels with faults"),
        _ => "Channels with faults".into(),
    };
    table(&caption, &head, &rows)
}

fn charts_of(report: &Report) -> String {
    let mut curves = vec![(&report.curve[..], ONE), (&report.last_curve[..], TWO)];
    let mut legend = vec![("one", "every delivery"), ("two", "last subscriber")];
    if let Some(before) = &report.comparison {
        curves.push((&before.curve, THREE));
        legend.push(("three", "every delivery of the earlier run"));
    }
    let total = &report.summary.total;
    let p99 = time(&total.delivery, 0.99);
    let drawn = [
        (
            "Latency by percentile",
            format!("Each step to the right leaves a tenth of the deliveries; p99 is {p99}."),
            &legend[..],
            charts::percentiles(&curves),
        ),
        (
            "Latency over time",
            "The darker, the more deliveries took that long.".into(),
            &[("one", "deliveries"), ("three", "p99 of each second")][..],
            charts::heat(&report.heat, &report.seconds),
        ),
        (
            "Throughput",
            format!("{} deliveries a second in the mean.", number(total.deliveries_per_second)),
            &[("one", "deliveries a second"), ("three", "lost")][..],
            charts::throughput(&report.seconds),
        ),
    ];
    let shown = drawn.into_iter().map(|(title, summary, legend, drawing)| match drawing {
        Ok(svg) if svg.is_empty() => String::new(),
        Ok(svg) => figure(title, &summary, legend, &svg),
        Err(error) => format!("<p>{title}: {}</p>\n", escaped(&error.to_string())),
    });
    shown.collect()
}

fn distributions(total: &Figures) -> String {
    let (full, resumed) = (&total.handshakes.full, &total.handshakes.resumed);
    let rows = [
        ("every delivery", &total.delivery),
        ("first subscriber", &total.first),
        ("median subscriber", &total.median),
        ("last subscriber", &total.last),
        ("sent late by", &total.lateness),
        ("inflating a message", &total.inflating),
        ("TCP connected", &full.tcp),
        ("TLS handshake", &full.tls),
        ("TLS handshake, resumed", &resumed.tls),
        ("upgrade", &full.upgrade),
    ];
    let rows = rows.into_iter().filter(|(_, times)| !times.is_empty());
    let rows: Vec<Vec<String>> = rows.map(|(name, of)| distribution(name, of)).collect();
    let names = QUANTILES.iter().map(|(name, _)| *name);
    let head: Vec<&str> = ["", "count"].into_iter().chain(names).collect();
    table("Percentiles", &head, &rows)
}

fn distribution(name: &str, times: &Histogram<u64>) -> Vec<String> {
    let quantiles = QUANTILES.iter().map(|(_, quantile)| time(times, *quantile));
    [name.to_owned(), count(times.len())].into_iter().chain(quantiles).collect()
}

fn comparison(comparison: &Comparison) -> String {
    let rows = comparison.figures.iter().map(|figure| {
        let shown = |value: f64| match figure.unit {
            "µs" => duration(value),
            _ => number(value),
        };
        let values = |of: &Quartiles| {
            format!("{} ({} to {})", shown(of.median), shown(of.low), shown(of.high))
        };
        let change = match figure.before.median {
            0.0 => "–".into(),
            before => format!("{:+.0} %", (figure.now.median / before - 1.0) * 100.0),
        };
        let name = format!("{} by second", figure.name);
        let verdict = figure.verdict.words().to_owned();
        vec![name, values(&figure.before), values(&figure.now), change, verdict]
    });
    let rows: Vec<Vec<String>> = rows.collect();
    format!(
        "<h3>Compared with the run of {}</h3>\n<p>Each figure is taken of every second; shown are \
         the median and the middle half. Where the middle halves of both runs overlap, the \
         difference is within the spread: a repetition could show the same without any cause.</p>\
         \n{}",
        escaped(&comparison.started_at),
        table("Comparison", &["", "earlier", "this run", "change", "judgement"], &rows)
    )
}

fn search(summary: &Summary) -> String {
    if summary.search.is_empty() {
        return String::new();
    }
    let rows = summary.search.iter().map(|step| {
        let outcome = match &step.outcome {
            StepOutcome::Held => "held".into(),
            StepOutcome::Failed(reason) => format!("failed: {reason}"),
            StepOutcome::GeneratorBound(reason) => reason.clone(),
        };
        vec![format!("{} messages/s", number(step.rate)), duration(step.p99_us), outcome]
    });
    let rows: Vec<Vec<String>> = rows.collect();
    table("Rates that were tried", &["", "p99", "outcome"], &rows)
}

fn phases(summary: &Summary) -> String {
    if summary.phases.len() < 2 {
        return String::new();
    }
    let rows = summary.phases.iter().map(|phase| {
        let note = if phase.measured { "" } else { " (not measured)" };
        let of = &phase.figures;
        vec![
            format!("{}{note}", phase.name),
            format!("{} s", number(of.duration.as_secs_f64())),
            format!("{} of {}", number(of.rate_achieved), number(of.rate_asked)),
            count(of.deliveries),
            time(&of.delivery, 0.5),
            time(&of.delivery, 0.99),
            time(&of.delivery, 0.999),
            time(&of.delivery, 1.0),
            count(of.checks.lost),
        ]
    });
    let rows: Vec<Vec<String>> = rows.collect();
    let head = ["", "length", "messages/s", "deliveries", "p50", "p99", "p99.9", "max", "lost"];
    table("Phases", &head, &rows)
}

fn load(report: &Report) -> String {
    let all = |counts: &[u64]| counts.iter().copied().map(count).collect::<Vec<_>>().join(", ");
    let summary = &report.summary;
    let Figures { published, refused, deliveries, checks, disconnected, .. } = &summary.total;
    let rows = [
        ("scenario", summary.scenario.clone()),
        ("published, refused", all(&[*published, *refused])),
        ("deliveries, warm-up included", count(*deliveries)),
        ("duplicates, out of order", all(&[checks.duplicates, checks.reordered])),
        (
            "corrupted, misrouted, foreign",
            all(&[checks.corrupted, checks.misrouted, checks.foreign]),
        ),
        ("connections lost", count(*disconnected)),
        ("publishers", count(summary.publishers.into())),
        ("seed", summary.seed.to_string()),
        ("TLS", report.tls.unwrap_or("none").to_owned()),
        ("CPU of the load generator", format!("{:.0} % of one core", summary.cpu_percent)),
    ];
    let rows: Vec<Vec<String>> =
        rows.into_iter().map(|(name, value)| vec![name.to_owned(), value]).collect();
    table("Load and checks", &["", ""], &rows)
}
