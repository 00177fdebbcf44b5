//! The limits of the host: cores, open files, io_uring.

use core_affinity::CoreId;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::limits::{MAX_CONNECTIONS_PER_SHARD, MAX_HANDSHAKES, RING_ENTRIES};
use crate::types::StartError;

/// Ordinary descriptors of a process beside those of its shards: logs, the control plane, a spare.
const PROCESS_FILES: usize = 64;
/// Ordinary descriptors of a shard beside its listeners: two rings, the bell, timers, handshakes
/// under way (more make it accept later).
const SHARD_FILES: usize = 32;

/// The cores this process may use.
pub(super) fn cores() -> Vec<CoreId> {
    core_affinity::get_core_ids().unwrap_or_default()
}

/// How many threads this process can run at a time: one for each core, or as many as the CPU time
/// that its control groups grant (cgroup v1 and v2), if that is less.
pub(super) fn parallelism(cores: usize) -> usize {
    std::thread::available_parallelism().map_or(cores, |most| cores.min(most.get())).max(1)
}

/// The core of each shard, as far as there is one for each: more shards than cores are better
/// spread by the kernel. So are those that get `parallelism` threads' time on more cores: other
/// processes with a quota see the same cores.
pub(super) fn assign(cores: &[CoreId], parallelism: usize, shards: usize) -> Vec<Option<CoreId>> {
    let enough = cores.len() >= shards && parallelism == cores.len();
    (0..shards).map(|shard| cores.get(shard).copied().filter(|_| enough)).collect()
}

/// Raises the limit of open files as far as allowed. Returns it.
///
/// # Errors
/// [`StartError::Config`] when it is too low to run at all.
pub(super) fn raise_file_limit(shards: usize, addresses: usize) -> Result<usize, StartError> {
    let limit = getrlimit(Resource::Nofile);
    // It never fails from soft to hard; if it did, the soft limit is what there is.
    let raised = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    let files = if raised.is_ok() { limit.maximum } else { limit.current };
    let files = files.map_or(usize::MAX, |files| usize::try_from(files).unwrap_or(usize::MAX));
    check_files(files, shards, addresses)?;
    Ok(files)
}

/// Ordinary descriptors of a process with so many shards, each with so many listeners.
pub(super) fn process_files(shards: usize, addresses: usize) -> usize {
    PROCESS_FILES + shards * (SHARD_FILES + addresses)
}

fn check_files(files: usize, shards: usize, addresses: usize) -> Result<(), StartError> {
    let need = process_files(shards, addresses);
    if files >= need {
        return Ok(());
    }
    Err(StartError::Config(format!(
        "the limit of open files (RLIMIT_NOFILE) is {files}, and {shards} shards on {addresses} \
         addresses need {need}: raise the hard limit (ulimit -Hn, or LimitNOFILE= of the service)"
    )))
}

/// Registered-file slots of one shard: its fair part of all connections, a quarter more because the
/// kernel spreads by hash, and room for those that are closed at once because the server is full.
/// The kernel allows a ring as many as the process may open files.
///
/// # Errors
/// [`StartError::Config`] when all shards together cannot hold `connections`.
pub(super) fn slots(connections: usize, shards: usize, files: usize) -> Result<usize, StartError> {
    let most = files.min(MAX_CONNECTIONS_PER_SHARD);
    let fair = connections.div_ceil(shards);
    if fair > most {
        return Err(StartError::Config(format!(
            "max_connections is {connections}, but {shards} shards can hold {most} each: raise \
             the hard limit of open files (RLIMIT_NOFILE: ulimit -Hn, or LimitNOFILE= of the \
             service) from {files} to {fair} or more, use more shards, or lower max_connections"
        )));
    }
    Ok(ample_slots(connections, shards).min(most))
}

/// Slots of one shard when no limit is in the way.
pub(super) fn ample_slots(connections: usize, shards: usize) -> usize {
    let fair = connections.div_ceil(shards);
    fair.saturating_add(fair / 4).min(connections).saturating_add(MAX_HANDSHAKES)
}

/// Makes and drops a ring such as every shard needs.
///
/// # Errors
/// [`StartError::Ring`].
pub(super) fn probe_ring() -> Result<(), StartError> {
    uringcast_ring::probe::setup(RING_ENTRIES).map_err(StartError::ring)
}

#[cfg(test)]
mod tests;
