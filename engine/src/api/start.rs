//! From a configuration to running shards.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use crossbeam::channel::{Sender, bounded};

use super::handle::Handle;
use super::lineage::Lineage;
use super::listen::HandedOver;
use super::topology::{Plan, Ready, Topology};
use super::{Engine, config_check, host_limits, kernel_tls, listen};
use crate::config::Config;
use crate::shard::{Kernel, ShardParts, ShardRing, StandbyOrder};
use crate::sync::abort;
use crate::types::StartError;

/// Orders that wait for a shard that stands by: it gets three.
const STANDBY_ORDERS: usize = 3;

/// An engine with shards that wait for their state before they serve.
pub(super) struct StandingBy {
    /// To each shard. Dropped, they end: so before the engine, which waits for that.
    pub orders: Vec<Sender<StandbyOrder>>,
    /// By shard.
    pub rings: Vec<ShardRing>,
    pub engine: Engine,
}

/// What a new engine has of one before it.
struct Origin {
    lineage: Lineage,
    /// Listening sockets, with their services and the addresses that are configured for them.
    listeners: Vec<HandedOver>,
}

impl Origin {
    /// Of an engine without one before it.
    fn new() -> Origin {
        Origin { lineage: Lineage::new(), listeners: Vec::new() }
    }
}

/// Starts an engine; each shard's thread calls `run`.
pub(super) fn start(config: Config, run: fn(ShardParts)) -> Result<Engine, StartError> {
    let standing_by = start_shards(config, None, run)?;
    standing_by.engine.topology.handle.stage.serve();
    Ok(standing_by.engine)
}

/// Starts an engine that is to go on where another one ends, from the same sockets.
pub(super) fn stand_by(
    config: Config,
    lineage: Lineage,
    listeners: Vec<HandedOver>,
) -> Result<StandingBy, StartError> {
    start_shards(config, Some(Origin { lineage, listeners }), crate::shard::run)
}

fn start_shards(
    mut config: Config,
    origin: Option<Origin>,
    run: fn(ShardParts),
) -> Result<StandingBy, StartError> {
    let cores = host_limits::cores();
    let parallelism = host_limits::parallelism(cores.len());
    let shards = config_check::check(&config, parallelism)?;
    if config.shards.is_none() {
        let (cores, why) = (cores.len(), reason(parallelism, cores.len()));
        tracing::info!(shards, cores, why, "number of shards");
    }
    // Not kept: they are the shards', which close them when they drain.
    let inherited = std::mem::take(&mut config.inherited);
    let services = &config.services;
    let addresses = services.iter().map(|service| service.listen.len()).sum();
    let files = host_limits::raise_file_limit(shards, addresses)?;
    let connections =
        services.iter().fold(0, |sum: usize, each| sum.saturating_add(each.max_connections));
    let slots = host_limits::slots(connections, shards, files)?;
    let handshakes = host_limits::handshakes(files, shards, addresses);
    host_limits::probe_ring()?;
    let kernel = kernel_tls::decide(&config, Kernel::probe)?;
    let listen = services.iter().map(|service| &*service.listen);
    let waiting = if origin.is_some() { shards } else { 0 };
    let (orders, standbys) = (0..waiting).map(|_| bounded(STANDBY_ORDERS)).unzip();
    let Origin { lineage, listeners } = origin.unwrap_or_else(Origin::new);
    let listening = listen::listen(listen, &inherited, &listeners, shards)?;
    let names = services.iter().map(|service| service.name.clone()).collect();

    // Twice, because a shard's guard may report after the shard.
    let (ready, readies) = bounded(2 * shards);
    let cores = host_limits::assign(&cores, parallelism, shards);
    let listeners = listening.listeners;
    let inherited = inherited.iter().filter_map(|socket| socket.local_addr().ok()).collect();
    let plan = Plan {
        config,
        kernel,
        cores,
        slots,
        handshakes,
        listeners,
        inherited,
        lineage,
        standbys,
        ready,
    };
    let (parts, topology) = Topology::new(plan)?;
    let threads = Vec::with_capacity(shards);
    let engine = Engine { names, addresses: listening.addresses, topology, threads };
    // From here on, dropping this ends the shards that run.
    let mut all = StandingBy { orders, rings: Vec::new(), engine };
    for parts in parts {
        let thread = spawn(parts, Arc::clone(&all.engine.topology.handle), run)?;
        all.engine.threads.push(thread);
    }
    // Never disconnected before all have reported: each thread's guard holds a sender.
    all.rings = readies.iter().take(shards).collect::<Result<_, _>>()?;
    all.rings.sort_by_key(|ring| ring.shard);
    Ok(all)
}

/// Why an engine without that setting has as many shards as it has.
fn reason(parallelism: usize, cores: usize) -> &'static str {
    match parallelism < cores {
        true => "the CPU quota of this process's control group",
        false => "one for each core that this process may use",
    }
}

fn spawn(
    parts: ShardParts,
    handle: Arc<Handle>,
    run: fn(ShardParts),
) -> Result<thread::JoinHandle<()>, StartError> {
    let name = format!("shard-{}", parts.id.0);
    let ready = parts.ready.clone();
    let guarded = {
        let name = name.clone();
        move || guard(&name, &handle, &ready, || run(parts))
    };
    thread::Builder::new().name(name.clone()).spawn(guarded).map_err(|source| {
        StartError::Config(format!(
            "cannot start the thread {name}: {source}. Lower shards, or raise the limit of \
             processes (RLIMIT_NPROC: ulimit -u, or TasksMax= of the service)"
        ))
    })
}

/// A shard that ends on its own would strand its connections and channels (invariant 9).
fn guard(name: &str, handle: &Handle, ready: &Sender<Ready>, run: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(run)).is_err() {
        abort(&format!("{name} panicked"));
    }
    if handle.stage.is_serving() {
        abort(&format!("{name} ended while serving"));
    }
    // While starting it has reported why. A bug that kept it from that must not block the start.
    let text = format!("{name} ended while the engine started; please report this");
    let _ = ready.try_send(Err(StartError::Config(text)));
}

#[cfg(test)]
mod tests;
