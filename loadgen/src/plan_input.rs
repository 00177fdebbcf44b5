//! A plan as it is given: by flags, by a TOML file with the same names, or by both.

use std::path::Path;

use clap::ValueEnum;
use serde::Deserialize;
use toml::Spanned;

use crate::assertion::Assertion;
use crate::channel_name::ChannelName;
use crate::error::OperatorError;
use crate::schedule::{Arrivals, MAX_PUBLISHERS};
use crate::value_parsers::{
    not_negative, positive, read_not_negative, read_positive, read_share, read_up_to, share, up_to,
};

/// Channels at most: a stamp has five hexadecimal digits for them.
pub(crate) const MAX_CHANNELS: u32 = 1_000_000;
/// Channels of one subscriber at most.
const MAX_CHANNELS_PER_CLIENT: u32 = 1_000;

/// What kind of load it is. A preset decides what neither flag nor file does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Scenario {
    /// One rate.
    #[default]
    Steady,
    /// From a tenth of the rate up to it, then at it.
    Ramp,
    /// Subscribers leave and are replaced all the time.
    Churn,
    /// All drop and come back at once.
    Storm,
    /// Some subscribers read slowly, pause, or never read.
    Slow,
    /// Each subscriber is in several of many channels, of Zipf-distributed popularity.
    Rooms,
    /// Subscribers publish to each other, ten in a room.
    Chat,
    /// Half drop, miss messages, and come back for them; that they get all is checked.
    Recovery,
    /// Connections without messages.
    Idle,
    /// One rate for an hour.
    Soak,
    /// The highest rate that holds what is asserted, found by a run for each rate that is tried.
    FindMax,
}

/// How subscribers are slow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum SlowMode {
    /// They read for five seconds, and do not for five.
    #[default]
    Pause,
    /// They read 4 KiB ten times a second.
    Trickle,
    /// They do not read at all.
    Never,
}

impl std::fmt::Display for Scenario {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.to_possible_value().map_or(Ok(()), |value| f.write_str(value.get_name()))
    }
}

/// The way messages reach the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Publish {
    /// Publish requests over a WebSocket.
    #[default]
    Ws,
    /// POST /v1/publish on the control port, pipelined.
    Http,
    /// Every subscriber publishes to its own channels over its connection.
    Clients,
}

/// What flags or a file say of the load; `None` where they are silent.
#[derive(Debug, Clone, Default, clap::Args, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct PlanInput {
    /// The kind of load [default: steady].
    #[arg(long, value_enum, help_heading = "Load")]
    pub(crate) scenario: Option<Scenario>,
    /// Subscribers in all [default: 1000].
    #[arg(long, value_name = "N", help_heading = "Load", value_parser = up_to(u32::MAX))]
    #[serde(deserialize_with = "read_up_to::<{ u32::MAX }, _>")]
    pub(crate) connections: Option<u32>,
    /// New connections a second [default: 5000].
    #[arg(long, value_name = "PER_SECOND", help_heading = "Load", value_parser = positive)]
    #[serde(deserialize_with = "read_positive")]
    pub(crate) ramp: Option<f64>,
    /// Channels the subscribers and messages are spread over [default: 1].
    #[arg(long, value_name = "C", help_heading = "Load", value_parser = up_to(MAX_CHANNELS))]
    #[serde(deserialize_with = "read_up_to::<MAX_CHANNELS, _>")]
    pub(crate) channels: Option<u32>,
    /// Names of the channels [default: bench:{number}, or as the dialect has them]; without
    /// {number} it is the name of one.
    #[arg(long, value_name = "TEMPLATE", help_heading = "Load")]
    pub(crate) channel_name: Option<ChannelName>,
    /// Channels that each subscriber is in [default: 1].
    #[arg(long, value_name = "K", help_heading = "Load",
        value_parser = up_to(MAX_CHANNELS_PER_CLIENT))]
    #[serde(deserialize_with = "read_up_to::<MAX_CHANNELS_PER_CLIENT, _>")]
    pub(crate) channels_per_client: Option<u32>,
    /// Popularity of channels by Zipf's law with this exponent [default: 0, all alike].
    #[arg(long, value_name = "S", help_heading = "Load", value_parser = not_negative)]
    #[serde(deserialize_with = "read_not_negative")]
    pub(crate) zipf: Option<f64>,
    /// Messages published a second, over all publishers and channels [default: 100].
    #[arg(long, value_name = "R", help_heading = "Load", value_parser = positive)]
    #[serde(deserialize_with = "read_positive")]
    pub(crate) rate: Option<f64>,
    /// The highest rate that find-max tries [default: 1e9].
    #[arg(long, value_name = "R", help_heading = "Load", value_parser = positive)]
    #[serde(deserialize_with = "read_positive")]
    pub(crate) max_rate: Option<f64>,
    /// How the messages are spaced [default: constant].
    #[arg(long, value_enum, help_heading = "Load")]
    pub(crate) arrivals: Option<Arrivals>,
    /// Messages of a burst, for --arrivals burst [default: 10].
    #[arg(long, value_name = "N", help_heading = "Load", value_parser = up_to(1_000_000))]
    #[serde(deserialize_with = "read_up_to::<1_000_000, _>")]
    pub(crate) burst: Option<u32>,
    /// Seed of the schedule [default: 1].
    #[arg(long, value_name = "SEED", help_heading = "Load")]
    pub(crate) seed: Option<u64>,
    /// Subscribers that leave a second, each replaced at once [default: 0].
    #[arg(long, value_name = "PER_SECOND", help_heading = "Movement", value_parser = not_negative)]
    #[serde(deserialize_with = "read_not_negative")]
    pub(crate) churn: Option<f64>,
    /// Share of the subscribers, up to 1, that drop in a storm or recovery [default: 1, or 0.5].
    #[arg(long, value_name = "SHARE", help_heading = "Movement", value_parser = share)]
    #[serde(deserialize_with = "read_share")]
    pub(crate) drop: Option<f64>,
    /// Seconds until the first of them connects again [default: 0, or an eighth of the duration].
    #[arg(long, value_name = "S", help_heading = "Movement", value_parser = not_negative)]
    #[serde(deserialize_with = "read_not_negative")]
    pub(crate) away: Option<f64>,
    /// Seconds over which they come back [default: 0, or an eighth of the duration].
    #[arg(long, value_name = "S", help_heading = "Movement", value_parser = not_negative)]
    #[serde(deserialize_with = "read_not_negative")]
    pub(crate) spread: Option<f64>,
    /// Those that come back resume their TLS sessions.
    #[arg(long, help_heading = "Movement")]
    pub(crate) resume: bool,
    /// Those that come back ask for what they missed, and are due it.
    #[arg(long, help_heading = "Movement")]
    pub(crate) recover: bool,
    /// Share of the subscribers, up to 1, that are slow; nothing else is measured of them
    /// [default: 0].
    #[arg(long, value_name = "SHARE", help_heading = "Movement", value_parser = share)]
    #[serde(deserialize_with = "read_share")]
    pub(crate) slow: Option<f64>,
    /// How they are slow [default: pause].
    #[arg(long, value_enum, help_heading = "Movement")]
    pub(crate) slow_mode: Option<SlowMode>,
    /// Size of a message's data document in bytes [default: 128].
    #[arg(long, value_name = "BYTES", help_heading = "Load")]
    pub(crate) payload: Option<usize>,
    /// Measured time in seconds [default: 10].
    #[arg(long, value_name = "S", help_heading = "Load", value_parser = positive)]
    #[serde(deserialize_with = "read_positive")]
    pub(crate) duration: Option<f64>,
    /// Seconds of load before, checked but not measured [default: 0].
    #[arg(long, value_name = "S", help_heading = "Load", value_parser = not_negative)]
    #[serde(deserialize_with = "read_not_negative")]
    pub(crate) warmup: Option<f64>,

    /// How to publish [default: ws].
    #[arg(long, value_enum, help_heading = "Publishing")]
    pub(crate) publish: Option<Publish>,
    /// Publishers, each with a connection and a thread [default: 1].
    #[arg(long, value_name = "P", help_heading = "Publishing",
        value_parser = up_to(MAX_PUBLISHERS))]
    #[serde(deserialize_with = "read_up_to::<MAX_PUBLISHERS, _>")]
    pub(crate) publishers: Option<u32>,

    /// What must hold, e.g. 'p99<5ms', 'last.p99.9<20ms', 'throughput>100000' (repeatable).
    #[arg(long = "assert", value_name = "CONDITION", help_heading = "Output")]
    #[serde(skip)]
    pub(crate) assertions: Vec<Assertion>,
    /// The same in a file.
    #[arg(skip)]
    #[serde(rename = "assert")]
    pub(crate) in_file: Vec<Spanned<String>>,
    /// Seconds that this tool itself may be late at p99 before its figures mean nothing
    /// [default: 0.01].
    #[arg(long, value_name = "S", help_heading = "Output", value_parser = positive)]
    #[serde(deserialize_with = "read_positive")]
    pub(crate) max_lateness: Option<f64>,

    /// The phases of a file, instead of those of the scenario.
    #[arg(skip)]
    #[serde(rename = "phase")]
    pub(crate) phases: Vec<PhaseInput>,
}

/// One `[[phase]]` of a file.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct PhaseInput {
    /// For the report.
    pub(crate) name: Option<String>,
    /// Seconds; that of the plan if it is not given.
    #[serde(deserialize_with = "read_positive")]
    pub(crate) duration: Option<f64>,
    /// Messages a second; that of the plan if it is not given.
    #[serde(deserialize_with = "read_not_negative")]
    pub(crate) rate: Option<f64>,
    /// Messages a second at the end, reached evenly.
    #[serde(deserialize_with = "read_not_negative")]
    pub(crate) to_rate: Option<f64>,
    /// False of a warm-up.
    pub(crate) measured: Option<bool>,
    /// Subscribers that leave a second; that of the plan if it is not given.
    #[serde(deserialize_with = "read_not_negative")]
    pub(crate) churn: Option<f64>,
    /// Share of the subscribers that drop when it begins.
    #[serde(deserialize_with = "read_share")]
    pub(crate) drop: Option<f64>,
    /// Seconds until the first of them connects again.
    #[serde(deserialize_with = "read_not_negative")]
    pub(crate) away: Option<f64>,
    /// Seconds over which they come back.
    #[serde(deserialize_with = "read_not_negative")]
    pub(crate) spread: Option<f64>,
}

impl PlanInput {
    /// Reads a file.
    ///
    /// # Errors
    /// Names the file, the line, the field and what it may be.
    pub(crate) fn read(path: &Path) -> Result<Self, OperatorError> {
        let bad = |what: &dyn std::fmt::Display, remedy: &str| {
            OperatorError(format!("--plan {}: {what}; {remedy}", path.display()))
        };
        let text = std::fs::read_to_string(path)
            .map_err(|error| bad(&error, "name a file that can be read"))?;
        Self::parse(&text).map_err(|what| bad(&what, "docs/LOADGEN.md lists the fields of a plan"))
    }

    /// Reads the text of a file.
    ///
    /// # Errors
    /// Names the line, the field and what it may be.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut input: Self =
            toml::from_str(text).map_err(|error| error.to_string().trim_end().to_owned())?;
        for written in std::mem::take(&mut input.in_file) {
            let line = text[..written.span().start].matches('\n').count() + 1;
            let assertion = written.get_ref().parse::<Assertion>();
            let assertion = assertion
                .map_err(|form| format!("line {line}: assert {}: {form}", written.get_ref()))?;
            input.assertions.push(assertion.of_line(line));
        }
        Ok(input)
    }

    /// What this says, and where it is silent what `other` says.
    pub(crate) fn or(self, other: Self) -> Self {
        let mut assertions = self.assertions;
        assertions.extend(other.assertions);
        Self {
            scenario: self.scenario.or(other.scenario),
            connections: self.connections.or(other.connections),
            ramp: self.ramp.or(other.ramp),
            channels: self.channels.or(other.channels),
            channel_name: self.channel_name.or(other.channel_name),
            channels_per_client: self.channels_per_client.or(other.channels_per_client),
            zipf: self.zipf.or(other.zipf),
            rate: self.rate.or(other.rate),
            max_rate: self.max_rate.or(other.max_rate),
            arrivals: self.arrivals.or(other.arrivals),
            burst: self.burst.or(other.burst),
            seed: self.seed.or(other.seed),
            churn: self.churn.or(other.churn),
            drop: self.drop.or(other.drop),
            away: self.away.or(other.away),
            spread: self.spread.or(other.spread),
            resume: self.resume || other.resume,
            recover: self.recover || other.recover,
            slow: self.slow.or(other.slow),
            slow_mode: self.slow_mode.or(other.slow_mode),
            payload: self.payload.or(other.payload),
            duration: self.duration.or(other.duration),
            warmup: self.warmup.or(other.warmup),
            publish: self.publish.or(other.publish),
            publishers: self.publishers.or(other.publishers),
            assertions,
            in_file: Vec::new(),
            max_lateness: self.max_lateness.or(other.max_lateness),
            phases: if self.phases.is_empty() { other.phases } else { self.phases },
        }
    }
}

#[cfg(test)]
mod tests;
