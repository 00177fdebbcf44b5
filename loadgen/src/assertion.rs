//! `--assert 'p99<5ms'`: what must be true of a run for exit code 0.

use std::str::FromStr;

use hdrhistogram::Histogram;

use crate::figures::Figures;
use crate::summary::Summary;

/// One condition on a run.
#[derive(Debug, Clone)]
pub(crate) struct Assertion {
    text: String,
    /// Where it is written, for messages.
    place: String,
    /// Of all phases together if it is `None`.
    phase: Option<String>,
    metric: Metric,
    holds: Comparison,
    /// Microseconds for latencies, otherwise a plain number.
    limit: f64,
}

type Comparison = fn(&f64, &f64) -> bool;

#[derive(Debug, Clone, Copy)]
enum Metric {
    Time(Distribution, f64),
    Number(Number),
}

type Distribution = fn(&Figures) -> &Histogram<u64>;
type Number = fn(&Figures) -> f64;

const OPERATORS: [(&str, Comparison); 5] =
    [("<=", f64::le), (">=", f64::ge), ("==", f64::eq), ("<", f64::lt), (">", f64::gt)];

const QUANTILES: [(&str, f64); 6] =
    [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("p99.99", 0.9999), ("max", 1.0)];

const DELIVERY: Distribution = |figures| &figures.delivery;

/// By the prefix of a quantile.
const DISTRIBUTIONS: [(&str, Distribution); 11] = [
    ("first.", |figures| &figures.first),
    ("median.", |figures| &figures.median),
    ("last.", |figures| &figures.last),
    ("lateness.", |figures| &figures.lateness),
    ("inflating.", |figures| &figures.inflating),
    ("tcp.", |figures| &figures.handshakes.full.tcp),
    ("tls.", |figures| &figures.handshakes.full.tls),
    ("upgrade.", |figures| &figures.handshakes.full.upgrade),
    ("resumed.tcp.", |figures| &figures.handshakes.resumed.tcp),
    ("resumed.tls.", |figures| &figures.handshakes.resumed.tls),
    ("resumed.upgrade.", |figures| &figures.handshakes.resumed.upgrade),
];

const NUMBERS: [(&str, Number); 13] = [
    ("loss", |figures| figures.checks.lost as f64),
    ("duplicates", |figures| figures.checks.duplicates as f64),
    ("reordered", |figures| figures.checks.reordered as f64),
    ("corrupted", |figures| figures.checks.corrupted as f64),
    ("misrouted", |figures| figures.checks.misrouted as f64),
    ("foreign", |figures| figures.checks.foreign as f64),
    ("published", |figures| figures.published as f64),
    ("refused", |figures| figures.refused as f64),
    ("deliveries", |figures| figures.deliveries as f64),
    ("recovered", |figures| figures.recovered as f64),
    ("disconnected", |figures| figures.disconnected as f64),
    ("rate", |figures| figures.rate_achieved),
    ("throughput", |figures| figures.deliveries_per_second),
];

const FORM: &str = "expected METRIC OP VALUE: p50, p90, p99, p99.9, p99.99 or max of every \
    delivery, or after first., median., last., lateness., inflating., \
    tcp., tls. or upgrade. (of full handshakes; resumed.tls. of resumed \
    ones), with a time like 5ms or 800us; or loss, duplicates, reordered, \
    corrupted, misrouted, foreign, published, refused, deliveries, \
    recovered, disconnected, rate or throughput with a number; phase.NAME. \
    before it means one phase; OP is <, <=, >, >= or ==";

impl FromStr for Assertion {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        parse(text).ok_or_else(|| FORM.to_string())
    }
}

fn parse(text: &str) -> Option<Assertion> {
    let at = text.find(['<', '>', '='])?;
    let (name, rest) = text.split_at(at);
    let (holds, value) =
        OPERATORS.into_iter().find_map(|(sign, holds)| Some((holds, rest.strip_prefix(sign)?)))?;
    let (phase, metric) = metric_of_phase(name.trim())?;
    let value = value.trim();
    let limit = match metric {
        Metric::Time(..) => microseconds(value)?,
        Metric::Number(_) => value.parse().ok()?,
    };
    let text = text.to_owned();
    let place = "--assert".to_owned();
    let known = limit.is_finite() && limit >= 0.0;
    known.then_some(Assertion { text, place, phase, metric, holds, limit })
}

/// The names of phases are free: the metric is the longest end that is one.
fn metric_of_phase(name: &str) -> Option<(Option<String>, Metric)> {
    let Some(rest) = name.strip_prefix("phase.") else {
        return Some((None, metric(name)?));
    };
    rest.match_indices('.')
        .find_map(|(dot, _)| Some((Some(rest[..dot].to_owned()), metric(&rest[dot + 1..])?)))
}

fn metric(name: &str) -> Option<Metric> {
    if let Some((_, number)) = NUMBERS.iter().find(|(known, _)| *known == name) {
        return Some(Metric::Number(*number));
    }
    let prefixed = DISTRIBUTIONS
        .iter()
        .find_map(|(prefix, distribution)| Some((*distribution, name.strip_prefix(prefix)?)));
    let (distribution, name) = prefixed.unwrap_or((DELIVERY, name));
    let (_, quantile) = QUANTILES.iter().find(|(known, _)| *known == name)?;
    Some(Metric::Time(distribution, *quantile))
}

fn microseconds(value: &str) -> Option<f64> {
    let unit = value.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = value.split_at(unit);
    let factor = match unit {
        "ns" => 1e-3,
        "us" | "µs" => 1.0,
        "ms" => 1e3,
        "s" => 1e6,
        _ => return None,
    };
    Some(number.parse::<f64>().ok()? * factor)
}

impl Assertion {
    /// The same, written in a line of a plan.
    pub(crate) fn of_line(self, line: usize) -> Self {
        Self { place: format!("--plan, line {line}: assert"), ..self }
    }

    /// Where and as it was written.
    pub(crate) fn written(&self) -> String {
        format!("{} {}", self.place, self.text)
    }

    /// The phase that it is about, if it is about one.
    pub(crate) fn phase(&self) -> Option<&str> {
        self.phase.as_deref()
    }

    /// `Err` names what was found instead. A latency of nothing is a failure, not zero.
    pub(crate) fn check(&self, summary: &Summary) -> Result<(), String> {
        let figures = match &self.phase {
            None => Some(&summary.total),
            Some(name) => {
                let phase = summary.phases.iter().find(|phase| phase.name == *name);
                phase.map(|phase| &phase.figures)
            }
        };
        let found = figures.and_then(|figures| match self.metric {
            Metric::Number(number) => Some((number(figures), "")),
            Metric::Time(distribution, quantile) => {
                let times = distribution(figures);
                let at = times.value_at_quantile(quantile) as f64 / 1e3;
                (!times.is_empty()).then_some((at, " µs"))
            }
        });
        let (found, unit) = found.ok_or_else(|| format!("{}: nothing was measured", self.text))?;
        if (self.holds)(&found, &self.limit) {
            Ok(())
        } else {
            Err(format!("{}: it was {found:.0}{unit}", self.text))
        }
    }
}

#[cfg(test)]
mod tests;
