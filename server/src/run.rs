//! From a configuration to a server that serves until a signal.

mod http_ports;
mod reload_thread;

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};
use uringcast_engine::limits::SNAPSHOT_INTERVAL;
use uringcast_engine::{Engine, ProbeKey, Protocol, Service, ServiceId, StartError};

use crate::access_log;
use crate::certs::{self, CertReloader};
use crate::config::Config;
use crate::dashboard::Dashboard;
use crate::foreign_listeners::ForeignListeners;
use crate::http::Control;
use crate::log;
use crate::metrics::Metrics;
use crate::self_probe::{Connector, Health, SelfProbes};
use crate::settings::{Problem, Problems, Settings};
use http_ports::HttpPorts;
use reload_thread::ReloadThread;

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
    Ok(config)
}

/// Serves until a signal.
///
/// # Errors
/// [`RunError`] when it cannot start.
pub fn serve(settings: &Settings, state: Option<&Path>) -> Result<Ended, RunError> {
    let config = check(settings, state)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ended = runtime.block_on(serve_on(settings, config));
    // A drain that a second signal has cut short must not be waited for.
    runtime.shutdown_background();
    ended
}

async fn serve_on(settings: &Settings, mut config: Config) -> Result<Ended, RunError> {
    let mut stops = StopSignals::new()?;
    let mut hangup = signal(SignalKind::hangup())?;
    // These first: when one of them is taken, no client has connected yet.
    let ports = HttpPorts::bind(settings, &config)?;
    config.admit_pages_of(&ports.control()?);
    let reloaders = start_reloaders(&mut config)?;
    log_warnings(settings, &config);
    let verifiers = std::mem::take(&mut config.verifiers);
    verifiers.revocations().prepare()?;
    let key = ProbeKey::new(random());
    config.engine.probe = Some(key);
    let mut services = config.engine.services.clone();
    let access_log_thread = start_access_log(settings, &mut config.engine)?;
    let engine = Engine::start(config.engine)?;
    for (place, service) in services.iter_mut().enumerate() {
        // With the ports that port 0 has become.
        service.listen = engine.service_addrs(ServiceId(place as u8));
    }
    let services: Arc<[Service]> = services.into();
    let foreign = watch_listeners(&services);
    let verifier_threads = verifiers.start(&engine, settings.auth_threads.0)?;
    let metrics = (!config.metrics.is_empty()).then(|| {
        let (name, objective) = (&settings.server_name.0, settings.slo_p99.map(|time| time.0));
        let statuses =
            reloaders.iter().map(|(id, reloader)| (*id, Arc::clone(&reloader.status))).collect();
        Metrics::new(name, Arc::clone(&services), engine.shards(), objective)
            .with_certificates(statuses)
            .with_foreign_listeners(foreign.clone())
    });
    let line = listening(&services, &reloaders, &ports.listening()?);
    let (probe_task, health) = config
        .self_probe
        .map(|(probed, period)| {
            let (service, health) = (&services[probed.index()], Health::new(engine.shards()));
            let (tls, proxies) = (service.tls.is_some(), service.proxies.clone());
            let connector = Connector::new(service.listen[0], key, tls, proxies);
            let (publisher, metrics) = (engine.publisher(probed), metrics.clone());
            let probes = SelfProbes::new(connector, publisher, metrics, health.clone());
            (tokio::spawn(probes.run(period)), health)
        })
        .unzip();
    // The dashboard connects to a service that uses the envelope.
    let dashboard_service =
        services.iter().position(|service| matches!(service.protocol, Protocol::Envelope));
    let dashboard_service = dashboard_service.unwrap_or(0);
    let publisher = engine.publisher(ServiceId(dashboard_service as u8));
    let dashboard = Dashboard::new(Arc::clone(&services), dashboard_service, key, publisher);
    let control = Arc::new(
        Control::new(engine, metrics, health, foreign, services, dashboard)
            .with_revocations(Arc::clone(verifiers.revocations())),
    );

    let (stop, stopped) = watch::channel(false);
    let ports = ports.serve(&control, &config.api_keys, &stopped);
    // Standard output need not be read.
    let _ = writeln!(std::io::stdout(), "{line}");

    let reloads = ReloadThread::new(reloaders, verifiers, Arc::clone(&control))?;
    let signal = until_stopped(&control, &reloads, &mut hangup, &mut stops).await;
    probe_task.inspect(|task| task.abort());
    let time = settings.drain_timeout.0;
    tracing::info!("{}: shutting down, clients have {} s", signal.name, time.as_secs_f64());
    if let Some(again) = drain(&control, time, &mut stops).await {
        return Ok(Ended::Interrupted(again.number));
    }
    let _ = stop.send(true);
    ports.join_all().await;
    // The verifiers end with the engine, whose shards have ended.
    verifier_threads.into_iter().for_each(|thread| drop(thread.join()));
    access_log_thread.into_iter().for_each(|thread| drop(thread.join()));
    Ok(Ended::Drained)
}

/// Starts the access log, where one is wanted.
fn start_access_log(
    settings: &Settings,
    engine: &mut uringcast_engine::Config,
) -> Result<Option<JoinHandle<()>>, Problem> {
    let Some(path) = &settings.access_log else { return Ok(None) };
    let names = engine.services.iter().map(|service| service.name.clone()).collect();
    let (ends, thread) = access_log::start(path, names)?;
    engine.ends = Some(ends);
    Ok(Some(thread))
}

/// Drains the engine, unless a second signal comes.
async fn drain(control: &Control, time: Duration, stops: &mut StopSignals) -> Option<StopSignal> {
    tokio::select! {
        report = control.drain(time) => {
            let report = report.unwrap_or_default();
            tracing::info!(closed = report.closed, cut = report.cut, "drained");
            None
        }
        again = stops.next() => {
            tracing::warn!("{} again: ending at once", again.name);
            Some(again)
        }
    }
}

/// Collects once a second, so that the shards' channels never fill, and keeps the certificates
/// fresh, until a signal comes.
async fn until_stopped(
    control: &Control,
    reloads: &ReloadThread,
    hangup: &mut Signal,
    stops: &mut StopSignals,
) -> StopSignal {
    let mut tick = interval(SNAPSHOT_INTERVAL);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            signal = stops.next() => return signal,
            _ = hangup.recv() => reloads.reload(),
            _ = tick.tick() => {
                control.tick().await;
                log::report_suppressed();
                reloads.check();
            }
        }
    }
}

/// Warns of settings that are valid and seldom intended.
fn log_warnings(settings: &Settings, config: &Config) {
    if config.is_exposed_without_tls() {
        tracing::warn!("host reaches beyond loopback and TLS is off: anybody on the way can read");
    }
    if settings.slo_p99.is_some() && config.metrics.is_empty() {
        tracing::warn!("slo_p99 is set and so is no_metrics: nothing counts what is within it");
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

/// A signal that ends the server.
struct StopSignal {
    name: &'static str,
    number: i32,
}

/// The signals that end the server.
struct StopSignals {
    interrupt: Signal,
    terminate: Signal,
}

impl StopSignals {
    fn new() -> std::io::Result<StopSignals> {
        let interrupt = signal(SignalKind::interrupt())?;
        Ok(StopSignals { interrupt, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) -> StopSignal {
        let (name, kind) = tokio::select! {
            _ = self.interrupt.recv() => ("SIGINT", SignalKind::interrupt()),
            _ = self.terminate.recv() => ("SIGTERM", SignalKind::terminate()),
        };
        StopSignal { name, number: kind.as_raw_value() }
    }
}
