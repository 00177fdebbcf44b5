//! From a configuration to a server that serves until it is told to stop.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};
use uringcast_engine::limits::SNAPSHOT_INTERVAL;
use uringcast_engine::{CanaryKey, Engine, Service, ServiceId, StartError};

use crate::canary::{Canaries, Dial, Health};
use crate::certs::{self, Keeper};
use crate::config::{Config, Home};
use crate::http::{self, Control};
use crate::log;
use crate::metrics::{Metrics, Named};
use crate::settings::{Problem, Problems, Settings};

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
    /// Something the operating system would not give.
    #[error("cannot start: {0}")]
    System(#[from] std::io::Error),
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Told to stop, and everybody was seen off or cut at the deadline.
    Drained,
    /// Told twice, the second time by this signal's number.
    Cut(i32),
}

/// Checks everything that can be checked without serving: what `check-config` does. What depends
/// on the process, such as its limit of open files, the engine checks when it starts.
///
/// # Errors
/// [`RunError`].
pub fn check(settings: &Settings, home: Home<'_>) -> Result<Config, RunError> {
    let config = Config::resolve(settings, home)?;
    if let Some(tls) = &config.tls {
        certs::check(tls)?;
    }
    Ok(config)
}

/// Serves until a signal.
///
/// # Errors
/// [`RunError`] when it cannot start.
pub fn serve(settings: &Settings, home: Home<'_>) -> Result<Ended, RunError> {
    let config = check(settings, home)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ended = runtime.block_on(serve_on(settings, config));
    // A drain that a second signal has cut short must not be waited for.
    runtime.shutdown_background();
    ended
}

async fn serve_on(settings: &Settings, mut config: Config) -> Result<Ended, RunError> {
    let mut stops = Stops::new()?;
    let mut hangup = signal(SignalKind::hangup())?;
    // These first: when one of them is taken, no client has been let in yet.
    let control_ports = bind(settings, "control_port", &config.control).await?;
    let metrics_ports = bind(settings, "metrics_port", &config.metrics).await?;
    let names = config.certificate_names();
    let mut keeper = config.tls.clone().map(|tls| Keeper::start(tls, names)).transpose()?;
    for service in &mut config.engine.services {
        service.tls = keeper.as_ref().map(Keeper::source);
    }
    if config.is_exposed_without_tls() {
        tracing::warn!("host reaches beyond loopback and TLS is off: anybody on the way can read");
    }
    let max_data = config.engine.services[0].max_message;
    let named = |service: &Service| Named { server: service.name.clone(), tls: keeper.is_some() };
    let services: Vec<Named> = config.engine.services.iter().map(named).collect();
    let name = &services[0].server;
    let key = CanaryKey::new(random());
    config.engine.canary = config.canary.map(|_| key);
    let proxies = config.engine.services[0].proxies.clone();
    let engine = Engine::start(config.engine)?;
    let has_metrics = !metrics_ports.is_empty();
    let metrics = has_metrics.then(|| {
        let metrics = Metrics::new(name, &services, engine.shards(), config.objective);
        match &keeper {
            Some(keeper) => metrics.with_certificates(name, keeper.status()),
            None => metrics,
        }
    });
    let line = listening(&engine, keeper.as_ref(), &control_ports, &metrics_ports)?;
    let canaries = config.canary.map(|period| {
        let health = Health::new(engine.shards());
        let dial = Dial::new(engine.local_addrs()[0], key, keeper.is_some());
        let dial = dial.among(proxies.clone());
        let canaries =
            Canaries::new(dial, engine.publisher(ServiceId(0)), metrics.clone(), health.clone());
        (tokio::spawn(canaries.run(period)), health)
    });
    let (canaries, health) = canaries.unzip();
    let control = Arc::new(Control::new(engine, metrics, health, max_data));

    let (stop, stopped) = watch::channel(false);
    let mut ports = tokio::task::JoinSet::new();
    for listener in control_ports {
        let router = http::control_router(Arc::clone(&control), config.api_key.clone());
        ports.spawn(http::serve(listener, router, stopped.clone()));
    }
    for listener in metrics_ports {
        ports.spawn(http::serve(listener, http::metrics_router(control.clone()), stopped.clone()));
    }
    tell(&line);

    let signal = until_stopped(&control, keeper.as_mut(), &mut hangup, &mut stops).await;
    canaries.inspect(|task| task.abort());
    let drain = config.drain;
    tracing::info!("{signal}: shutting down, clients have {} s", drain.as_secs_f64());
    tokio::select! {
        report = control.drain(drain) => {
            let report = report.unwrap_or_default();
            tracing::info!(closed = report.closed, cut = report.cut, "drained");
        }
        again = stops.next() => {
            tracing::warn!("{again} again: ending at once");
            return Ok(Ended::Cut(again.number()));
        }
    }
    let _ = stop.send(true);
    ports.join_all().await;
    Ok(Ended::Drained)
}

/// Collects once a second, so that the shards' channels never fill, and keeps the certificates
/// fresh, until a signal comes.
async fn until_stopped(
    control: &Control,
    mut keeper: Option<&mut Keeper>,
    hangup: &mut Signal,
    stops: &mut Stops,
) -> Stop {
    let mut tick = interval(SNAPSHOT_INTERVAL);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            signal = stops.next() => return signal,
            _ = hangup.recv() => match &mut keeper {
                Some(keeper) => keeper.reload(),
                None => tracing::info!("SIGHUP: there are no certificates to reload"),
            },
            _ = tick.tick() => {
                control.collect().await;
                log::report_suppressed();
                if let Some(keeper) = &mut keeper {
                    keeper.look();
                }
            }
        }
    }
}

/// A number that nobody can guess.
fn random() -> u128 {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).expect("the system has random numbers");
    u128::from_ne_bytes(bytes)
}

async fn bind(
    settings: &Settings,
    name: &str,
    addresses: &[SocketAddr],
) -> Result<Vec<TcpListener>, Problem> {
    let mut listeners = Vec::new();
    for address in addresses {
        listeners.push(TcpListener::bind(address).await.map_err(|error| {
            let (name, remedy) = match error.kind() {
                std::io::ErrorKind::AddrNotAvailable => {
                    let host = name.replace("port", "host");
                    (host, "Give an address of this machine.")
                }
                std::io::ErrorKind::PermissionDenied => {
                    (name.to_owned(), "Give a port above 1023, or allow CAP_NET_BIND_SERVICE.")
                }
                _ => (name.to_owned(), "Stop what listens there, or give another port."),
            };
            settings.problem(&name, format!("cannot listen on {address}: {error}"), remedy)
        })?);
    }
    Ok(listeners)
}

/// The one line that programs which start a server wait for.
fn listening(
    engine: &Engine,
    keeper: Option<&Keeper>,
    control: &[TcpListener],
    metrics: &[TcpListener],
) -> std::io::Result<String> {
    let scheme = if keeper.is_some() { "wss" } else { "ws" };
    let mut line = String::from("listening");
    for address in engine.local_addrs() {
        // Writing to a String cannot fail.
        let _ = write!(line, " {scheme}://{address}");
    }
    for (name, listeners) in [("control", control), ("metrics", metrics)] {
        for (i, listener) in listeners.iter().enumerate() {
            let name = if i == 0 { format!(" {name}") } else { String::new() };
            let _ = write!(line, "{name} http://{}", listener.local_addr()?);
        }
    }
    let served = keeper.and_then(|keeper| keeper.served().first());
    if let Some(served) = served.filter(|served| served.automatic) {
        let _ = write!(line, " cert {}", served.path.display());
    }
    Ok(line)
}

/// Nobody has to read standard output.
fn tell(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// A signal that ends the server.
#[derive(Clone, Copy, Debug)]
enum Stop {
    Interrupt,
    Terminate,
}

impl Stop {
    fn kind(self) -> SignalKind {
        match self {
            Stop::Interrupt => SignalKind::interrupt(),
            Stop::Terminate => SignalKind::terminate(),
        }
    }

    fn number(self) -> i32 {
        self.kind().as_raw_value()
    }
}

impl std::fmt::Display for Stop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Stop::Interrupt => "SIGINT",
            Stop::Terminate => "SIGTERM",
        })
    }
}

struct Stops {
    interrupt: Signal,
    terminate: Signal,
}

impl Stops {
    fn new() -> std::io::Result<Stops> {
        let of = |stop: Stop| signal(stop.kind());
        Ok(Stops { interrupt: of(Stop::Interrupt)?, terminate: of(Stop::Terminate)? })
    }

    async fn next(&mut self) -> Stop {
        tokio::select! {
            _ = self.interrupt.recv() => Stop::Interrupt,
            _ = self.terminate.recv() => Stop::Terminate,
        }
    }
}
