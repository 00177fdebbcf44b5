//! This run beside an earlier one: which figures differ by more than they vary by themselves.
//!
//! The spread of a figure is the middle half of its values by second. Two runs differ beyond the
//! spread where these do not overlap.

use serde::{Deserialize, Serialize};

use crate::second::Second;

/// With fewer seconds quartiles say nothing.
const LEAST_SECONDS: usize = 5;

/// What is read of an earlier `--json`.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Baseline {
    runs: Vec<EarlierRun>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct EarlierRun {
    url: String,
    started_at: String,
    warmup_seconds: f64,
    seconds: Vec<Second>,
    curve: Vec<[f64; 2]>,
}

/// A run against the one in its place in the earlier report.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Comparison {
    /// Of the earlier run.
    pub(crate) url: String,
    pub(crate) started_at: String,
    pub(crate) figures: Vec<Difference>,
    /// The earlier run's distribution, as pairs of a quantile and microseconds.
    pub(crate) curve: Vec<[f64; 2]>,
}

/// One figure in both runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Difference {
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) before: Quartiles,
    pub(crate) now: Quartiles,
    pub(crate) verdict: Judgement,
}

/// Of the values by second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub(crate) struct Quartiles {
    pub(crate) low: f64,
    pub(crate) median: f64,
    pub(crate) high: f64,
}

/// Whether a figure changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Judgement {
    WithinTheSpread,
    BetterBeyondTheSpread,
    WorseBeyondTheSpread,
    TooFewSeconds,
}

type Figure = (&'static str, &'static str, fn(&Second) -> f64, bool);

/// Name, unit, value, and whether more is better.
const FIGURES: [Figure; 5] = [
    ("p50", "µs", |second| second.p50_us, false),
    ("p99", "µs", |second| second.p99_us, false),
    ("p99.9", "µs", |second| second.p999_us, false),
    ("max", "µs", |second| second.max_us, false),
    ("deliveries", "/s", |second| second.deliveries as f64, true),
];

impl Baseline {
    /// Reads what `--json` wrote.
    ///
    /// # Errors
    /// What the text is not.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let baseline: Self = serde_json::from_str(text)
            .map_err(|error| format!("is no report of --json: {error}"))?;
        if baseline.runs.iter().all(|run| run.seconds.is_empty()) {
            return Err("has no run with seconds to compare with".into());
        }
        Ok(baseline)
    }

    /// Compares the `place`-th run; its measured time begins after `warmup` seconds. `None` where
    /// the earlier report has none there.
    pub(crate) fn compare(
        &self,
        place: usize,
        seconds: &[Second],
        warmup: f64,
    ) -> Option<Comparison> {
        let run = self.runs.get(place).filter(|run| !run.seconds.is_empty())?;
        let before = measured(&run.seconds, run.warmup_seconds);
        let after = measured(seconds, warmup);
        let figures = FIGURES.iter().map(|figure| difference(figure, &before, &after));
        Some(Comparison {
            url: run.url.clone(),
            started_at: run.started_at.clone(),
            figures: figures.collect(),
            curve: run.curve.clone(),
        })
    }
}

/// Whole seconds after the warm-up in which something was delivered.
fn measured(seconds: &[Second], warmup: f64) -> Vec<&Second> {
    seconds.iter().filter(|second| second.at >= warmup && second.deliveries > 0).collect()
}

fn difference(figure: &Figure, before: &[&Second], now: &[&Second]) -> Difference {
    let &(name, unit, value, more_is_better) = figure;
    let of =
        |seconds: &[&Second]| Quartiles::of(seconds.iter().map(|second| value(second)).collect());
    let enough = before.len().min(now.len()) >= LEAST_SECONDS;
    let (before, now) = (of(before), of(now));
    let verdict = if !enough {
        Judgement::TooFewSeconds
    } else if now.low <= before.high && before.low <= now.high {
        Judgement::WithinTheSpread
    } else if (now.median > before.median) == more_is_better {
        Judgement::BetterBeyondTheSpread
    } else {
        Judgement::WorseBeyondTheSpread
    };
    Difference { name, unit, before, now, verdict }
}

impl Quartiles {
    fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let Some(last) = values.len().checked_sub(1) else { return Self::default() };
        let at = |share: f64| values[(share * last as f64).round() as usize];
        Self { low: at(0.25), median: at(0.5), high: at(0.75) }
    }
}

impl Judgement {
    /// In words.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::WithinTheSpread => "within the spread",
            Self::BetterBeyondTheSpread => "better, beyond the spread",
            Self::WorseBeyondTheSpread => "worse, beyond the spread",
            Self::TooFewSeconds => "too few seconds to tell",
        }
    }
}

#[cfg(test)]
mod tests;
