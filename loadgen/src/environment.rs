//! Where a run took place: what must be known to compare it with another.

use nix::sys::resource::{Resource, getrlimit};
use serde::{Deserialize, Serialize};

use crate::machine::Machine;

/// The machine and this program. The names are keys of `--json` and stay as they are.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Environment {
    /// Of this program.
    pub(crate) version: String,
    /// The commit it was built from, where the build knew it.
    pub(crate) commit: Option<String>,
    /// System and release.
    pub(crate) kernel: Option<String>,
    pub(crate) architecture: String,
    pub(crate) cpu_model: Option<String>,
    pub(crate) cpus_online: Option<usize>,
    /// As a list like `0-3,6`.
    pub(crate) cpus_allowed: Option<String>,
    /// How many CPUs' time the control group grants; `None`: without a limit.
    pub(crate) cpu_quota: Option<f64>,
    pub(crate) memory_bytes: Option<u64>,
    /// Limit of open descriptors of this process.
    pub(crate) open_files: Option<u64>,
    /// Longest listen queue.
    pub(crate) somaxconn: Option<u64>,
    /// First and last port of outgoing connections.
    pub(crate) port_range: Option<Vec<u64>>,
    pub(crate) congestion_control: Option<String>,
}

impl Environment {
    /// Of a machine, for this program.
    pub(crate) fn of(machine: &Machine) -> Self {
        let one = |name| machine.sysctl(name).and_then(|numbers| numbers.first().copied());
        Self {
            version: env!("CARGO_PKG_VERSION").into(),
            commit: option_env!("URINGCAST_COMMIT").map(str::to_owned),
            kernel: machine.kernel(),
            architecture: std::env::consts::ARCH.into(),
            cpu_model: machine.cpu_model(),
            cpus_online: machine.cpus_online(),
            cpus_allowed: machine.cpus_allowed(),
            cpu_quota: machine.quota().map(|quota| quota.cpus),
            memory_bytes: machine.memory(),
            open_files: getrlimit(Resource::RLIMIT_NOFILE).ok().map(|(soft, _)| soft),
            somaxconn: one("net.core.somaxconn"),
            port_range: machine.sysctl("net.ipv4.ip_local_port_range"),
            congestion_control: machine.read("proc/sys/net/ipv4/tcp_congestion_control"),
        }
    }
}
