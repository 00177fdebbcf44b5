//! The phases of each scenario, and those that a file gives.

use std::time::Duration;

use crate::error::OperatorError;
use crate::phase::{Absence, Phase};
use crate::plan_input::{PhaseInput, PlanInput, Scenario};

/// Seconds of a soak.
const HOUR: f64 = 3_600.0;

/// What all phases are made of.
struct Shape<'a> {
    input: &'a PlanInput,
    duration: f64,
    rate: f64,
    churn: f64,
}

/// The phases of a run: a warm-up if one is wanted, then those of the file or of the scenario.
///
/// # Errors
/// When none of them is measured.
pub(crate) fn phases(
    scenario: Scenario,
    input: &PlanInput,
    connections: u32,
) -> Result<Vec<Phase>, OperatorError> {
    let usual_duration = if scenario == Scenario::Soak { HOUR } else { 10.0 };
    let usual_rate = if scenario == Scenario::Idle { 0.0 } else { 100.0 };
    let twentieth = if scenario == Scenario::Churn { f64::from(connections) / 20.0 } else { 0.0 };
    let shape = Shape {
        input,
        duration: input.duration.unwrap_or(usual_duration),
        rate: input.rate.unwrap_or(usual_rate),
        churn: input.churn.unwrap_or(twentieth),
    };
    let mut phases = Vec::new();
    let usual_warmup = if scenario == Scenario::FindMax { 1.0 } else { 0.0 };
    let warmup = input.warmup.unwrap_or(usual_warmup);
    if warmup > 0.0 {
        let first = input.phases.first().and_then(|phase| phase.rate).unwrap_or(shape.rate);
        let phase = Phase::steady("warm-up", Duration::from_secs_f64(warmup), first);
        phases.push(Phase { measured: false, ..phase });
    }
    if input.phases.is_empty() {
        phases.extend(shape.preset(scenario));
    } else {
        phases.extend(input.phases.iter().enumerate().map(|(at, phase)| shape.given(at, phase)));
    }
    if !phases.iter().any(|phase| phase.measured) {
        let what = "[[phase]] measured = false: no phase is measured; leave one at true";
        return Err(OperatorError(what.into()));
    }
    Ok(phases)
}

impl Shape<'_> {
    /// A part of the measured time at the rate.
    fn steady(&self, name: &str, part: f64) -> Phase {
        let length = Duration::from_secs_f64(self.duration * part);
        Phase { churn: self.churn, ..Phase::steady(name, length, self.rate) }
    }

    fn preset(&self, scenario: Scenario) -> Vec<Phase> {
        match scenario {
            Scenario::Steady
            | Scenario::Churn
            | Scenario::Slow
            | Scenario::Rooms
            | Scenario::Chat
            | Scenario::Idle
            | Scenario::Soak
            | Scenario::FindMax => vec![self.steady(&scenario.to_string(), 1.0)],
            Scenario::Ramp => {
                let rate = (self.rate / 10.0, self.rate);
                vec![Phase { rate, ..self.steady("ramp", 0.5) }, self.steady("hold", 0.5)]
            }
            Scenario::Storm => self.interrupted("storm", 1.0, 0.0),
            Scenario::Recovery => self.interrupted("away", 0.5, self.duration / 8.0),
        }
    }

    /// Calm, then an absence of so many subscribers and seconds, then calm again.
    fn interrupted(&self, name: &str, share: f64, seconds: f64) -> Vec<Phase> {
        let input = self.input;
        let absence = Absence {
            share: input.drop.unwrap_or(share),
            away: Duration::from_secs_f64(input.away.unwrap_or(seconds)),
            spread: Duration::from_secs_f64(input.spread.unwrap_or(seconds)),
        };
        let interruption = Phase { absence: Some(absence), ..self.steady(name, 0.5) };
        vec![self.steady("before", 0.25), interruption, self.steady("after", 0.25)]
    }

    /// A phase of a file; the plan decides what it leaves open.
    fn given(&self, place: usize, given: &PhaseInput) -> Phase {
        let rate = given.rate.unwrap_or(self.rate);
        let length = Duration::from_secs_f64(given.duration.unwrap_or(self.duration));
        let name = given.name.clone().unwrap_or_else(|| format!("phase {}", place + 1));
        let seconds = |own: Option<f64>, plan: Option<f64>| {
            Duration::from_secs_f64(own.or(plan).unwrap_or(0.0))
        };
        let absence = given.drop.map(|share| Absence {
            share,
            away: seconds(given.away, self.input.away),
            spread: seconds(given.spread, self.input.spread),
        });
        Phase {
            rate: (rate, given.to_rate.unwrap_or(rate)),
            measured: given.measured.unwrap_or(true),
            churn: given.churn.unwrap_or(self.churn),
            absence,
            ..Phase::steady(&name, length, rate)
        }
    }
}

#[cfg(test)]
mod tests;
