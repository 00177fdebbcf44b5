//! Kernel settings that bound a server, each with its reason.

use uringcast_engine::limits::{KERNEL_CONNECTION, LISTEN_BACKLOG, SLICE_DELIVERIES};

use super::Machine;
use crate::diagnostics::check_report::{Outcome, Verdict, fail, note, warn};

/// A page of memory, in bytes.
const PAGE: u64 = 4_096;
/// What a socket's buffer should take before its subscriber counts as slow: a burst of some
/// messages.
const SEND_BUFFER: u64 = 16 << 10;

/// One setting.
pub(super) struct Sysctl {
    pub(super) name: &'static str,
    /// What it needs, from its values.
    wants: fn(&Machine, &[u64]) -> Want,
    /// What happens otherwise.
    why: &'static str,
    verdict: Verdict,
}

/// Whether the values suffice, and what to set otherwise.
struct Want {
    enough: bool,
    value: String,
}

impl Want {
    /// The value at `place` has to be at least `least`.
    fn at_least(values: &[u64], place: usize, least: u64) -> Want {
        let mut wanted = values.to_vec();
        // A later value is never below an earlier one.
        wanted.iter_mut().skip(place).for_each(|value| *value = least.max(*value));
        let value: Vec<String> = wanted.iter().map(u64::to_string).collect();
        Want { enough: values.get(place).is_some_and(|is| *is >= least), value: value.join(" ") }
    }
}

/// Those that matter, in order.
pub(super) const ALL: &[Sysctl] = &[
    Sysctl {
        name: "fs.nr_open",
        wants: |plan, values| Want::at_least(values, 0, files(plan)),
        why: "no limit of open files can be set beyond it",
        verdict: Verdict::Fail,
    },
    Sysctl {
        name: "fs.file-max",
        wants: |plan, values| Want::at_least(values, 0, plan.connections as u64 + files(plan)),
        why: "every connection is an open file of the whole machine",
        verdict: Verdict::Fail,
    },
    Sysctl {
        name: "net.core.somaxconn",
        wants: |_, values| Want::at_least(values, 0, LISTEN_BACKLOG as u64),
        why: "it cuts the listen queue; in a storm of reconnects clients wait a second and more",
        verdict: Verdict::Warn,
    },
    Sysctl {
        name: "net.ipv4.tcp_mem",
        wants: |plan, values| Want::at_least(values, 1, pages(plan)),
        why: "in pages: from the second value on the kernel shrinks every socket's buffer",
        verdict: Verdict::Warn,
    },
    Sysctl {
        name: "net.ipv4.tcp_wmem",
        wants: |_, values| Want::at_least(values, 1, SEND_BUFFER),
        why: "the second value is what a slow subscriber may be behind before it is a laggard",
        verdict: Verdict::Warn,
    },
    Sysctl {
        name: "net.ipv4.ip_local_port_range",
        wants: |plan, values| {
            let ports = values.get(1).and_then(|last| Some(1 + last.checked_sub(values[0])?));
            let enough = ports.is_some_and(|ports| ports >= plan.connections as u64);
            Want { enough, value: "1024 65535".into() }
        },
        why: "a proxy or load generator here has one port for each connection; beyond, spread it \
              over several addresses",
        verdict: Verdict::Note,
    },
    Sysctl {
        name: "net.core.netdev_max_backlog",
        wants: |_, values| Want::at_least(values, 0, SLICE_DELIVERIES as u64),
        why: "what a core's queue cannot take is lost and sent again 200 ms later",
        verdict: Verdict::Warn,
    },
    Sysctl {
        name: "net.netfilter.nf_conntrack_max",
        wants: |plan, values| Want::at_least(values, 0, 2 * plan.connections as u64),
        why: "when the firewall's table is full, new connections are dropped",
        verdict: Verdict::Warn,
    },
];

/// Open files of the process.
fn files(plan: &Machine) -> u64 {
    uringcast_engine::preflight::open_files(plan.connections, plan.shards).1 as u64
}

/// Pages of TCP memory for all connections, each with a burst under way to one in eight.
fn pages(plan: &Machine) -> u64 {
    let bytes = KERNEL_CONNECTION as u64 + SEND_BUFFER / 8;
    (plan.connections as u64 * bytes).div_ceil(PAGE)
}

impl Sysctl {
    pub(super) fn check(&self, plan: &Machine) -> Outcome {
        let Sysctl { name, why, .. } = self;
        let Some(values) = plan.sysctl(name) else {
            return Ok("not there, so no bound".into());
        };
        let Want { enough, value } = (self.wants)(plan, &values);
        let is: Vec<String> = values.iter().map(u64::to_string).collect();
        let is = is.join(" ");
        if enough {
            return Ok(is);
        }
        let found = format!("{is}: {why}");
        let quote = if value.contains(' ') { "'" } else { "" };
        let remedy = format!(
            "sysctl -w {name}={quote}{value}{quote}   # and {name} = {value} in /etc/sysctl.d/"
        );
        match self.verdict {
            Verdict::Fail => fail(found, remedy),
            Verdict::Note => note(found, remedy),
            _ => warn(found, remedy),
        }
    }
}
