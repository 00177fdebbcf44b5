//! The part of the page about one run.

use indicatif::HumanCount;

use super::charts::{self, ONE, THREE, TWO};
use super::markup::{escaped, figure, table};
use crate::comparison::{Comparison, Quartiles};
use crate::quantiles::{QUANTILES, Quantiles};
use crate::rate_search::StepOutcome;
use crate::report::Report;
use crate::report_table::{duration, number, time};

/// All of it.
pub(super) fn section(report: &Report) -> String {
    let parts = [
        format!("<section>\n<h2>{}</h2>\n<p>{}</p>\n", escaped(&report.url), sentence(report)),
        tiles(report),
        remarks(report),
        charts_of(report),
        distributions(report),
        report.comparison.as_ref().map(comparison).unwrap_or_default(),
        search(report),
        phases(report),
        load(report),
        "</section>\n".into(),
    ];
    parts.concat()
}

fn count(count: u64) -> String {
    HumanCount(count).to_string()
}

/// What happened, for those who read nothing else.
fn sentence(report: &Report) -> String {
    let deliveries = match report.latency.count {
        0 => "Nothing was delivered in the measured time.".into(),
        measured => format!(
            "Of {} deliveries half arrived within <b>{}</b> of the time their message was due, 99 \
             of 100 within <b>{}</b>, and the slowest after {}.",
            count(measured),
            duration(report.latency.p50_us),
            duration(report.latency.p99_us),
            duration(report.latency.max_us),
        ),
    };
    let lost = match report.loss {
        0 => "None was lost.".into(),
        lost => format!("<b>{} were lost.</b>", count(lost)),
    };
    format!(
        "{} subscribers of {} channel{}, {} messages a second of {} bytes for {} s. {deliveries} \
         {lost}",
        count(report.connections.into()),
        count(report.channels.into()),
        if report.channels == 1 { "" } else { "s" },
        number(report.rate_achieved),
        count(report.payload_bytes as u64),
        number(report.duration_seconds),
    )
}

fn tiles(report: &Report) -> String {
    let latency = &report.latency;
    let tiles = [
        ("deliveries a second", number(report.deliveries_per_second)),
        ("p50", time(latency, latency.p50_us)),
        ("p99", time(latency, latency.p99_us)),
        ("p99.9", time(latency, latency.p999_us)),
        ("lost", count(report.loss)),
        ("sent late by, p99", time(&report.lateness, report.lateness.p99_us)),
    ];
    let tile = |(name, value)| format!("<div><dt>{name}</dt><dd>{value}</dd></div>");
    format!("<dl class=\"tiles\">{}</dl>\n", tiles.map(tile).concat())
}

fn remarks(report: &Report) -> String {
    let remarks = report.remarks();
    let lines: String = remarks.iter().map(|line| format!("<li>{}</li>", escaped(line))).collect();
    if lines.is_empty() { lines } else { format!("<ul class=\"reasons\">{lines}</ul>\n") }
}

fn charts_of(report: &Report) -> String {
    let mut curves = vec![(&report.curve[..], ONE), (&report.last_curve[..], TWO)];
    let mut legend = vec![("one", "every delivery"), ("two", "last subscriber")];
    if let Some(before) = &report.comparison {
        curves.push((&before.curve, THREE));
        legend.push(("three", "every delivery of the earlier run"));
    }
    let p99 = duration(report.latency.p99_us);
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
            format!("{} deliveries a second in the mean.", number(report.deliveries_per_second)),
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

fn distributions(report: &Report) -> String {
    let rows = [
        ("every delivery", &report.latency),
        ("first subscriber", &report.first),
        ("median subscriber", &report.median),
        ("last subscriber", &report.last),
        ("sent late by", &report.lateness),
        ("TCP connected", &report.handshakes_full.tcp),
        ("TLS handshake", &report.handshakes_full.tls),
        ("TLS handshake, resumed", &report.handshakes_resumed.tls),
        ("upgrade", &report.handshakes_full.upgrade),
    ];
    let rows = rows.into_iter().filter(|(_, quantiles)| quantiles.count > 0);
    let rows: Vec<Vec<String>> = rows.map(|(name, of)| distribution(name, of)).collect();
    let names = QUANTILES.iter().map(|(name, _)| *name);
    let head: Vec<&str> = ["", "count"].into_iter().chain(names).collect();
    table("Percentiles", &head, &rows)
}

fn distribution(name: &str, quantiles: &Quantiles) -> Vec<String> {
    let times = QUANTILES.iter().map(|(_, quantile)| time(quantiles, quantile(quantiles)));
    [name.to_owned(), count(quantiles.count)].into_iter().chain(times).collect()
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

fn search(report: &Report) -> String {
    if report.search.is_empty() {
        return String::new();
    }
    let rows = report.search.iter().map(|step| {
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

fn phases(report: &Report) -> String {
    if report.phases.len() < 2 {
        return String::new();
    }
    let rows = report.phases.iter().map(|phase| {
        let note = if phase.measured { "" } else { " (not measured)" };
        vec![
            format!("{}{note}", phase.name),
            format!("{} s", number(phase.duration_seconds)),
            format!("{} of {}", number(phase.rate_achieved), number(phase.rate_asked)),
            count(phase.deliveries),
            time(&phase.latency, phase.latency.p50_us),
            time(&phase.latency, phase.latency.p99_us),
            time(&phase.latency, phase.latency.p999_us),
            time(&phase.latency, phase.latency.max_us),
            count(phase.checks.lost),
        ]
    });
    let rows: Vec<Vec<String>> = rows.collect();
    let head = ["", "length", "messages/s", "deliveries", "p50", "p99", "p99.9", "max", "lost"];
    table("Phases", &head, &rows)
}

fn load(report: &Report) -> String {
    let all = |counts: &[u64]| counts.iter().copied().map(count).collect::<Vec<_>>().join(", ");
    let rows = [
        ("scenario", report.scenario.clone()),
        ("published, refused", all(&[report.published, report.refused])),
        ("deliveries, warm-up included", count(report.deliveries)),
        ("duplicates, out of order", all(&[report.duplicates, report.reordered])),
        (
            "corrupted, misrouted, foreign",
            all(&[report.corrupted, report.misrouted, report.foreign]),
        ),
        ("connections lost", count(report.disconnected)),
        ("publishers", count(report.publishers.into())),
        ("seed", report.seed.to_string()),
        ("TLS", report.tls.unwrap_or("none").to_owned()),
        ("CPU of the load generator", format!("{:.0} % of one core", report.cpu_percent)),
    ];
    let rows: Vec<Vec<String>> =
        rows.into_iter().map(|(name, value)| vec![name.to_owned(), value]).collect();
    table("Load and checks", &["", ""], &rows)
}
