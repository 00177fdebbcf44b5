//! The memory that so many connections take, from the engine's limits, against what there is.

use uringcast_engine::limits::{
    CONTEXT_MEMORY, CONTEXTS_PER_SHARD, DEFAULT_SHARD_LOG_BYTES, FANOUT_LANE_BYTES,
    FORGOTTEN_CHANNEL, FORGOTTEN_CHANNELS, IDLE_CONNECTION, KERNEL_CONNECTION,
    LAGGARD_BYTES_PER_SHARD, MAILBOX_BYTES, PUBLISHING_BYTES_PER_SHARD, RECEIVE_BUFFER,
    RECEIVE_BUFFERS, REQUEST_BACKLOG_PER_SHARD, TLS_CONNECTION, UNFINISHED_BYTES_PER_SHARD,
    per_lane,
};

use super::Machine;
use crate::diagnostics::check_report::{Outcome, fail, note, warn};
use crate::limits::{ACCESS_LOG_BYTES, HTTP_BODY_BYTES, REVOCATIONS_BYTES};

pub(super) fn budget(machine: &Machine) -> Outcome {
    let connection = IDLE_CONNECTION + if machine.tls { TLS_CONNECTION } else { 0 };
    let shard = usize::from(RECEIVE_BUFFERS) * RECEIVE_BUFFER;
    let (connections, shards) = (machine.connections as u64, machine.shards as u64);
    // At rest: connections and the shards' buffers in user space, and connections in the kernel.
    let user = connections * connection as u64 + shards * shard as u64;
    let kernel = connections * KERNEL_CONNECTION as u64;
    // When every log is full, and what publishers, clients and forgotten channels can make a shard
    // hold.
    let clients = LAGGARD_BYTES_PER_SHARD + UNFINISHED_BYTES_PER_SHARD + REQUEST_BACKLOG_PER_SHARD;
    let publishing = MAILBOX_BYTES + PUBLISHING_BYTES_PER_SHARD;
    let forgotten = FORGOTTEN_CHANNELS * FORGOTTEN_CHANNEL;
    let lanes = machine.shards.saturating_sub(1) * per_lane(FANOUT_LANE_BYTES, machine.shards);
    let compressors = CONTEXTS_PER_SHARD * CONTEXT_MEMORY;
    let of_shard = DEFAULT_SHARD_LOG_BYTES + clients + publishing + forgotten + lanes + compressors;
    // Parsed bodies are there twice.
    let control = 2 * HTTP_BODY_BYTES + REVOCATIONS_BYTES + ACCESS_LOG_BYTES;
    let full = shards * of_shard as u64 + control as u64;
    let (rest, all) = (user + kernel, user + kernel + full);
    let [user, kernel, at_rest, full] = [user, kernel, rest, all].map(mib);
    let need = format!(
        "at rest {at_rest} (user space {user}, kernel {kernel}), with full logs, laggards and \
         requests {full}"
    );
    let Some((available, bound)) = available(machine) else {
        return note(format!("{need}; what there is cannot be read"), "");
    };
    let found = format!("{need}; {bound} {}", mib(available));
    let more = format!("Give the machine, or its control group, {full} or more");
    if available < rest {
        fail(found, format!("{more}, or plan for fewer connections."))
    } else if available < all {
        warn(found, format!("{more}, or lower shard-log-bytes."))
    } else {
        Ok(found)
    }
}

/// The memory that is available, and where this bound comes from: the least of the machine's and
/// its control groups'.
fn available(machine: &Machine) -> Option<(u64, &'static str)> {
    let info = machine.read("meminfo")?;
    let line = info.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    let whole = (kib << 10, "available");
    let group = group(machine).map(|bytes| (bytes, "left in the control group"));
    Some(group.filter(|group| group.0 < whole.0).unwrap_or(whole))
}

/// The least memory that a control group of this process has left. Version 2 only.
fn group(machine: &Machine) -> Option<u64> {
    let groups = machine.read("self/cgroup")?;
    let path = groups.lines().find_map(|line| line.strip_prefix("0::/"))?.to_owned();
    let root = machine.root.join("sys/fs/cgroup");
    let number =
        |path: std::path::PathBuf| std::fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
    let left = |group: &std::path::Path| {
        let max = number(group.join("memory.max"))?;
        Some(max.saturating_sub(number(group.join("memory.current")).unwrap_or(0)))
    };
    let innermost = root.join(path);
    innermost.ancestors().take_while(|group| group.starts_with(&root)).filter_map(left).min()
}

fn mib(bytes: u64) -> String {
    format!("{} MiB", bytes.div_ceil(1 << 20))
}
