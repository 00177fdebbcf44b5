//! `doctor`: whether this machine can carry what it is meant to, and what to change if not.

mod hand_over;
mod kernel;
mod memory;
mod process_limits;
mod sysctls;

use std::path::{Path, PathBuf};

use clap::Parser;
use uringcast_engine::limits::{DEFAULT_MAX_CONNECTIONS, MAX_SHARDS};
use uringcast_engine::preflight;

use crate::cluster::cluster_config::ClusterConfig;
use crate::config::Config;
use crate::diagnostics::check_report::{Kind, Report, kind};
use crate::diagnostics::cluster_checks;
use crate::settings::Settings;

pub(crate) use kernel::{io_uring, kernel_tls};
pub(crate) use process_limits::too_few_files;

/// The flags of `doctor`.
#[derive(Clone, Debug, Parser)]
#[command(name = "uringcast-server doctor", version, max_term_width = 100)]
#[command(about = "Checks whether this machine can carry a server, and says what to change")]
#[command(after_help = "Exit code: 0 it can, 1 with something to mend, 2 it cannot.")]
pub struct Options {
    /// The server's configuration file: connections, shards and TLS are taken from it, as far as no
    /// flag gives them, and the NATS servers of its cluster are checked
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Connections it is meant to carry: the server's max-connections
    #[arg(long, value_name = "N", default_value_t = DEFAULT_MAX_CONNECTIONS as u32,
          value_parser = clap::value_parser!(u32).range(1..))]
    pub connections: u32,
    /// Shards; without it one for each core
    #[arg(long, value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..=MAX_SHARDS as i64))]
    pub shards: Option<u32>,
    /// Reckon with TLS
    #[arg(long)]
    pub tls: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// The cluster of the configuration file.
    #[arg(skip)]
    pub cluster: Option<ClusterConfig>,
}

impl Options {
    /// Takes from the configuration what no flag has `given`.
    pub fn configure(&mut self, given: &dyn Fn(&str) -> bool, settings: &Settings, config: Config) {
        let services = settings.services().iter();
        if !given("connections") {
            let all: usize = services.map(|service| service.max_connections.0).sum();
            self.connections = u32::try_from(all).unwrap_or(u32::MAX);
        }
        self.shards = self.shards.or(settings.shards.map(|shards| shards.0 as u32));
        self.tls |= config.tls.iter().any(Option::is_some);
        self.cluster = config.cluster;
    }
}

/// The checks there are, in order.
pub const CHECKS: &[Kind] = &[
    kind("kernel", true, "Linux 6.0 or later."),
    kind("io_uring_disabled", true, "The sysctl lets this user make rings."),
    kind("seccomp", false, "No filter that might forbid io_uring."),
    kind("io_uring", true, "A shard's ring can be made, with all its slots, and receives a byte."),
    kind("operations", true, "The kernel knows every io_uring operation that is submitted."),
    kind("kernel_tls", false, "The kernel takes over TLS connections; optional."),
    kind("hand_over", false, "A new program can take over without a close; optional."),
    kind("cores", false, "A core for each shard."),
    kind("descriptors", true, "The hard limit of open files carries the connections."),
    kind("memlock", false, "Locked memory suffices where rings are still charged for."),
    kind("memory", true, "Idle connections fit, and so do full logs, laggards and requests."),
    kind("fs.nr_open", true, "The ceiling of the limit of open files is not below the need."),
    kind("fs.file-max", true, "All processes together may open a file for every connection."),
    kind("net.core.somaxconn", false, "A storm of reconnects fits the listen queue."),
    kind("net.ipv4.tcp_mem", false, "TCP's memory holds the connections and a burst to each."),
    kind("net.ipv4.tcp_wmem", false, "A socket's buffer takes a burst before it is a laggard."),
    kind("net.ipv4.ip_local_port_range", false, "A proxy on one address has ports for all."),
    kind("net.core.netdev_max_backlog", false, "A slice of a sweep fits a core's queue."),
    kind("net.netfilter.nf_conntrack_max", false, "Connection tracking has room for all."),
    cluster_checks::SERVERS,
    cluster_checks::JETSTREAM,
    cluster_checks::STREAMS,
    cluster_checks::REPLICAS,
    cluster_checks::FSYNC,
];

/// What the checks are about.
#[derive(Debug)]
pub(crate) struct Machine {
    /// Connections in all.
    connections: usize,
    shards: usize,
    /// Cores this process may use.
    cores: usize,
    tls: bool,
    /// `/`, or a directory with a test's `proc` and `sys`.
    root: PathBuf,
}

impl Machine {
    fn new(options: &Options, root: &Path) -> Machine {
        let cores = preflight::shards();
        Machine {
            connections: options.connections as usize,
            shards: options.shards.map_or(cores, |shards| shards as usize),
            cores,
            tls: options.tls,
            root: root.to_owned(),
        }
    }

    /// The text of a file below `/proc`.
    fn read(&self, path: &str) -> Option<String> {
        Some(std::fs::read_to_string(self.root.join("proc").join(path)).ok()?.trim().to_owned())
    }

    /// The numbers of a sysctl: `net.core.somaxconn`. None where there is no such sysctl.
    fn sysctl(&self, name: &str) -> Option<Vec<u64>> {
        let text = self.read(&format!("sys/{}", name.replace('.', "/")))?;
        let numbers: Option<Vec<u64>> =
            text.split_whitespace().map(|word| word.parse().ok()).collect();
        numbers.filter(|numbers| !numbers.is_empty())
    }
}

/// Makes all checks. `root` is `/`, or a directory with invented `proc` and `sys`.
pub async fn examine(options: &Options, root: &Path) -> Report {
    let machine = Machine::new(options, root);
    let (connections, shards) = (machine.connections, machine.shards);
    let tls = if machine.tls { " over TLS" } else { "" };
    let subject = format!("this machine, for {connections} connections{tls} on {shards} shards");
    let mut report = Report::new(subject, CHECKS);
    report.add("kernel", kernel::version(&machine));
    report.add("io_uring_disabled", kernel::disabled(&machine));
    report.add("seccomp", kernel::seccomp(&machine));
    report.add("io_uring", io_uring(connections, shards));
    report.add("operations", kernel::operations());
    report.add("kernel_tls", kernel_tls());
    report.add("hand_over", hand_over::hand_over(&machine));
    report.add("cores", process_limits::cores(&machine));
    report.add("descriptors", process_limits::descriptors(&machine));
    report.add("memlock", process_limits::memlock(&machine));
    report.add("memory", memory::budget(&machine));
    for sysctl in sysctls::ALL {
        report.add(sysctl.name, sysctl.check(&machine));
    }
    if let Some(cluster) = &options.cluster {
        cluster_checks::examine(cluster, &mut report).await;
    }
    report
}
