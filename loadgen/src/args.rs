//! The command line as typed.

use std::path::PathBuf;

use clap::{ArgGroup, Parser, ValueEnum};

use crate::assertion::Assertion;
use crate::payload_stamp::MAX_PUBLISHERS;
use crate::schedule::Arrivals;

/// Validates broadcast latency under an open-loop load.
///
/// Opens N subscribers, publishes on a fixed schedule, and counts every delivery from the time
/// its message was meant to be sent, so that a server which falls behind cannot hide it.
/// Loss, duplicates and order are checked for every delivery.
///
/// Exit code: 0 all is well; 1 an assertion failed, or messages were lost, repeated or out of
/// order; 2 it could not run.
#[derive(Debug, Clone, Parser)]
#[command(name = "loadgen", version, group = ArgGroup::new("where").required(true))]
pub(crate) struct Args {
    /// WebSocket URL of the server, ws:// or wss://.
    #[arg(long, group = "where", help_heading = "Target")]
    pub(crate) url: Option<String>,
    /// Start uringcast-server as a child process and load it over ws, then over wss.
    #[arg(long, group = "where", help_heading = "Target")]
    pub(crate) self_host: bool,
    /// PEM file with the authority (or self-signed certificate) a wss server is verified by.
    #[arg(long, value_name = "FILE", requires = "url", help_heading = "Target")]
    pub(crate) ca_file: Option<PathBuf>,
    /// Accept any certificate. For measuring only.
    #[arg(long, requires = "url", conflicts_with = "ca_file", help_heading = "Target")]
    pub(crate) insecure: bool,

    /// Subscribers in all.
    #[arg(long, value_name = "N", default_value_t = 1_000, help_heading = "Load",
        value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) connections: u32,
    /// Channels (bench:0, bench:1, …) the subscribers and messages are spread over.
    #[arg(long, value_name = "C", default_value_t = 1, help_heading = "Load",
        value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) channels: u32,
    /// Messages published a second, over all publishers and channels.
    #[arg(long, value_name = "R", default_value_t = 100.0, help_heading = "Load",
        value_parser = positive)]
    pub(crate) rate: f64,
    /// Size of a message's data document in bytes.
    #[arg(long, value_name = "BYTES", default_value_t = 128, help_heading = "Load")]
    pub(crate) payload: usize,
    /// Measured time in seconds.
    #[arg(long, value_name = "S", default_value_t = 10.0, help_heading = "Load",
        value_parser = positive)]
    pub(crate) duration: f64,
    /// Seconds of load before, checked but not measured.
    #[arg(long, value_name = "S", default_value_t = 0.0, help_heading = "Load",
        value_parser = not_negative)]
    pub(crate) warmup: f64,
    /// New connections a second.
    #[arg(long, value_name = "PER_SECOND", default_value_t = 5_000.0, help_heading = "Load",
        value_parser = positive)]
    pub(crate) ramp: f64,
    /// How the messages are spaced.
    #[arg(long, value_enum, default_value_t, help_heading = "Load")]
    pub(crate) arrivals: Arrivals,
    /// Seed of the schedule.
    #[arg(long, default_value_t = 1, help_heading = "Load")]
    pub(crate) seed: u64,

    /// How to publish.
    #[arg(long, value_enum, default_value_t, help_heading = "Publishing")]
    pub(crate) publish: Publish,
    /// Publishers, each with a connection and a thread.
    #[arg(long, value_name = "P", default_value_t = 1, help_heading = "Publishing",
        value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_PUBLISHERS)))]
    pub(crate) publishers: u32,
    /// The server's control port, e.g. http://127.0.0.1:8766, for --publish http.
    #[arg(long, value_name = "URL", requires = "url", help_heading = "Publishing")]
    pub(crate) control_url: Option<String>,
    /// Key of the control port.
    #[arg(
        long,
        value_name = "KEY",
        env = "LOADGEN_API_KEY",
        hide_env_values = true,
        help_heading = "Publishing"
    )]
    pub(crate) api_key: Option<String>,

    /// Receiving threads [default: one a core].
    #[arg(long, value_name = "T", help_heading = "Machine",
        value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(crate) threads: Option<u32>,
    /// Keep this tool's threads on these CPUs, e.g. 0-3,6.
    #[arg(long, value_name = "CPUS", value_parser = cpus, help_heading = "Machine")]
    pub(crate) pin: Option<Cpus>,
    /// Connect from 127.0.0.1 to 127.0.0.K [default: one per 8,000 connections to loopback].
    #[arg(long, value_name = "K", help_heading = "Machine",
        value_parser = clap::value_parser!(u32).range(1..=250))]
    pub(crate) source_addresses: Option<u32>,

    /// What must hold, e.g. 'p99<5ms', 'last.p99.9<20ms', 'throughput>100000' (repeatable).
    #[arg(long = "assert", value_name = "CONDITION", help_heading = "Output")]
    pub(crate) assertions: Vec<Assertion>,
    /// Write the numbers as JSON to a file, or - for standard output (then without the table).
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(crate) json: Option<String>,
    /// No progress line and no table.
    #[arg(long, short, help_heading = "Output")]
    pub(crate) quiet: bool,
}

/// The way messages reach the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Publish {
    /// Publish requests over a WebSocket.
    #[default]
    Ws,
    /// POST /v1/publish on the control port, pipelined.
    Http,
}

/// A list of CPUs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cpus(pub(crate) Vec<usize>);

fn positive(text: &str) -> Result<f64, String> {
    let number = not_negative(text)?;
    if number > 0.0 { Ok(number) } else { Err("must be more than 0".into()) }
}

fn not_negative(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "not a number".to_string())?;
    if (0.0..=1e9).contains(&number) { Ok(number) } else { Err("must be within 0 and 1e9".into()) }
}

fn cpus(text: &str) -> Result<Cpus, String> {
    let number = |text: &str| {
        let cpu = text.trim().parse::<usize>().ok().filter(|cpu| *cpu < 1024);
        cpu.ok_or_else(|| format!("{text:?} is no CPU number; give a list like 0-3,6"))
    };
    let mut list = Vec::new();
    for part in text.split(',') {
        match part.split_once('-') {
            Some((first, last)) => list.extend(number(first)?..=number(last)?),
            None => list.push(number(part)?),
        }
    }
    if list.is_empty() { Err("an empty range of CPUs".into()) } else { Ok(Cpus(list)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn cpu_lists_are_read_as_taskset_does() {
        assert_eq!(cpus("0-2,6"), Ok(Cpus(vec![0, 1, 2, 6])));
        assert!(cpus("2-1").is_err() && cpus("").is_err() && cpus("a").is_err());
    }

    #[test]
    fn a_target_is_needed_and_only_one() {
        let parse = |args: &[&str]| Args::try_parse_from([&["loadgen"], args].concat()).is_ok();
        assert!(parse(&["--self-host"]) && parse(&["--url", "ws://localhost"]));
        assert!(!parse(&[]) && !parse(&["--self-host", "--url", "ws://localhost"]));
        for bad in ["--rate=0", "--rate=NaN", "--duration=-1", "--connections=0", "--publishers=0"]
        {
            assert!(!parse(&["--self-host", bad]), "{bad}");
        }
    }
}
