//! `loadgen doctor`: whether this machine can carry a run, and the command that mends it if not.

mod machine_checks;

use std::net::IpAddr;

use serde::Serialize;

use crate::args::Args;
use crate::load_plan::LoadPlan;
use crate::machine::{Machine, count};
use crate::server_url::{ServerUrl, WEBSOCKET};
use crate::source_addresses::SourceAddresses;

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verdict {
    Pass,
    /// The run works, and its figures may be worse than the server's.
    Warn,
    /// The run cannot begin, or ends early.
    Fail,
}

/// One check of a machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    pub(crate) name: &'static str,
    pub(crate) verdict: Verdict,
    /// What was seen, and what the run needs.
    pub(crate) found: String,
    /// Mends it; to be run as it is. Without one nothing is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) command: Option<String>,
}

impl Finding {
    fn pass(name: &'static str, found: String) -> Self {
        Self { name, verdict: Verdict::Pass, found, command: None }
    }

    /// Passes if `holds`; else the verdict and the command.
    fn check(name: &'static str, holds: bool, found: String, otherwise: (Verdict, String)) -> Self {
        let (verdict, command) = otherwise;
        match holds {
            true => Self::pass(name, found),
            false => Self { name, verdict, found, command: Some(command) },
        }
    }
}

/// What a run asks of the machine.
#[derive(Debug, Clone)]
struct Demand {
    connections: u64,
    publishers: u64,
    threads: u64,
    /// Pairs of an address that connections come from and one they go to.
    pairs: u64,
    /// The server is on this machine.
    local: bool,
    tls: bool,
    pinned: Option<Vec<usize>>,
}

impl Demand {
    fn of(args: &Args, plan: &LoadPlan, machine: &Machine) -> Self {
        let url = args.url.as_deref().and_then(|url| ServerUrl::parse(url, WEBSOCKET).ok());
        let local = url.as_ref().is_none_or(|url| {
            url.host == "localhost"
                || url.host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
        });
        let cpus = machine.cpus_allowed().map_or(1, |list| count(&list)) as u32;
        let targets: usize = args.addresses.iter().map(|addresses| addresses.0.len()).sum();
        let spread = if local { SourceAddresses::usual(plan.connections, targets) } else { 1 };
        let sources = args.source.as_ref().map(|list| list.count() as u64);
        Self {
            connections: plan.connections.into(),
            publishers: plan.publishers.into(),
            threads: args.threads.unwrap_or(cpus).min(plan.connections).into(),
            pairs: sources.unwrap_or(args.source_addresses.unwrap_or(spread).into())
                * targets.max(1) as u64,
            local,
            tls: args.self_host || url.is_some_and(|url| url.secure),
            pinned: args.pin.as_ref().map(|cpus| cpus.0.clone()),
        }
    }
}

/// The checks of a machine for a run with these flags.
#[derive(Debug, Serialize)]
pub(crate) struct Diagnosis {
    pub(crate) verdict: Verdict,
    pub(crate) checks: Vec<Finding>,
}

impl Diagnosis {
    /// Of the machine; `file_limit` is the hard limit of open files of this process.
    pub(crate) fn of(args: &Args, plan: &LoadPlan, machine: &Machine, file_limit: u64) -> Self {
        let demand = Demand::of(args, plan, machine);
        let checks = machine_checks::all(machine, &demand, file_limit);
        let verdict = checks.iter().map(|check| check.verdict).max().unwrap_or(Verdict::Pass);
        Self { verdict, checks }
    }

    /// 0: all passes; 1: something to mend; 2: the run cannot work.
    pub(crate) fn exit_code(&self) -> u8 {
        match self.verdict {
            Verdict::Pass => 0,
            Verdict::Warn => 1,
            Verdict::Fail => 2,
        }
    }

    /// For a person: a line a check, and below those that failed the command.
    pub(crate) fn table(&self) -> String {
        let line = |check: &Finding| {
            let word = match check.verdict {
                Verdict::Pass => "ok",
                Verdict::Warn => "warn",
                Verdict::Fail => "FAIL",
            };
            let mend = check.command.as_ref();
            let mend = mend.map(|command| format!("      mend: {command}\n")).unwrap_or_default();
            format!("{word:<5} {:<12} {}\n{mend}", check.name, check.found)
        };
        self.checks.iter().map(line).collect()
    }
}

#[cfg(test)]
mod tests;
