//! A plan with everything decided. Pure: it knows no server and no clock.

use std::sync::Arc;
use std::time::Duration;

use crate::assertion::Assertion;
use crate::channel_name::ChannelName;
use crate::error::OperatorError;
use crate::movements::is_chosen;
use crate::payload_stamp::MIN_PAYLOAD;
use crate::phase::Phase;
use crate::plan_input::{MAX_CHANNELS, PlanInput, Publish, Scenario, SlowMode};
use crate::room_choice::RoomChoice;
use crate::scenario;
use crate::schedule::MessageId;
use crate::schedule::{PublisherId, Schedule};
use crate::timeline::Timeline;

/// The largest data document: far above the server's own limit of 1 MiB by default.
const MAX_PAYLOAD: usize = 64 << 20;

/// What must hold of a rate, unless something else is asserted.
const USUAL_OBJECTIVE: &str = "p99<100ms";

/// What a run does.
#[derive(Debug, Clone)]
pub(crate) struct LoadPlan {
    pub(crate) scenario: Scenario,
    pub(crate) connections: u32,
    /// New connections a second.
    pub(crate) ramp: f64,
    pub(crate) rooms: RoomChoice,
    /// `None`: as the protocol has them.
    pub(crate) channel_name: Option<ChannelName>,
    pub(crate) publish: Publish,
    /// Publishers with a thread each.
    pub(crate) publishers: u32,
    pub(crate) payload: usize,
    pub(crate) schedule: Schedule,
    pub(crate) assertions: Vec<Assertion>,
    /// Share of the subscribers that are slow, and how.
    pub(crate) slow: f64,
    pub(crate) slow_mode: SlowMode,
    /// Those that come back resume their TLS sessions.
    pub(crate) resume: bool,
    /// Those that come back ask for what they missed.
    pub(crate) recover: bool,
    /// Where the highest rate is to be found, the most that is tried.
    pub(crate) max_rate: Option<f64>,
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
        let scenario = input.scenario.unwrap_or_default();
        let rooms = scenario == Scenario::Rooms;
        let connections = input.connections.unwrap_or(1_000);
        let usual = match scenario {
            Scenario::Rooms => 100,
            Scenario::Chat => connections.div_ceil(10).min(MAX_CHANNELS),
            _ => 1,
        };
        let channels = input.channels.unwrap_or(usual);
        let usual = if rooms { channels.min(3) } else { 1 };
        let per_client = input.channels_per_client.unwrap_or(usual);
        check_channels(channels, per_client, input.channel_name.as_ref())?;
        let seed = input.seed.unwrap_or(1);
        let zipf = input.zipf.unwrap_or(if rooms { 1.0 } else { 0.0 });
        let usual = if scenario == Scenario::Chat { Publish::Clients } else { Publish::default() };
        let publish = input.publish.unwrap_or(usual);
        let threads = if publish == Publish::Clients { 0 } else { 1 };
        let phases = scenario::phases(scenario, &input, connections)?;
        let schedule = Schedule {
            timeline: Arc::new(Timeline::new(phases)),
            arrivals: input.arrivals.unwrap_or_default(),
            burst: input.burst.unwrap_or(10),
            seed,
            channels,
        };
        let search = scenario == Scenario::FindMax;
        if search && !input.phases.is_empty() {
            let what = "--scenario find-max tries one phase at many rates: leave out [[phase]]";
            return Err(OperatorError(what.into()));
        }
        let mut assertions = input.assertions;
        if search && assertions.is_empty() {
            assertions.extend(USUAL_OBJECTIVE.parse());
        }
        check_phases(&assertions, &schedule.timeline)?;
        Ok(Self {
            scenario,
            connections,
            ramp: input.ramp.unwrap_or(5_000.0),
            rooms: RoomChoice::new(channels, per_client, zipf, seed),
            channel_name: input.channel_name,
            publish,
            publishers: input.publishers.map_or(threads, |wanted| wanted * threads),
            payload,
            schedule,
            slow: input.slow.unwrap_or(if scenario == Scenario::Slow { 0.1 } else { 0.0 }),
            slow_mode: input.slow_mode.unwrap_or_default(),
            resume: input.resume,
            recover: input.recover || scenario == Scenario::Recovery,
            max_rate: search.then(|| input.max_rate.unwrap_or(1e9)),
            assertions,
            max_lateness: Duration::from_secs_f64(input.max_lateness.unwrap_or(0.01)),
        })
    }

    /// The same at another rate.
    pub(crate) fn at_rate(&self, rate: f64) -> Self {
        let phases = self.timeline().phases().iter();
        let phases = phases.map(|phase| Phase { rate: (rate, rate), ..phase.clone() }).collect();
        let timeline = Arc::new(Timeline::new(phases));
        let schedule = Schedule { timeline, ..self.schedule.clone() };
        Self { schedule, ..self.clone() }
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

    /// How this subscriber is slow, if it is.
    pub(crate) fn slowness(&self, client: u32) -> Option<SlowMode> {
        is_chosen(client, self.slow).then_some(self.slow_mode)
    }

    /// Whether a subscriber leaves by plan, so that what it is due is known only to itself.
    pub(crate) fn moves(&self) -> bool {
        let mut phases = self.timeline().phases().iter();
        phases.any(|phase| phase.churn > 0.0 || phase.absence.is_some())
    }
}

/// Subscribers need as many channels as they are in, and channels need names of their own.
fn check_channels(
    channels: u32,
    per_client: u32,
    name: Option<&ChannelName>,
) -> Result<(), OperatorError> {
    if per_client > channels {
        return Err(OperatorError(format!(
            "--channels-per-client {per_client}: there are {channels} channels; raise \
             --channels"
        )));
    }
    if let Some(name) = name.filter(|name| !name.has_number())
        && channels > 1
    {
        return Err(OperatorError(format!(
            "--channel-name {name}: {channels} channels need names of their own; put {{number}} \
             into it, or use --channels 1"
        )));
    }
    Ok(())
}

/// Every phase that is asserted of must be there.
fn check_phases(assertions: &[Assertion], timeline: &Timeline) -> Result<(), OperatorError> {
    let names: Vec<&str> = timeline.phases().iter().map(|phase| &*phase.name).collect();
    let unknown = assertions
        .iter()
        .find(|assertion| assertion.phase().is_some_and(|name| !names.contains(&name)));
    unknown.map_or(Ok(()), |assertion| {
        Err(OperatorError(format!(
            "{}: there is no such phase; the phases are {}",
            assertion.written(),
            names.join(", ")
        )))
    })
}

#[cfg(test)]
mod tests;
