//! `--scenario find-max`: one run for each rate that the search tries.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crate::config::Config;
use crate::error::OperatorError;
use crate::rate_search::{RateSearch, SearchStep, StepOutcome};
use crate::run;
use crate::run_verdict::RunVerdict;
use crate::summary::Summary;

/// A step that reaches less than this share of its rate has failed.
const REACHED: f64 = 0.95;

/// Searches, and returns the run at the highest rate that held; if none did, the last one.
///
/// # Errors
/// As [`run::run`].
pub(crate) fn find_max(
    config: &Config,
    most: f64,
    interrupted: &AtomicBool,
) -> Result<(Summary, RunVerdict), OperatorError> {
    let first = config.plan.timeline().phases().last().map_or(1.0, |phase| phase.rate.0);
    let mut search = RateSearch::new(first, most);
    let mut steps = Vec::new();
    let mut best: Option<(bool, Summary, RunVerdict)> = None;
    while let Some(rate) = search.next() {
        let step = Config { plan: config.plan.at_rate(rate), ..config.clone() };
        let (mut summary, mut verdict, mut outcome) = attempt(&step, rate, interrupted)?;
        if matches!(outcome, StepOutcome::Failed(_)) && !interrupted.load(Relaxed) {
            // Once may be chance.
            (summary, verdict, outcome) = attempt(&step, rate, interrupted)?;
        }
        let p99_us = summary.total.delivery.value_at_quantile(0.99) as f64 / 1e3;
        search.tell(rate, &outcome);
        let step = SearchStep { rate, outcome, p99_us };
        if !config.args.output.quiet {
            eprintln!("loadgen: {}", line(&step));
        }
        let held = step.outcome == StepOutcome::Held;
        steps.push(step);
        if held || !matches!(best, Some((true, ..))) {
            best = Some((held, summary, verdict));
        }
        if interrupted.load(Relaxed) {
            break;
        }
    }
    let (held, mut summary, mut verdict) =
        best.ok_or_else(|| OperatorError("--rate: no rate was tried".into()))?;
    if held && search.is_generator_bound() {
        verdict.generator_bound = steps.last().and_then(|step| match &step.outcome {
            StepOutcome::GeneratorBound(why) => {
                Some(format!("the server holds more than this tool can send: {why}"))
            }
            _ => None,
        });
    }
    summary.search = steps;
    Ok((summary, verdict))
}

fn attempt(
    config: &Config,
    rate: f64,
    interrupted: &AtomicBool,
) -> Result<(Summary, RunVerdict, StepOutcome), OperatorError> {
    let summary = run::run(config, interrupted)?;
    let verdict = RunVerdict::of(&config.plan, &summary);
    let outcome = outcome(rate, &summary, &verdict);
    Ok((summary, verdict, outcome))
}

fn outcome(rate: f64, summary: &Summary, verdict: &RunVerdict) -> StepOutcome {
    let total = &summary.total;
    let achieved = taken(total.rate_achieved, total.published, total.refused);
    if let Some(fault) = verdict.faults.first() {
        StepOutcome::Failed(fault.clone())
    } else if let Some(why) = &verdict.generator_bound {
        StepOutcome::GeneratorBound(why.clone())
    } else if let Some(unmet) = verdict.unmet.first() {
        StepOutcome::Failed(unmet.clone())
    } else if achieved < rate * REACHED {
        StepOutcome::Failed(format!("only {achieved:.0} messages a second were taken"))
    } else {
        StepOutcome::Held
    }
}

/// The rate without what the server has refused.
fn taken(achieved: f64, published: u64, refused: u64) -> f64 {
    let kept = published.saturating_sub(refused);
    achieved * kept as f64 / published.max(1) as f64
}

fn line(step: &SearchStep) -> String {
    let (rate, p99) = (step.rate, step.p99_us / 1e3);
    match &step.outcome {
        StepOutcome::Held => format!("{rate:.0} messages/s hold, p99 {p99:.2} ms"),
        StepOutcome::Failed(why) => format!("{rate:.0} messages/s do not hold: {why}"),
        StepOutcome::GeneratorBound(why) => format!("{rate:.0} messages/s: {why}"),
    }
}

#[cfg(test)]
mod tests;
