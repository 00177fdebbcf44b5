//! Whether the process may hold the connections it is to serve.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use uringcast_engine::limits::{MAX_CONNECTIONS_PER_SHARD, MAX_SHARDS};

use crate::limits::RESERVED_DESCRIPTORS;
use crate::settings::{Problem, Settings};

const REMEDY: &str = "Raise the hard limit (ulimit -Hn; LimitNOFILE= in a systemd unit; \
    --ulimit nofile= for containers), or lower max_connections.";

/// Raises the soft limit of descriptors to the hard one, and returns it.
///
/// # Errors
/// A [`Problem`] when the system refuses.
pub fn raise_limit(settings: &Settings) -> Result<u64, Problem> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    setrlimit(Resource::Nofile, raised).map_err(|error| {
        let reason = format!("the limit of open files cannot be raised: {error}");
        settings.problem("max_connections", reason, REMEDY)
    })?;
    Ok(limit.maximum.unwrap_or(u64::MAX))
}

/// Compares `max_connections` with what a process with this limit can hold: a shard keeps its
/// connections in its ring's file table, and each ring's table may be as large as the limit.
///
/// # Errors
/// A [`Problem`] that names limit and remedy.
pub fn check(settings: &Settings, limit: u64, cores: usize) -> Result<(), Problem> {
    let shards = settings.shards.map_or(cores, |shards| shards.0).clamp(1, MAX_SHARDS) as u64;
    let per_shard =
        limit.saturating_sub(RESERVED_DESCRIPTORS).min(MAX_CONNECTIONS_PER_SHARD as u64);
    let capacity = shards.saturating_mul(per_shard);
    if settings.max_connections.0 as u64 <= capacity {
        return Ok(());
    }
    let reason = format!(
        "is more than {shards} shards can hold: {capacity}, with a limit of {limit} open files each"
    );
    Err(settings.problem("max_connections", reason, REMEDY))
}
