//! From a configuration to a server that serves until a signal.

mod cluster_node;
mod ending;
mod http_ports;
mod reload_thread;
mod stop_signals;
mod succession;
mod warnings;

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};
use uringcast_engine::limits::SNAPSHOT_INTERVAL;
use uringcast_engine::{
    Engine, HandedOver, ProbeKey, Protocol, Service, ServiceId, StartError, preflight,
};

use crate::access_log;
use crate::certs::{self, CertReloader};
use crate::cluster::Cluster;
use crate::config::Config;
use crate::config_reload::{
    self, ConfigReloader, LiveParts, ReadSettings, ReloadStatus, WatchedFile,
};
use crate::dashboard::Dashboard;
use crate::foreign_listeners::ForeignListeners;
use crate::handover::{TakeOver, TakeOverError};
use crate::http::Control;
use crate::live_services::LiveServices;
use crate::log;
use crate::metrics::Metrics;
use crate::self_probe::{Connector, Health, SelfProbes};
use crate::settings::{Problem, Problems, Settings};
use crate::systemd::{self, InheritedSockets};
use http_ports::HttpPorts;
use reload_thread::ReloadThread;
use stop_signals::{StopSignal, StopSignals};
use succession::{Succession, Taken};

/// Why the server could not start.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Settings that contradict each other.
    #[error(transparent)]
    Problems(#[from] Problems),
    /// A setting that contradicts the machine.
    #[error(transparent)]
    Problem(#[from] Problem),
    /// The engine's reason.
    #[error(transparent)]
    Engine(#[from] StartError),
    /// Nothing was taken over.
    #[error(transparent)]
    TakeOver(#[from] TakeOverError),
    /// An error of the operating system.
    #[error("cannot start: {0}")]
    System(#[from] std::io::Error),
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// After one signal: all connections have drained, or were cut at the deadline.
    Drained,
    /// At a second signal, of this number.
    Interrupted(i32),
}

/// Checks everything that can be checked without serving: what `check-config` does. What depends
/// on the process, such as its limit of open files, the engine checks when it starts.
///
/// # Errors
/// [`RunError`].
pub fn check(settings: &Settings, state: Option<&Path>) -> Result<Config, RunError> {
    let config = Config::resolve(settings, state)?;
    config.tls.iter().flatten().try_for_each(certs::check)?;
    config.verifiers.revocations().check()?;
    settings.access_log.as_deref().map_or(Ok(()), access_log::check)?;
    Ok(config)
}

/// Serves until a signal, or until another process has taken over. `read` gives the settings anew
/// when they are to be reloaded; `take_over` is the socket of a server that this one is to take
/// over from.
///
/// # Errors
/// [`RunError`] when it cannot start.
pub fn serve(
    settings: Settings,
    state: Option<PathBuf>,
    read: ReadSettings,
    take_over: Option<PathBuf>,
) -> Result<Ended, RunError> {
    // Before those of keys are read: what changes meanwhile is seen by the first check.
    let files = config_reload::watched_files(&settings);
    let config = check(&settings, state.as_deref())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let settings = (Arc::new(settings), files);
    let ended = runtime.block_on(serve_on(settings, config, (read, state), take_over.as_deref()));
    // A drain that a second signal has cut short must not be waited for.
    runtime.shutdown_background();
    ended
}

async fn serve_on(
    (settings, files): (Arc<Settings>, Vec<WatchedFile>),
    mut config: Config,
    source: (ReadSettings, Option<PathBuf>),
    take_over: Option<&Path>,
) -> Result<Ended, RunError> {
    let mut stops = StopSignals::new()?;
    let mut hangup = signal(SignalKind::hangup())?;
    let mut before = succession::begin(take_over, &config)?;
    // These first: when one of them is taken, no client has connected yet.
    let ports = take_ports(&settings, &mut config, before.as_mut())?;
    let control_ports = ports.control()?;
    config.admit_pages_of(&control_ports);
    let reloaders = start_reloaders(&mut config)?;
    warnings::log(&settings, &config);
    let verifiers = std::mem::take(&mut config.verifiers);
    verifiers.revocations().prepare()?;
    let key = ProbeKey::new(random());
    config.engine.probe = Some(key);
    let services = config.engine.services.clone();
    let access_log_thread = start_access_log(&settings, &mut config.engine)?;
    let (mut cluster, peers) = cluster_node::join(&settings, &mut config, &verifiers, &mut before)?;
    let (engine, standing_by) = succession::start_engine(config.engine, before, cluster.as_mut())?;
    let services = bound(services, &engine);
    let live = LiveServices::new(Arc::clone(&services));
    let reload_status = Arc::<Mutex<ReloadStatus>>::default();
    let connections = other_connections(&services, &engine);
    let foreign = watch_listeners(&services);
    let verifier_threads = verifiers.start(&engine, settings.auth_threads.0)?;
    let metrics = (!config.metrics.is_empty()).then(|| {
        new_metrics(&settings, &services, engine.shards(), &reloaders)
            .with_foreign_listeners(foreign.clone())
            .with_cluster(cluster.as_ref().map(Cluster::status))
            .with_reloads(live.clone(), Arc::clone(&reload_status))
    });
    let line = listening(&services, &reloaders, &ports.listening()?);
    let start_probes = |probe| start_probes(probe, &services, &engine, key, metrics.clone());
    let (probe_task, health) = config.self_probe.map(start_probes).unzip();
    let dashboard = make_dashboard(&services, &engine, key);
    let parts = LiveParts {
        engine: engine.live_config(),
        services: live.clone(),
        api_keys: config.api_keys.clone(),
        verifiers: verifiers.clone(),
        control_ports,
    };
    let predecessor = engine.predecessor();
    let node = cluster.as_ref().map(Cluster::handover);
    let control = Control::new(engine, metrics, health, foreign, live, dashboard);
    let running = Arc::new(RwLock::new(Arc::clone(&settings)));
    let control = control.with_settings(Arc::clone(&running));
    let control = succession::prepare(control, &settings, &reloaders);
    let control = control.with_revocations(Arc::clone(verifiers.revocations()));
    let control = cluster_node::attach(control, cluster.as_ref(), peers);
    // An error drops it before the engine: the shards wait for it.
    let standing_by = standing_by;
    let started = (Arc::clone(&settings), files);
    let reloader = ConfigReloader::new(source, started, Arc::clone(&running), parts, reload_status);
    let reloads = ReloadThread::new(reloader, reloaders, verifiers, Arc::clone(&control))?;
    let succession = Succession::new(&settings, predecessor, &control, (ports.sockets()?, node));
    // The last step that may fail, where it takes over from another server; that serves meanwhile.
    let mut taken = succession.begin(standing_by)?;
    let (stop, stopped) = watch::channel(false);
    let ports = ports.serve(&control, &config.api_keys, connections, &stopped);
    announce(&line);

    let why = until_stopped(&control, &reloads, &mut hangup, (&mut stops, &mut taken)).await;
    probe_task.inspect(|task| task.abort());
    if let Some(again) = ending::end(&control, &running, &why, &mut stops).await {
        return Ok(Ended::Interrupted(again.number));
    }
    let _ = stop.send(true);
    ports.join_all().await;
    // The verifiers end with the engine: its shards have ended.
    verifier_threads.into_iter().for_each(|thread| drop(thread.join()));
    drop(cluster);
    // It has the engine's settings, and with them a sender of the access log.
    drop(reloads);
    access_log_thread.inspect(access_log::finish);
    Ok(Ended::Drained)
}

/// Metrics of these services and their certificates.
fn new_metrics(
    settings: &Settings,
    services: &Arc<[Service]>,
    shards: usize,
    reloaders: &[(ServiceId, CertReloader)],
) -> Metrics {
    let (name, objective) = (&settings.server_name.0, settings.slo_p99.map(|time| time.0));
    let statuses = reloaders.iter().map(|(id, reloader)| (*id, Arc::clone(&reloader.status)));
    Metrics::new(name, Arc::clone(services), shards, objective)
        .with_certificates(statuses.collect())
}

/// Takes what the service manager and the server before have handed over, and binds the other HTTP
/// ports.
fn take_ports(
    settings: &Settings,
    config: &mut Config,
    before: Option<&mut TakeOver>,
) -> Result<HttpPorts, RunError> {
    let mut inherited = InheritedSockets::take()?;
    let mut http = before.map(|before| std::mem::take(&mut before.http)).unwrap_or_default();
    let ports = HttpPorts::bind(settings, config, &mut inherited, &mut http)?;
    for address in config.engine.services.iter().flat_map(|service| &service.listen) {
        config.engine.inherited.extend(inherited.of(*address));
    }
    inherited.refuse_rest()?;
    Ok(ports)
}

/// The services with the ports that port 0 has become.
fn bound(services: Vec<Service>, engine: &Engine) -> Arc<[Service]> {
    let addresses = |place| engine.service_addrs(ServiceId(place as u8));
    let services = services.into_iter().enumerate();
    services.map(|(place, service)| Service { listen: addresses(place), ..service }).collect()
}

fn other_connections(services: &[Service], engine: &Engine) -> usize {
    let of = |service: &Service| service.listen.len();
    preflight::other_connections(engine.shards(), services.iter().map(of).sum())
}

/// Tells standard output and the service manager that the server serves.
fn announce(line: &str) {
    // Standard output need not be read.
    let _ = writeln!(std::io::stdout(), "{line}");
    systemd::ready(line);
}

/// Starts to probe a service, that often.
fn start_probes(
    (probed, period): (ServiceId, Duration),
    services: &[Service],
    engine: &Engine,
    key: ProbeKey,
    metrics: Option<Metrics>,
) -> (JoinHandle<()>, Health) {
    let (service, health) = (&services[probed.index()], Health::new(engine.shards()));
    let (tls, proxies) = (service.tls.is_some(), service.proxies.clone());
    let connector = Connector::new(service.listen[0], key, tls, proxies);
    let probes = SelfProbes::new(connector, engine.publisher(probed), metrics, health.clone());
    (tokio::spawn(probes.run(period)), health)
}

/// The dashboard, which connects to a service that uses the envelope.
fn make_dashboard(services: &Arc<[Service]>, engine: &Engine, key: ProbeKey) -> Dashboard {
    let place = services.iter().position(|one| matches!(one.protocol, Protocol::Envelope));
    let place = place.unwrap_or(0);
    let publisher = engine.publisher(ServiceId(place as u8));
    Dashboard::new(Arc::clone(services), place, key, publisher)
}

/// Starts the access log, where one is wanted.
fn start_access_log(
    settings: &Settings,
    engine: &mut uringcast_engine::Config,
) -> Result<Option<thread::JoinHandle<()>>, Problem> {
    let Some(path) = &settings.access_log else { return Ok(None) };
    let names = engine.services.iter().map(|service| service.name.clone()).collect();
    let (ends, thread) = access_log::start(path, names)?;
    engine.ends = Some(ends);
    Ok(Some(thread))
}

/// Why a server stops.
enum Stop {
    Signal(StopSignal),
    /// Another process serves its clients.
    HandedOver(HandedOver),
}

/// Collects once a second, so that the shards' channels never fill, keeps settings and certificates
/// fresh and the watchdog quiet while all shards run, until the server is to stop.
async fn until_stopped(
    control: &Control,
    reloads: &ReloadThread,
    hangup: &mut Signal,
    (stops, taken): (&mut StopSignals, &mut Taken),
) -> Stop {
    let has_watchdog = systemd::has_watchdog();
    let mut tick = interval(SNAPSHOT_INTERVAL);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            signal = stops.next() => return Stop::Signal(signal),
            handed_over = taken.wait() => return Stop::HandedOver(handed_over),
            _ = hangup.recv() => {
                if !taken.starts_successor() {
                    reloads.reload();
                }
            }
            _ = tick.tick() => {
                look_after(control, has_watchdog).await;
                reloads.check();
            }
        }
    }
}

/// What is done once a second from start to end.
async fn look_after(control: &Control, has_watchdog: bool) {
    control.tick().await;
    log::report();
    if has_watchdog && control.is_alive().await {
        systemd::pet_watchdog();
    }
}

/// Prepares to look for other processes on the clients' ports, if this system shows them.
fn watch_listeners(services: &[Service]) -> Option<ForeignListeners> {
    let addresses = services.iter().flat_map(|service| service.listen.clone()).collect();
    let watch = ForeignListeners::new(addresses);
    watch.inspect_err(|error| tracing::warn!("cannot see who listens: {error}")).ok()
}

/// A number that cannot be guessed.
fn random() -> u128 {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).expect("the system has random numbers");
    u128::from_ne_bytes(bytes)
}

/// Starts keeping the certificates of each service that serves wss.
fn start_reloaders(config: &mut Config) -> Result<Vec<(ServiceId, CertReloader)>, RunError> {
    let mut all = Vec::new();
    for (place, tls) in config.tls.iter().enumerate() {
        let Some(tls) = tls.clone() else { continue };
        let reloader = CertReloader::start(tls)?;
        config.engine.services[place].tls = Some(reloader.source.clone());
        all.push((ServiceId(place as u8), reloader));
    }
    Ok(all)
}

/// The one line that programs which start a server wait for. Several services are named.
fn listening(services: &[Service], reloaders: &[(ServiceId, CertReloader)], ports: &str) -> String {
    let mut line = String::from("listening");
    for service in services {
        if services.len() > 1 {
            // Writing to a String cannot fail.
            let _ = write!(line, " {}", service.name);
        }
        let scheme = if service.tls.is_some() { "wss" } else { "ws" };
        for address in &service.listen {
            let _ = write!(line, " {scheme}://{address}");
        }
    }
    line += ports;
    let mut served = reloaders.iter().filter_map(|(_, reloader)| reloader.served.first());
    if let Some(served) = served.find(|served| served.automatic) {
        let _ = write!(line, " cert {}", served.path.display());
    }
    line
}
