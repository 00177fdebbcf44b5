//! `--assert 'p99<5ms'`: what must be true of a run for exit code 0.

use std::str::FromStr;

use crate::report::{QUANTILES, Quantile, Quantiles, Report};

/// One condition on a report.
#[derive(Debug, Clone)]
pub(crate) struct Assertion {
    text: String,
    metric: Metric,
    holds: Comparison,
    /// Microseconds for latencies, otherwise a plain number.
    limit: f64,
}

type Comparison = fn(&f64, &f64) -> bool;

#[derive(Debug, Clone, Copy)]
enum Metric {
    Delivery(Quantile),
    Last(Quantile),
    Loss,
    Throughput,
}

const OPERATORS: [(&str, Comparison); 5] =
    [("<=", f64::le), (">=", f64::ge), ("==", f64::eq), ("<", f64::lt), (">", f64::gt)];

const FORM: &str = "expected METRIC OP VALUE: p50, p90, p99, p99.9 or max (of every delivery; \
    last.p99 etc. of the last subscriber) with a time like 5ms or 800us, or loss or throughput \
    with a number; OP is <, <=, >, >= or ==";

impl FromStr for Assertion {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let compact: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        parse(&compact)
            .map(|(metric, holds, limit)| Self { text: compact, metric, holds, limit })
            .ok_or_else(|| FORM.to_string())
    }
}

fn parse(text: &str) -> Option<(Metric, Comparison, f64)> {
    let at = text.find(['<', '>', '='])?;
    let (metric, rest) = text.split_at(at);
    let (holds, value) =
        OPERATORS.into_iter().find_map(|(sign, holds)| Some((holds, rest.strip_prefix(sign)?)))?;
    let (metric, limit) = match (metric, metric.strip_prefix("last.")) {
        ("loss", _) => (Metric::Loss, value.parse().ok()?),
        ("throughput", _) => (Metric::Throughput, value.parse().ok()?),
        (_, Some(name)) => (Metric::Last(quantile(name)?), microseconds(value)?),
        (name, None) => (Metric::Delivery(quantile(name)?), microseconds(value)?),
    };
    (limit.is_finite() && limit >= 0.0).then_some((metric, holds, limit))
}

fn quantile(name: &str) -> Option<Quantile> {
    QUANTILES.iter().find(|(known, _)| *known == name).map(|(_, quantile)| *quantile)
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
    /// `Err` names what was found instead. A latency of nothing is a failure, not zero.
    pub(crate) fn check(&self, report: &Report) -> Result<(), String> {
        let (found, unit) = match self.metric {
            Metric::Loss => (Some(report.loss as f64), ""),
            Metric::Throughput => (Some(report.deliveries_per_second), " deliveries/s"),
            Metric::Delivery(quantile) => (pick(&report.latency, quantile), " µs"),
            Metric::Last(quantile) => (pick(&report.last, quantile), " µs"),
        };
        let found = found.ok_or_else(|| format!("{}: nothing was measured", self.text))?;
        if (self.holds)(&found, &self.limit) {
            Ok(())
        } else {
            Err(format!("{}: it was {found:.0}{unit}", self.text))
        }
    }
}

fn pick(quantiles: &Quantiles, quantile: Quantile) -> Option<f64> {
    (quantiles.count > 0).then(|| quantile(quantiles))
}

#[cfg(test)]
mod tests;
