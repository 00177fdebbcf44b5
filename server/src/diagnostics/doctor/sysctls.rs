//! Kernel settings that bound a server, each with its reason.

use uringcast_engine::limits::{KERNEL_CONNECTION, LISTEN_BACKLOG, SLICE_DELIVERIES};

use super::Machine;
use crate::diagnostics::check_report::{Finding, Outcome, Verdict};

/// A page of memory, in bytes.
const PAGE: u64 = 4_096;
/// What a socket's buffer should take before its subscriber counts as slow: a burst of some
/// messages.
const SEND_BUFFER: u64 = 16 << 10;

/// One setting.
pub(super) struct Sysctl {
    pub(super) name: &'static str,
    /// How its check ends where it does not suffice.
    verdict: Verdict,
    /// What to set where these values do not suffice.
    wanted: fn(&Machine, &[u64]) -> Option<Vec<u64>>,
    /// What happens otherwise.
    why: &'static str,
}

/// The values with at least `least` at `place`, unless they have it.
fn at_least(values: &[u64], place: usize, least: u64) -> Option<Vec<u64>> {
    let raised = |(at, value): (usize, &u64)| {
        // A later value is never below an earlier one.
        if at < place { *value } else { least.max(*value) }
    };
    let enough = values.get(place).is_some_and(|is| *is >= least);
    (!enough).then(|| values.iter().enumerate().map(raised).collect())
}

/// Those that matter, in order.
pub(super) const ALL: &[Sysctl] = &[
    Sysctl {
        name: "fs.nr_open",
        verdict: Verdict::Fail,
        wanted: |machine, values| at_least(values, 0, files(machine)),
        why: "no limit of open files can be set beyond it",
    },
    Sysctl {
        name: "fs.file-max",
        verdict: Verdict::Fail,
        wanted: |machine, values| at_least(values, 0, machine.connections as u64 + files(machine)),
        why: "every connection is an open file of the whole machine",
    },
    Sysctl {
        name: "net.core.somaxconn",
        verdict: Verdict::Warn,
        wanted: |_, values| at_least(values, 0, LISTEN_BACKLOG as u64),
        why: "it cuts the listen queue; in a storm of reconnects clients wait a second and more",
    },
    Sysctl {
        name: "net.ipv4.tcp_mem",
        verdict: Verdict::Warn,
        wanted: |machine, values| at_least(values, 1, pages(machine)),
        why: "in pages: from the second value on the kernel shrinks every socket's buffer",
    },
    Sysctl {
        name: "net.ipv4.tcp_wmem",
        verdict: Verdict::Warn,
        wanted: |_, values| at_least(values, 1, SEND_BUFFER),
        why: "the second value is what a slow subscriber may be behind before it is a laggard",
    },
    Sysctl {
        name: "net.ipv4.ip_local_port_range",
        verdict: Verdict::Note,
        wanted: |machine, values| {
            let ports = values.get(1).and_then(|last| Some(1 + last.checked_sub(values[0])?));
            let enough = ports.is_some_and(|ports| ports >= machine.connections as u64);
            (!enough).then(|| vec![1_024, 65_535])
        },
        why: "a proxy or load generator here has one port for each connection; beyond, spread it \
              over several addresses",
    },
    Sysctl {
        name: "net.core.netdev_max_backlog",
        verdict: Verdict::Warn,
        wanted: |_, values| at_least(values, 0, SLICE_DELIVERIES as u64),
        why: "what a core's queue cannot take is lost and sent again 200 ms later",
    },
    Sysctl {
        name: "net.netfilter.nf_conntrack_max",
        verdict: Verdict::Warn,
        wanted: |machine, values| at_least(values, 0, 2 * machine.connections as u64),
        why: "when the firewall's table is full, new connections are dropped",
    },
];

/// Open files of the process.
fn files(machine: &Machine) -> u64 {
    uringcast_engine::preflight::open_files(machine.connections, machine.shards).1 as u64
}

/// Pages of TCP memory for all connections, each with a burst under way to one in eight.
fn pages(machine: &Machine) -> u64 {
    let bytes = KERNEL_CONNECTION as u64 + SEND_BUFFER / 8;
    (machine.connections as u64 * bytes).div_ceil(PAGE)
}

fn joined(values: &[u64]) -> String {
    values.iter().map(u64::to_string).collect::<Vec<_>>().join(" ")
}

impl Sysctl {
    pub(super) fn check(&self, machine: &Machine) -> Outcome {
        let Sysctl { name, verdict, wanted, why } = self;
        let Some(values) = machine.sysctl(name) else {
            return Ok("not there, so no bound".into());
        };
        let is = joined(&values);
        let Some(value) = wanted(machine, &values).map(|value| joined(&value)) else {
            return Ok(is);
        };
        let quote = if value.contains(' ') { "'" } else { "" };
        let remedy = format!(
            "sysctl -w {name}={quote}{value}{quote}   # and {name} = {value} in /etc/sysctl.d/"
        );
        Err(Finding::new(*verdict, format!("{is}: {why}"), remedy))
    }
}
