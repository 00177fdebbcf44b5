//! The latencies as JSON and in the formats of HdrHistogram's tools.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::{Duration, UNIX_EPOCH};

use hdrhistogram::Histogram;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};
use serde::Deserialize;
use serde_json::{Value, json};
use uringcast_engine::ServiceId;
use uringcast_engine::exposition::seconds;
use uringcast_engine::telemetry::{Latency, Totals, latency_histogram};

use super::accumulator::Accumulator;
use super::timestamp::Timestamp;

/// Which latencies a request selects, and in which format.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LatencyQuery {
    /// How it is written.
    #[serde(default)]
    pub format: Format,
    /// Only this kind, as [`Latency`] names it.
    pub kind: Option<String>,
    /// Only this service, by its `server` label.
    pub server: Option<String>,
    /// Only this class of channel or type of message.
    pub class: Option<String>,
    /// The period, for formats with one histogram for each kind.
    #[serde(default)]
    pub span: Span,
}

/// How latencies are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Percentiles in seconds.
    #[default]
    Json,
    /// Percentile distribution in milliseconds: all selected histograms of one kind added up.
    Hgrm,
    /// Histogram log, version 1.3, of nanoseconds: a line for each histogram.
    Hlog,
}

/// Which measurements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Span {
    /// All.
    #[default]
    Start,
    /// Those of the last whole interval ([`LATENCY_WINDOW`](crate::limits::LATENCY_WINDOW)), or
    /// before its end what there is of the first.
    Interval,
}

impl LatencyQuery {
    /// What is wrong with the query itself.
    pub fn fault(&self) -> Option<String> {
        let kinds = Latency::ALL.iter().map(|latency| latency.label());
        match &self.kind {
            Some(kind) if !kinds.clone().any(|known| known == kind) => {
                Some(format!("There is no kind {kind:?}: {}.", alternatives(kinds)))
            }
            None if self.format == Format::Hgrm => {
                let kinds = alternatives(kinds);
                Some(format!("format=hgrm is of one kind; kind= must name it: {kinds}."))
            }
            _ => None,
        }
    }

    /// The server or class that the query names and that does not exist. A class exists once it was
    /// measured.
    fn missing(&self, state: &Accumulator) -> Option<String> {
        let names = &state.names;
        if let Some(server) = self.server.as_ref().filter(|server| !names.contains(server)) {
            let names = alternatives(names.iter().map(String::as_str));
            return Some(format!("There is no server {server:?}: {names}."));
        }
        let class = self.class.as_ref()?;
        let all = LatencyQuery { class: None, ..self.clone() };
        let all = all.select(&state.totals, names);
        let known: BTreeSet<&str> = all.iter().map(|one| one.class).collect();
        let known = alternatives(known.iter().copied().filter(|class| !class.is_empty()));
        let measured = all.iter().any(|one| one.class == class);
        (!measured).then(|| format!("Nothing of class {class:?} was measured so far: {known}."))
    }

    fn matches(&self, kind: Latency, server: &str, class: &str) -> bool {
        self.kind.as_deref().is_none_or(|wanted| wanted == kind.label())
            && self.server.as_deref().is_none_or(|wanted| wanted == server)
            && self.class.as_deref().is_none_or(|wanted| wanted == class)
    }

    fn select<'a>(&'a self, totals: &'a Totals, names: &'a [String]) -> Vec<Series<'a>> {
        let named = |(kind, service, class, times): (Latency, ServiceId, &'a str, _)| {
            let server = names[service.index()].as_str();
            Series { kind, server, class, times }
        };
        let wanted = |one: &Series<'_>| self.matches(one.kind, one.server, one.class);
        totals.latencies().map(named).filter(wanted).collect()
    }
}

/// One histogram and what it is of.
struct Series<'a> {
    kind: Latency,
    server: &'a str,
    class: &'a str,
    times: &'a Histogram<u64>,
}

/// The values there are, as an answer names them.
fn alternatives<'a>(values: impl Iterator<Item = &'a str>) -> String {
    let all: Vec<&str> = values.collect();
    if all.is_empty() { "there is none".into() } else { format!("there is {}", all.join(", ")) }
}

/// The answer, or the text about a server or class that does not exist.
pub(super) fn render(state: &Accumulator, query: &LatencyQuery) -> Result<String, String> {
    if let Some(missing) = query.missing(state) {
        return Err(missing);
    }
    let now = Timestamp::now();
    let start = (&state.totals, state.started, now.mono - state.started.mono);
    let (totals, since, length) = match query.span {
        Span::Start => start,
        Span::Interval => state.window(now),
    };
    Ok(match query.format {
        Format::Json => {
            let (window, _, recent) = state.window(now);
            let all = percentiles(&query.select(&state.totals, &state.names));
            let last = percentiles(&query.select(window, &state.names));
            json!({
                "unit": "seconds",
                "since_start": {"seconds": start.2.as_secs_f64(), "latencies": all},
                "last_interval": {"seconds": recent.as_secs_f64(), "latencies": last},
            })
            .to_string()
        }
        Format::Hgrm => {
            let mut sum = latency_histogram();
            for one in query.select(totals, &state.names) {
                sum.add(one.times).expect("all latencies have the same bounds");
            }
            distribution(&sum)
        }
        Format::Hlog => log(&query.select(totals, &state.names), since, length),
    })
}

fn percentiles(all: &[Series<'_>]) -> Vec<Value> {
    const QUANTILES: [(&str, f64); 7] = [
        ("p50", 0.5),
        ("p75", 0.75),
        ("p90", 0.9),
        ("p95", 0.95),
        ("p99", 0.99),
        ("p99_9", 0.999),
        ("p99_99", 0.999_9),
    ];
    let one = |&Series { kind, server, class, times }: &Series<'_>| {
        let mut fields = json!({"server": server, "kind": kind.label()});
        if let Some(label) = kind.split_by() {
            fields[label] = class.into();
        }
        fields["count"] = times.len().into();
        fields["mean"] = (times.mean() / 1e9).into();
        fields["stddev"] = (times.stdev() / 1e9).into();
        fields["min"] = seconds(times.min()).into();
        for (name, quantile) in QUANTILES {
            fields[name] = seconds(times.value_at_quantile(quantile)).into();
        }
        fields["max"] = seconds(times.max()).into();
        fields
    };
    all.iter().map(one).collect()
}

/// As HdrHistogram's `outputPercentileDistribution` writes it, five steps for each halving of the
/// distance to 100 %.
fn distribution(times: &Histogram<u64>) -> String {
    let ms = |ns: f64| ns / 1e6;
    let mut text = String::from("       Value     Percentile TotalCount 1/(1-Percentile)\n\n");
    let mut count = 0;
    // Writing to a String cannot fail.
    for step in times.iter_quantiles(5) {
        count += step.count_since_last_iteration();
        let (value, quantile) = (ms(step.value_iterated_to() as f64), step.quantile_iterated_to());
        let _ = write!(text, "{value:12.6} {quantile:2.12} {count:10}");
        let _ = match 1.0 - quantile {
            rest if rest > 0.0 => writeln!(text, " {:14.2}", 1.0 / rest),
            _ => writeln!(text),
        };
    }
    let (mean, deviation, max) = (ms(times.mean()), ms(times.stdev()), ms(times.max() as f64));
    let len = times.len();
    let _ = writeln!(text, "#[Mean    = {mean:12.6}, StdDeviation   = {deviation:12.6}]");
    let _ = writeln!(text, "#[Max     = {max:12.6}, Total count    = {len:12}]");
    let _ = writeln!(text, "#[Buckets = {:12}, SubBuckets     = {:12}]", times.buckets(), 256);
    text
}

/// A line for each histogram that holds anything, tagged `server:kind` or `server:kind:class`.
fn log(all: &[Series<'_>], since: Timestamp, length: Duration) -> String {
    let mut bytes = Vec::new();
    let mut serializer = V2DeflateSerializer::new();
    let mut head = IntervalLogWriterBuilder::new();
    head.add_comment("[Histogram log format version 1.3]");
    head.add_comment("[Logged by uringcast; values are nanoseconds]");
    head.with_max_value_divisor(1e6).with_start_time(since.wall).with_base_time(UNIX_EPOCH);
    let mut writer =
        head.begin_log_with(&mut bytes, &mut serializer).expect("memory takes all that is written");
    for Series { kind, server, class, times } in all.iter().filter(|one| !one.times.is_empty()) {
        let colon = if class.is_empty() { "" } else { ":" };
        let tag = format!("{server}:{}{colon}{class}", kind.label());
        let tag = tag.replace([',', ' ', '\r', '\n'], "_");
        let written = writer.write_histogram(times, since.since_1970(), length, Tag::new(&tag));
        written.expect("memory takes all that is written");
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests;
