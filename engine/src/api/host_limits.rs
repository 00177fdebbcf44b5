//! The limits of the host: cores, open files, io_uring.

use core_affinity::CoreId;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::limits::{LEAST_HANDSHAKES, MAX_CONNECTIONS_PER_SHARD, MAX_HANDSHAKES, RING_ENTRIES};
use crate::types::StartError;

/// Ordinary descriptors of a process beside those of its shards: logs, the control plane, a spare.
const PROCESS_FILES: usize = 64;
/// Of these, for what the process opens beside connections: files, logs, its own clients.
const RESERVED_FILES: usize = 32;
/// Ordinary descriptors of a shard beside its listeners: two rings, the bell, timers, and
/// [`LEAST_HANDSHAKES`].
const SHARD_FILES: usize = 16 + LEAST_HANDSHAKES;

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
    let files = number(if raised.is_ok() { limit.maximum } else { limit.current });
    check_files(files, shards, addresses)?;
    Ok(files)
}

/// The limit of open files.
pub(super) fn file_limit() -> usize {
    number(getrlimit(Resource::Nofile).current)
}

/// A limit; `None` is none.
fn number(limit: Option<u64>) -> usize {
    limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX))
}

/// Ordinary descriptors of a process with so many shards, each with so many listeners.
pub(super) fn process_files(shards: usize, addresses: usize) -> usize {
    PROCESS_FILES + shards * (SHARD_FILES + addresses)
}

/// Ordinary descriptors that are left when the process and its shards have the least they need.
/// Each listener has a duplicate, to be polled.
fn spare_files(files: usize, shards: usize, addresses: usize) -> usize {
    let need = process_files(shards, addresses).saturating_add(shards * addresses);
    files.saturating_sub(need)
}

/// Handshakes that each shard may have under way. Each has an ordinary descriptor; so half of what
/// can be spared is kept back for the rest of the process.
pub(super) fn handshakes(files: usize, shards: usize, addresses: usize) -> usize {
    let more = spare_files(files, shards, addresses) / 2 / shards;
    LEAST_HANDSHAKES.saturating_add(more).min(MAX_HANDSHAKES)
}

/// Ordinary descriptors that the process may use for connections of its own.
pub(super) fn other_connections(files: usize, shards: usize, addresses: usize) -> usize {
    let spare = spare_files(files, shards, addresses);
    let handshakes = handshakes(files, shards, addresses).saturating_sub(LEAST_HANDSHAKES);
    PROCESS_FILES - RESERVED_FILES + spare.saturating_sub(handshakes.saturating_mul(shards))
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
