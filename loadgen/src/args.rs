//! The command line as typed.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::{ArgGroup, CommandFactory, FromArgMatches, Parser};

use crate::credentials::Credentials;
use crate::output::Output;
use crate::plan_input::PlanInput;
use crate::source_addresses::SourceAddresses;
use crate::spki_pin::SpkiPin;
use crate::target_addresses::TargetAddresses;
use crate::tls::Trust;
use crate::value_parsers::{Cpus, cpus, up_to};

/// Validates broadcast latency under an open-loop load.
///
/// Opens N subscribers, publishes on a fixed schedule, and counts every delivery from the time
/// its message was meant to be sent, so that a server which falls behind cannot hide it.
/// Loss, duplicates and order are checked for every delivery.
///
/// Exit code: 0 all is well; 1 an assertion failed, or messages were lost, repeated, damaged or
/// out of order; 2 it could not run; 3 this tool itself was too late for its figures to hold.
///
/// `loadgen doctor`, with the same flags, checks whether this machine can carry the run.
/// `loadgen worker` carries a part of it for another process or host, which runs `loadgen
/// coordinate` with the flags of a run and --worker for each of them.
/// `loadgen man` prints a manual page, `loadgen completions SHELL` a script for a shell.
#[derive(Debug, Clone, Parser)]
#[command(name = "loadgen", version, group = ArgGroup::new("where").required(true))]
pub(crate) struct Args {
    /// WebSocket URL of the server, ws:// or wss://. Of a name with several addresses each is
    /// tried.
    #[arg(long, group = "where", help_heading = "Target")]
    pub(crate) url: Option<String>,
    /// Start uringcast-server as a child process and load it over ws, then over wss.
    #[arg(long, group = "where", help_heading = "Target")]
    pub(crate) self_host: bool,
    /// Connect to these addresses instead of the URL's own, by turns; FIRST-LAST is a range of
    /// ports (repeatable).
    #[arg(
        long = "address",
        value_name = "ADDRESS:PORT",
        requires = "url",
        help_heading = "Target"
    )]
    pub(crate) addresses: Vec<TargetAddresses>,
    /// PEM file with the authority (or self-signed certificate) a wss server is verified by.
    #[arg(long, value_name = "FILE", requires = "url", help_heading = "Target")]
    pub(crate) ca_file: Option<PathBuf>,
    /// Trust the wss server whose public key has this SHA-256, in base64, whoever signed it.
    #[arg(
        long,
        value_name = "PIN",
        requires = "url",
        conflicts_with = "ca_file",
        help_heading = "Target"
    )]
    pub(crate) spki_pin: Option<SpkiPin>,
    /// Accept any certificate. For measuring only.
    #[arg(long, requires = "url", conflicts_with_all = ["ca_file", "spki_pin"],
        help_heading = "Target")]
    pub(crate) insecure: bool,
    /// What the server speaks: uringcast, centrifugo, mcp-common, nats, nchan, phoenix, pusher,
    /// socket.io, topics, or a .toml file with templates.
    #[arg(
        long,
        value_name = "NAME",
        default_value = "uringcast",
        requires = "url",
        help_heading = "Target"
    )]
    pub(crate) dialect: String,
    /// Sets an option of the dialect (repeatable).
    #[arg(long = "dialect-option", value_name = "NAME=VALUE", help_heading = "Target")]
    pub(crate) dialect_options: Vec<String>,
    /// Subscribers offer permessage-deflate; what inflating takes is told apart.
    #[arg(long, help_heading = "Target")]
    pub(crate) compression: bool,
    #[command(flatten)]
    pub(crate) credentials: Credentials,

    /// Read the plan from a TOML file; flags go before what it says.
    #[arg(long, value_name = "FILE", help_heading = "Load")]
    pub(crate) plan: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) input: PlanInput,

    /// The server's control port, e.g. http://127.0.0.1:8766, for --publish http.
    #[arg(long, value_name = "URL", requires = "url", help_heading = "Publishing")]
    pub(crate) control_url: Option<String>,

    /// Receiving threads [default: one a core].
    #[arg(long, value_name = "T", value_parser = up_to(1_024), help_heading = "Machine")]
    pub(crate) threads: Option<u32>,
    /// Process of a server on this machine, whose memory a connection is reported.
    #[arg(long, value_name = "PID", requires = "url", help_heading = "Machine")]
    pub(crate) server_pid: Option<u32>,
    /// Keep this tool's threads on these CPUs, e.g. 0-3,6.
    #[arg(long, value_name = "CPUS", value_parser = cpus, help_heading = "Machine")]
    pub(crate) pin: Option<Cpus>,
    /// Connect from these addresses of this machine, by turns, e.g.
    /// 127.0.0.2-127.0.0.9,10.0.0.0/24.
    #[arg(
        long,
        value_name = "LIST",
        conflicts_with = "source_addresses",
        help_heading = "Machine"
    )]
    pub(crate) source: Option<SourceAddresses>,
    /// Connect from 127.0.0.1 to 127.0.0.K [default: one per 8,000 connections to loopback].
    #[arg(long, value_name = "K", value_parser = up_to(250), help_heading = "Machine")]
    pub(crate) source_addresses: Option<u32>,

    /// A `loadgen worker` that carries a part of the load (repeatable).
    #[arg(
        long = "worker",
        value_name = "ADDRESS:PORT",
        requires = "url",
        help_heading = "Several machines"
    )]
    pub(crate) workers: Vec<String>,
    /// File with the secret of the workers.
    #[arg(long, value_name = "FILE", requires = "workers", help_heading = "Several machines")]
    pub(crate) secret_file: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) output: Output,
}

impl Args {
    /// The flags of a run as `loadgen doctor` takes them: no target is needed.
    pub(crate) fn parse_for_doctor(words: Vec<OsString>) -> Self {
        let command = Self::command()
            .name("loadgen doctor")
            .bin_name("loadgen doctor")
            .about("Checks whether this machine can carry a run with these flags")
            .long_about(None)
            .mut_group("where", |group| group.required(false));
        let matches = command.get_matches_from(words);
        Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
    }

    /// The flags of a run as `loadgen coordinate` takes them: it needs a worker.
    pub(crate) fn parse_for_coordinate(words: Vec<OsString>) -> Self {
        let command = Self::command()
            .name("loadgen coordinate")
            .bin_name("loadgen coordinate")
            .mut_arg("workers", |workers| workers.required(true));
        let matches = command.get_matches_from(words);
        Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
    }

    /// How a wss server is verified; `certificate` is that of a server that this tool started.
    pub(crate) fn trust(&self, certificate: Option<&Path>) -> Trust {
        match (certificate.or(self.ca_file.as_deref()), self.spki_pin) {
            _ if self.insecure => Trust::Anything,
            (Some(path), _) => Trust::File(path.to_owned()),
            (None, Some(pin)) => Trust::Pin(pin),
            (None, None) => Trust::System,
        }
    }
}

#[cfg(test)]
mod tests;
