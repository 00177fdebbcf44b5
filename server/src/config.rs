//! What the settings mean together: addresses, TLS, keys, the engine's configuration.

mod tls;

use std::net::{IpAddr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::time::Duration;

pub use tls::{Clients, Files, Home, Identity, Tls};
use uringcast_engine as engine;

use crate::files;
use crate::limits::MIN_CANARY_INTERVAL;
use crate::settings::value::{Host, Secret, Value};
use crate::settings::{Problem, Problems, Settings};

/// A configuration without contradictions.
#[derive(Debug)]
pub struct Config {
    /// The engine's, without TLS: that needs the certificate read.
    pub engine: engine::Config,
    /// How wss is served, if it is.
    pub tls: Option<Tls>,
    /// Names a certificate of our own must be valid for, the common name first.
    pub names: Vec<String>,
    /// Where publishers connect.
    pub control: Vec<SocketAddr>,
    /// Where Prometheus connects; nowhere when there are no metrics.
    pub metrics: Vec<SocketAddr>,
    /// What publishers must send.
    pub api_key: Option<Secret>,
    /// Time for clients on shutdown.
    pub drain: Duration,
    /// Within what time 99 % of all deliveries should be made.
    pub objective: Option<Duration>,
    /// How often canaries probe; `None` without them.
    pub canary: Option<Duration>,
}

/// Collects problems with settings.
pub(super) struct Gather<'a> {
    settings: &'a Settings,
    problems: Vec<Problem>,
}

impl Gather<'_> {
    fn add(&mut self, name: &str, reason: impl Into<Box<str>>, remedy: &str) {
        self.problems.push(self.settings.problem(name, reason, remedy));
    }
}

impl Config {
    /// Compares the settings with each other.
    ///
    /// # Errors
    /// [`Problems`] with everything that contradicts something else.
    pub fn resolve(settings: &Settings, home: Home<'_>) -> Result<Config, Problems> {
        let mut gather = Gather { settings, problems: Vec::new() };
        let s = settings;
        let listen = addresses("host", &s.host, s.port, &mut gather);
        let control = addresses("control_host", [&s.control_host], s.control_port, &mut gather);
        let metrics = if s.no_metrics {
            Vec::new()
        } else {
            addresses("metrics_host", [&s.metrics_host], s.metrics_port, &mut gather)
        };
        let tls = tls::resolve(settings, home, &mut gather);
        let api_key = api_key(settings, &mut gather);
        check_ports(&listen, &control, &metrics, &mut gather);
        if control.iter().any(|address| !address.ip().is_loopback()) && api_key.is_none() {
            let remedy = "Set api_key_file, or listen on 127.0.0.1.";
            let reason = "would let anybody who can reach it publish";
            gather.add("control_host", reason, remedy);
        }
        if s.proxy_protocol && s.trusted_proxies.is_none() {
            let remedy = "Name the proxies' networks with trusted_proxies.";
            gather.add("proxy_protocol", "has nobody to take headers from", remedy);
        }
        let canary = canary(settings, tls.as_ref(), &mut gather);
        if !gather.problems.is_empty() {
            return Err(Problems(gather.problems));
        }
        Ok(Config {
            engine: engine_config(settings, listen),
            tls,
            names: s.host.iter().map(|host| canonical(&host.0)).collect(),
            control,
            metrics,
            api_key,
            drain: s.drain_timeout.0,
            canary,
            objective: s.slo_p99.map(|objective| objective.0),
        })
    }

    /// Whether clients outside this machine can reach a port that is not encrypted.
    pub fn is_exposed_without_tls(&self) -> bool {
        self.tls.is_none() && self.listen().any(|a| !a.ip().is_loopback())
    }

    /// Where clients connect.
    fn listen(&self) -> impl Iterator<Item = &SocketAddr> {
        self.engine.services.iter().flat_map(|service| &service.listen)
    }

    /// Every name and address that an automatic certificate must be valid for.
    pub fn certificate_names(&self) -> Vec<String> {
        let mut names = self.names.clone();
        names.extend(["localhost", "127.0.0.1", "::1"].map(String::from));
        names.extend(self.listen().map(|address| address.ip().to_string()));
        let mut seen = std::collections::HashSet::new();
        names.retain(|name| seen.insert(name.clone()));
        names
    }
}

/// An address as it is usually written, so that names can be compared as text.
fn canonical(host: &str) -> String {
    host.parse::<IpAddr>().map_or_else(|_| host.to_ascii_lowercase(), |ip| ip.to_string())
}

fn engine_config(s: &Settings, listen: Vec<SocketAddr>) -> engine::Config {
    let service = engine::Service {
        name: s.server_name.0.clone(),
        welcome: s.welcome_message.0.clone(),
        welcome_extra: Default::default(),
        listen,
        tls: None,
        proxies: proxies(s),
        max_connections: s.max_connections.0,
        max_message: s.max_message_size.0,
        message_rate: u32::try_from(s.message_rate.0).unwrap_or(u32::MAX),
        anonymous_publish: s.anonymous_publish,
        protocol: engine::Protocol::Envelope,
        correlation: s.correlation,
    };
    engine::Config {
        services: vec![service],
        shards: s.shards.map(|shards| shards.0),
        max_outbox: s.max_outbox.0,
        retention: engine::Retention {
            frames: s.log_frames.0,
            bytes: s.log_bytes.0,
            age: s.log_age.0,
            shard_bytes: s.shard_log_bytes.0,
        },
        keepalive: s.keepalive_interval.0,
        kernel_tls: s.ktls,
        typical_message: s.typical_message.0,
        metrics: !s.no_metrics,
        canary: None,
    }
}

fn proxies(s: &Settings) -> engine::Proxies {
    let trusted = s.trusted_proxies.iter().flatten().map(|network| network.0).collect();
    engine::Proxies { trusted, protocol: s.proxy_protocol }
}

fn addresses<'a>(
    setting: &str,
    hosts: impl IntoIterator<Item = &'a Host>,
    port: u16,
    gather: &mut Gather<'_>,
) -> Vec<SocketAddr> {
    let mut all = Vec::new();
    for host in hosts {
        let found = match host.0.parse::<IpAddr>() {
            Ok(ip) => vec![SocketAddr::new(ip, port)],
            Err(_) => named(&host.0, port),
        };
        if found.is_empty() {
            let reason = format!("the name {} stands for no address of this machine", host.0);
            gather.add(setting, reason, "Give an IP address, or a name that resolves to one.");
        }
        for address in found {
            if !all.contains(&address) {
                all.push(address);
            }
        }
    }
    all
}

/// What a name resolves to, without what this machine lacks: `localhost` often includes ::1 where
/// there is no IPv6.
fn named(name: &str, port: u16) -> Vec<SocketAddr> {
    let found = (name, port).to_socket_addrs().into_iter().flatten();
    found.filter(|address| UdpSocket::bind((address.ip(), 0)).is_ok()).collect()
}

fn check_ports(
    listen: &[SocketAddr],
    control: &[SocketAddr],
    metrics: &[SocketAddr],
    gather: &mut Gather<'_>,
) {
    let clash = |a: &[SocketAddr], b: &[SocketAddr]| {
        let any = |x: &SocketAddr, y: &SocketAddr| {
            x.ip() == y.ip() || x.ip().is_unspecified() || y.ip().is_unspecified()
        };
        a.iter().any(|x| b.iter().any(|y| x.port() != 0 && x.port() == y.port() && any(x, y)))
    };
    if clash(listen, control) {
        gather.add("control_port", "is the clients' port too", "Give the two different ports.");
    }
    if clash(listen, metrics) {
        gather.add("metrics_port", "is the clients' port too", "Give the two different ports.");
    }
    if clash(control, metrics) {
        gather.add("metrics_port", "is the control port too", "Give the two different ports.");
    }
}

/// A canary has no certificate of its own, so where one is demanded there is none.
fn canary(settings: &Settings, tls: Option<&Tls>, gather: &mut Gather<'_>) -> Option<Duration> {
    let interval = settings.canary_interval.0;
    if !interval.is_zero() && interval < MIN_CANARY_INTERVAL {
        gather.add("canary_interval", "is too short", "Give 100ms or more, or 0 for none.");
    }
    let demanding = tls.is_some_and(|tls| tls.clients.is_some());
    (!interval.is_zero() && !demanding).then_some(interval)
}

fn api_key(settings: &Settings, gather: &mut Gather<'_>) -> Option<Secret> {
    let Some(path) = &settings.api_key_file else { return settings.api_key.clone() };
    if settings.api_key.is_some() {
        gather.add("api_key_file", "contradicts api_key", "Take one of the two away.");
        return None;
    }
    let bytes = match files::read("api_key_file", path) {
        Ok(bytes) => bytes,
        Err(problem) => {
            gather.problems.push(problem);
            return None;
        }
    };
    match Secret::parse(String::from_utf8_lossy(&bytes).trim_end()) {
        Ok(key) => Some(key),
        Err(invalid) => {
            gather.add("api_key_file", format!("its key {}", invalid.reason), &invalid.remedy);
            None
        }
    }
}
