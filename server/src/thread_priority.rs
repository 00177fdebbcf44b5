//! The priority of threads beside the shards.

/// Makes this thread nicer by so much, so that a shard on the same core is not held up by it.
/// `name` is for the log.
pub(crate) fn let_shards_go_first(name: &str, by: i32) {
    // On Linux niceness is a thread's, not the process's (sched(7)).
    if let Err(error) = rustix::process::nice(by) {
        tracing::warn!("{name} keeps its priority: {error}");
    }
}
