//! From a configuration to running shards.

use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crossbeam::channel::{Sender, bounded};

use super::handle::Handle;
use super::topology::{Plan, Ready, Topology};
use super::{Engine, host_limits, kernel_tls, listen};
use crate::config::{Config, Service};
use crate::limits::{MAX_CHANNELS_PER_SHARD, MAX_PERMISSIONS, MAX_SERVICES, MAX_SHARDS};
use crate::shard::{Kernel, ShardParts};
use crate::sync::abort;
use crate::types::StartError;

/// Starts an engine; each shard's thread calls `run`.
pub(super) fn start(config: Config, run: fn(ShardParts)) -> Result<Engine, StartError> {
    let cores = host_limits::cores();
    let parallelism = host_limits::parallelism(cores.len());
    let shards = check(&config, parallelism)?;
    if config.shards.is_none() {
        let (cores, why) = (cores.len(), reason(parallelism, cores.len()));
        tracing::info!(shards, cores, why, "number of shards");
    }
    let services = &config.services;
    let addresses = services.iter().map(|service| service.listen.len()).sum();
    let files = host_limits::raise_file_limit(shards, addresses)?;
    let connections =
        services.iter().fold(0, |sum: usize, each| sum.saturating_add(each.max_connections));
    let slots = host_limits::slots(connections, shards, files)?;
    let handshakes = host_limits::handshakes(files, shards, addresses);
    host_limits::probe_ring()?;
    let kernel = kernel_tls::decide(&config, Kernel::probe)?;
    let listening = listen::listen(services.iter().map(|service| &*service.listen), shards)?;
    let names = services.iter().map(|service| service.name.clone()).collect();

    // Twice, because a shard's guard may report after the shard.
    let (ready, readies) = bounded(2 * shards);
    let cores = host_limits::assign(&cores, parallelism, shards);
    let listeners = listening.listeners;
    let plan = Plan { config, kernel, cores, slots, handshakes, listeners, ready };
    let (parts, topology) = Topology::new(plan)?;
    let threads = Vec::with_capacity(shards);
    let mut engine = Engine { names, addresses: listening.addresses, topology, threads };
    // From here on, dropping the engine ends the shards that run.
    for parts in parts {
        engine.threads.push(spawn(parts, Arc::clone(&engine.topology.handle), run)?);
    }
    // Never disconnected before all have reported: each thread's guard holds a sender.
    readies.iter().take(shards).collect::<Ready>()?;
    engine.topology.handle.stage.serve();
    Ok(engine)
}

/// Why an engine without that setting has as many shards as it has.
fn reason(parallelism: usize, cores: usize) -> &'static str {
    match parallelism < cores {
        true => "the CPU quota of this process's control group",
        false => "one for each core that this process may use",
    }
}

/// Checks the settings. Returns the number of shards.
fn check(config: &Config, parallelism: usize) -> Result<usize, StartError> {
    let refuse = |text| Err(StartError::Config(text));
    let services = config.services.len();
    if !(1..=MAX_SERVICES).contains(&services) {
        return refuse(format!("services are {services}: have 1 to {MAX_SERVICES}"));
    }
    for (place, service) in config.services.iter().enumerate() {
        let name = &service.name;
        if config.services[..place].iter().any(|other| other.name == *name) {
            return refuse(format!("two services are called {name:?}: give each its own name"));
        }
        check_service(service)?;
    }
    let shards = config.shards.unwrap_or(parallelism.clamp(1, MAX_SHARDS));
    if !(1..=MAX_SHARDS).contains(&shards) {
        return refuse(format!("shards is {shards}: choose 1 to {MAX_SHARDS}"));
    }
    for (name, value) in [
        ("max_channels", config.max_channels),
        ("max_outbox", config.max_outbox),
        ("retention.frames", config.retention.frames),
        ("retention.bytes", config.retention.bytes),
        ("retention.shard_bytes", config.retention.shard_bytes),
    ] {
        if NonZero::new(value).is_none() {
            return refuse(format!("{name} is 0: set it to 1 or more"));
        }
    }
    if config.max_channels > MAX_CHANNELS_PER_SHARD {
        let is = config.max_channels;
        return refuse(format!("max_channels is {is}: choose 1 to {MAX_CHANNELS_PER_SHARD}"));
    }
    // Silence is measured in whole seconds.
    if config.keepalive < Duration::from_secs(1) {
        return refuse(format!("keepalive is {:?}: set it to 1 s or more", config.keepalive));
    }
    Ok(shards)
}

fn check_service(service: &Service) -> Result<(), StartError> {
    let name = &service.name;
    let refuse = |text| Err(StartError::Config(text));
    if service.listen.is_empty() {
        return refuse(format!(
            "listen of {name} is empty: name at least one address, such as 127.0.0.1:8690"
        ));
    }
    let access = &service.access;
    let permissions = access.permissions().len();
    if permissions > MAX_PERMISSIONS {
        return refuse(format!(
            "access of {name} has {permissions} permissions, `publish` included: name \
             {MAX_PERMISSIONS} at most"
        ));
    }
    for (setting, value) in [
        ("max_connections", service.max_connections),
        ("max_message", service.max_message),
        ("max_json_depth", service.max_json_depth),
        ("access.max_subscriptions", access.max_subscriptions),
    ] {
        if value == 0 {
            return refuse(format!("{setting} of {name} is 0: set it to 1 or more"));
        }
    }
    match Service::WELCOME_KEYS.iter().find(|key| service.welcome_extra.contains_key(**key)) {
        Some(key) => {
            refuse(format!("welcome_extra of {name} has {key}, which is taken: rename it"))
        }
        None => Ok(()),
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
