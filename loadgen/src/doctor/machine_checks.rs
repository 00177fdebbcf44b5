//! What is checked, each against the demand of a run.

use indicatif::{BinaryBytes, HumanCount};

use super::{Demand, Finding, Verdict};
use crate::config::files_needed;
use crate::machine::{Machine, count};
use crate::worker::MAX_HANDSHAKES;

/// User-space memory of a connection at most: buffers and state, and of TLS the session.
const PLAIN_BYTES: u64 = 2 * 1024;
const TLS_BYTES: u64 = 24 * 1024;
/// Kernel memory of one end of an idle connection.
const KERNEL_BYTES: u64 = 4 * 1024;
/// Histograms, read buffers and the program itself.
const BASE_BYTES: u64 = 64 << 20;
/// What is assumed of a kernel that does not say.
const DEFAULT_PORTS: [u64; 2] = [32_768, 60_999];

/// All checks, in the order they are printed.
pub(super) fn all(machine: &Machine, demand: &Demand, file_limit: u64) -> Vec<Finding> {
    let mut findings = vec![
        descriptors(machine, demand, file_limit),
        ports(machine, demand),
        memory(machine, demand),
        cpus(machine, demand),
    ];
    findings.extend(listen_queue(machine, demand));
    findings.extend(pinning(machine, demand));
    findings.extend(quota(machine, demand));
    findings
}

fn descriptors(machine: &Machine, demand: &Demand, limit: u64) -> Finding {
    let need = files_needed(demand.connections, demand.publishers, demand.threads);
    let found = format!("{} wanted, the hard limit is {}", HumanCount(need), HumanCount(limit));
    let ceiling = machine.sysctl("fs.nr_open").and_then(|numbers| numbers.first().copied());
    let raise = match ceiling {
        Some(ceiling) if ceiling < need => format!("sudo sysctl -w fs.nr_open={need} && "),
        _ => String::new(),
    };
    let command = format!("{raise}sudo prlimit --pid $$ --nofile={need}:{need}");
    Finding::check("descriptors", limit >= need, found, (Verdict::Fail, command))
}

/// One pair of addresses has a port for each connection.
fn ports(machine: &Machine, demand: &Demand) -> Finding {
    let range = machine.sysctl("net.ipv4.ip_local_port_range").unwrap_or_default();
    let [first, last] = <[u64; 2]>::try_from(range).unwrap_or(DEFAULT_PORTS);
    let ports = last.saturating_sub(first) + 1;
    let need = demand.connections.div_ceil(demand.pairs);
    let found = format!(
        "{} wanted of each of {} pairs of addresses, ports {first} to {last} are {}",
        HumanCount(need),
        demand.pairs,
        HumanCount(ports)
    );
    let widest = 65_535 - 1_024 + 1;
    let command = match (need <= widest, demand.local) {
        (true, _) => "sudo sysctl -w net.ipv4.ip_local_port_range='1024 65535'".to_owned(),
        (false, true) => {
            format!("loadgen --source-addresses {} …", demand.connections.div_ceil(widest))
        }
        (false, false) => "loadgen --source with several addresses of this machine".into(),
    };
    Finding::check("ports", need <= ports, found, (Verdict::Fail, command))
}

fn memory(machine: &Machine, demand: &Demand) -> Finding {
    let user = if demand.tls { TLS_BYTES } else { PLAIN_BYTES };
    let ends = if demand.local { 2 } else { 1 };
    let one = user + ends * KERNEL_BYTES;
    let need = BASE_BYTES + demand.connections * one;
    let Some(free) = machine.memory_available() else {
        return Finding::pass("memory", format!("{} wanted", BinaryBytes(need)));
    };
    let found = format!("{} wanted, {} available", BinaryBytes(need), BinaryBytes(free));
    let most = free.saturating_sub(BASE_BYTES) / one;
    let command = format!("loadgen --connections {most} …");
    Finding::check("memory", need <= free, found, (Verdict::Fail, command))
}

/// Receivers and publishers that share a CPU are late, and their lateness is measured.
fn cpus(machine: &Machine, demand: &Demand) -> Finding {
    let allowed = machine.cpus_allowed().map_or(1, |list| count(&list)) as u64;
    let online = machine.cpus_online().map_or(allowed, |online| online as u64);
    let wanted = demand.threads + demand.publishers;
    let found = format!("{wanted} threads, {allowed} of {online} CPUs allowed");
    let command = if online >= wanted {
        format!("taskset -c 0-{} loadgen …", online - 1)
    } else {
        let publishers = allowed.div_ceil(4);
        let threads = allowed.saturating_sub(publishers).max(1);
        format!("loadgen --threads {threads} --publishers {publishers} …")
    };
    // A publisher sleeps between its messages, so a lone CPU may have one beside a receiver.
    Finding::check("cpus", wanted <= allowed + 1, found, (Verdict::Warn, command))
}

/// Of a server on this machine: handshakes under way must fit its listen queue.
fn listen_queue(machine: &Machine, demand: &Demand) -> Option<Finding> {
    let longest = *machine.sysctl("net.core.somaxconn").filter(|_| demand.local)?.first()?;
    let need = demand.connections.min(demand.threads * MAX_HANDSHAKES as u64);
    let found = format!("{need} handshakes at a time, a listen queue has {longest} at most");
    let command = format!("sudo sysctl -w net.core.somaxconn={}", need.next_power_of_two());
    Some(Finding::check("somaxconn", longest >= need, found, (Verdict::Warn, command)))
}

fn pinning(machine: &Machine, demand: &Demand) -> Option<Finding> {
    let pinned = demand.pinned.as_ref()?;
    let allowed = machine.cpus_allowed()?;
    let usable: Vec<usize> =
        pinned.iter().copied().filter(|cpu| crate::machine::contains(&allowed, *cpu)).collect();
    let found =
        format!("{} of {} CPUs of --pin are allowed: {allowed}", usable.len(), pinned.len());
    let command = format!("loadgen --pin {allowed} …");
    let verdict = if usable.is_empty() { Verdict::Fail } else { Verdict::Warn };
    Some(Finding::check("pinning", usable.len() == pinned.len(), found, (verdict, command)))
}

fn quota(machine: &Machine, demand: &Demand) -> Option<Finding> {
    let quota = machine.quota()?;
    let wanted = demand.threads + demand.publishers;
    let found = format!("{wanted} threads, a quota of {:.2} CPUs", quota.cpus);
    let none = if quota.file.ends_with("cpu.max") { "max" } else { "-1" };
    let command = format!("echo {none} | sudo tee {}", quota.file.display());
    Some(Finding::check("quota", quota.cpus >= wanted as f64, found, (Verdict::Warn, command)))
}
