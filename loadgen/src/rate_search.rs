//! The highest rate that holds, by doubling and then by halving what is left. Pure.

use serde::Serialize;

/// The search ends when the lowest rate that failed is at most so much above the highest that
/// held.
const PRECISION: f64 = 1.05;
/// It ends as well when this part of the first rate has failed.
const LEAST: f64 = 1.0 / 64.0;

/// What came of one rate.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "outcome", content = "reason", rename_all = "kebab-case")]
pub(crate) enum StepOutcome {
    Held,
    Failed(String),
    /// This tool itself was late: a higher rate says nothing.
    GeneratorBound(String),
}

/// One rate that was tried.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct SearchStep {
    pub(crate) rate: f64,
    #[serde(flatten)]
    pub(crate) outcome: StepOutcome,
    pub(crate) p99_us: f64,
}

/// A search under way.
#[derive(Debug)]
pub(crate) struct RateSearch {
    first: f64,
    most: f64,
    held: Option<f64>,
    failed: Option<f64>,
    bound: bool,
}

impl RateSearch {
    /// Begins at a rate and goes up to another one at most.
    pub(crate) fn new(first: f64, most: f64) -> Self {
        Self { first, most: most.max(first), held: None, failed: None, bound: false }
    }

    /// The rate to try now; `None` at the end.
    pub(crate) fn next(&self) -> Option<f64> {
        match (self.held, self.failed) {
            _ if self.bound => None,
            (None, None) => Some(self.first),
            (Some(held), None) => (held < self.most).then(|| (held * 2.0).min(self.most)),
            (None, Some(failed)) => (failed > self.first * LEAST).then(|| failed / 2.0),
            (Some(held), Some(failed)) => {
                (failed > held * PRECISION).then(|| f64::midpoint(held, failed))
            }
        }
    }

    /// Takes in what came of the rate.
    pub(crate) fn tell(&mut self, rate: f64, outcome: &StepOutcome) {
        match outcome {
            StepOutcome::Held => self.held = Some(rate),
            StepOutcome::Failed(_) => self.failed = Some(rate),
            StepOutcome::GeneratorBound(_) => self.bound = true,
        }
    }

    /// Whether this tool ended the search and not the server.
    pub(crate) fn is_generator_bound(&self) -> bool {
        self.bound
    }
}

#[cfg(test)]
mod tests;
