//! A plan with everything decided. Pure: it knows no server and no clock.

use std::sync::Arc;
use std::time::Duration;

use crate::assertion::Assertion;
use crate::collector::MessageId;
use crate::error::OperatorError;
use crate::payload_stamp::MIN_PAYLOAD;
use crate::phase::Phase;
use crate::plan_input::{PhaseInput, PlanInput, Publish, Scenario};
use crate::room_choice::RoomChoice;
use crate::schedule::{PublisherId, Schedule};
use crate::timeline::Timeline;

/// The largest data document: far above the server's own limit of 1 MiB by default.
const MAX_PAYLOAD: usize = 64 << 20;

/// What a run does.
#[derive(Debug, Clone)]
pub(crate) struct LoadPlan {
    pub(crate) scenario: Scenario,
    pub(crate) connections: u32,
    /// New connections a second.
    pub(crate) ramp: f64,
    pub(crate) rooms: RoomChoice,
    pub(crate) publish: Publish,
    /// Publishers with a thread each.
    pub(crate) publishers: u32,
    pub(crate) payload: usize,
    pub(crate) schedule: Schedule,
    pub(crate) assertions: Vec<Assertion>,
    /// What p99 of this tool's own lateness may be.
    pub(crate) max_lateness: Duration,
}

impl LoadPlan {
    /// Decides what the input leaves open.
    ///
    /// # Errors
    /// Names the field, its value and the remedy.
    pub(crate) fn resolve(input: PlanInput) -> Result<Self, OperatorError> {
        let payload = input.payload.unwrap_or(128);
        if !(MIN_PAYLOAD..=MAX_PAYLOAD).contains(&payload) {
            return Err(OperatorError(format!(
                "--payload {payload}: the document needs {MIN_PAYLOAD} bytes for its stamp, and at \
                 most {MAX_PAYLOAD}"
            )));
        }
        let channels = input.channels.unwrap_or(1);
        let per_client = input.channels_per_client.unwrap_or(1);
        if per_client > channels {
            return Err(OperatorError(format!(
                "--channels-per-client {per_client}: there are {channels} channels; raise \
                 --channels"
            )));
        }
        let seed = input.seed.unwrap_or(1);
        let scenario = input.scenario.unwrap_or_default();
        let schedule = Schedule {
            timeline: Arc::new(Timeline::new(phases(scenario, &input)?)),
            arrivals: input.arrivals.unwrap_or_default(),
            burst: input.burst.unwrap_or(10),
            seed,
            channels,
        };
        check_phases(&input.assertions, &schedule.timeline)?;
        Ok(Self {
            scenario,
            connections: input.connections.unwrap_or(1_000),
            ramp: input.ramp.unwrap_or(5_000.0),
            rooms: RoomChoice::new(channels, per_client, input.zipf.unwrap_or(0.0), seed),
            publish: input.publish.unwrap_or_default(),
            publishers: input.publishers.unwrap_or(1),
            payload,
            schedule,
            assertions: input.assertions,
            max_lateness: Duration::from_secs_f64(input.max_lateness.unwrap_or(0.01)),
        })
    }

    pub(crate) fn timeline(&self) -> &Arc<Timeline> {
        &self.schedule.timeline
    }

    /// The `sequence`-th message of a source.
    pub(crate) fn message(&self, source: u32, sequence: u64) -> MessageId {
        let publisher = PublisherId(source);
        let channel = self.schedule.channel_of(publisher, sequence);
        (publisher, channel, self.schedule.index_in_channel(sequence))
    }

    /// Whether a subscriber leaves by plan, so that what it is due is known only to itself.
    pub(crate) fn moves(&self) -> bool {
        let mut phases = self.timeline().phases().iter();
        phases.any(|phase| phase.churn > 0.0 || phase.absence.is_some())
    }
}

/// Every phase that is asserted of must be there.
fn check_phases(assertions: &[Assertion], timeline: &Timeline) -> Result<(), OperatorError> {
    let names: Vec<&str> = timeline.phases().iter().map(|phase| &*phase.name).collect();
    let unknown = assertions
        .iter()
        .find(|assertion| assertion.phase().is_some_and(|name| !names.contains(&name)));
    unknown.map_or(Ok(()), |assertion| {
        Err(OperatorError(format!(
            "--assert {}: there is no such phase; the phases are {}",
            assertion.text(),
            names.join(", ")
        )))
    })
}

/// A part of the measured time.
struct Shape {
    duration: f64,
    rate: f64,
}

impl Shape {
    fn steady(&self, name: &str, part: f64) -> Phase {
        Phase::steady(name, Duration::from_secs_f64(self.duration * part), self.rate)
    }
}

fn phases(scenario: Scenario, input: &PlanInput) -> Result<Vec<Phase>, OperatorError> {
    let shape =
        Shape { duration: input.duration.unwrap_or(10.0), rate: input.rate.unwrap_or(100.0) };
    let mut phases = Vec::new();
    let warmup = input.warmup.unwrap_or(0.0);
    if warmup > 0.0 {
        let first = input.phases.first().and_then(|phase| phase.rate).unwrap_or(shape.rate);
        let phase = Phase::steady("warm-up", Duration::from_secs_f64(warmup), first);
        phases.push(Phase { measured: false, ..phase });
    }
    if !input.phases.is_empty() {
        phases.extend(input.phases.iter().enumerate().map(|(at, phase)| given(at, phase, &shape)));
    } else {
        phases.extend(preset(scenario, &shape));
    }
    if !phases.iter().any(|phase| phase.measured) {
        let what = "[[phase]] measured = false: no phase is measured; leave one at true";
        return Err(OperatorError(what.into()));
    }
    Ok(phases)
}

fn preset(scenario: Scenario, shape: &Shape) -> Vec<Phase> {
    match scenario {
        Scenario::Steady => vec![shape.steady("steady", 1.0)],
        Scenario::Ramp => {
            let rate = (shape.rate / 10.0, shape.rate);
            vec![Phase { rate, ..shape.steady("ramp", 0.5) }, shape.steady("hold", 0.5)]
        }
    }
}

/// A phase of a file; the plan decides what it leaves open.
fn given(place: usize, input: &PhaseInput, shape: &Shape) -> Phase {
    let rate = input.rate.unwrap_or(shape.rate);
    let length = Duration::from_secs_f64(input.duration.unwrap_or(shape.duration));
    let name = input.name.clone().unwrap_or_else(|| format!("phase {}", place + 1));
    Phase {
        rate: (rate, input.to_rate.unwrap_or(rate)),
        measured: input.measured.unwrap_or(true),
        ..Phase::steady(&name, length, rate)
    }
}

#[cfg(test)]
mod tests;
