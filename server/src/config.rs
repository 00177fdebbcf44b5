//! What the settings mean together: addresses, TLS, keys, the engine's configuration.

mod access_control;
mod cluster_settings;
mod listener_tls;
mod ports;
mod service_classes;

use std::net::{IpAddr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

pub use access_control::shared_secret;
pub use listener_tls::{Clients, Files, Identity, Tls, state_dir};
use serde_json::{Map, Value};
use uringcast_engine::{self as engine, Origins, ServiceId};

use crate::adapters::session_buddy::SessionBuddy;
use crate::auth::revocations::Revocations;
use crate::auth::{ApiKeys, Verifiers};
use crate::cluster::cluster_config::ClusterConfig;
use crate::limits::MIN_CANARY_INTERVAL;
use crate::presets::{Preset, PresetProtocol};
use crate::settings::value::{Host, is_plain};
use crate::settings::{Problem, Problems, Settings};

/// What a service's name may have beside letters and digits to be a part of a path, and of the line
/// with the server's addresses.
pub(crate) const PATH_CHARACTERS: &[u8] = b"._-";

/// A configuration without contradictions.
#[derive(Debug)]
pub struct Config {
    /// The engine's, without TLS: that needs the certificates read.
    pub engine: engine::Config,
    /// How wss is served, if it is, by service.
    pub tls: Vec<Option<Tls>>,
    /// Where publishers connect.
    pub control: Vec<SocketAddr>,
    /// Where Prometheus connects; nowhere when there are no metrics.
    pub metrics: Vec<MetricsEndpoint>,
    /// What publishers must send.
    pub api_keys: ApiKeys,
    /// What clients' tokens are verified with, by service.
    pub verifiers: Verifiers,
    /// How this node takes part in its cluster, if there is one.
    pub cluster: Option<ClusterConfig>,
    /// Which service canaries probe and how often; `None` without them.
    pub self_probe: Option<(ServiceId, Duration)>,
}

/// A metrics port and the services that it shows: services with the same address share it.
#[derive(Debug, PartialEq, Eq)]
pub struct MetricsEndpoint {
    /// Where.
    pub addresses: Vec<SocketAddr>,
    /// The services, by their places.
    pub services: Vec<ServiceId>,
}

/// Collects problems with settings.
pub(super) struct ProblemCollector<'a> {
    settings: &'a Settings,
    problems: Vec<Problem>,
}

impl ProblemCollector<'_> {
    fn add(&mut self, name: &str, reason: impl Into<Box<str>>, remedy: &str) {
        self.problems.push(self.settings.problem(name, reason, remedy));
    }

    /// The value, if there is one; else its problem is collected.
    fn keep<T>(&mut self, result: Result<T, Problem>) -> Option<T> {
        result.map_err(|problem| self.problems.push(problem)).ok()
    }
}

impl Config {
    /// Compares the settings with each other. `state` is where the program keeps its state.
    ///
    /// # Errors
    /// [`Problems`] with everything that contradicts something else.
    pub fn resolve(settings: &Settings, state: Option<&Path>) -> Result<Config, Problems> {
        let mut faults = ProblemCollector { settings, problems: Vec::new() };
        let control =
            addresses("control_host", [&settings.control_host], settings.control_port, &mut faults);
        let api_keys = access_control::api_keys(settings, &mut faults);
        if control.iter().any(|address| !address.ip().is_loopback()) && api_keys.is_empty() {
            let remedy = "Set api_key_file, or listen on 127.0.0.1.";
            let reason = "would let anybody who can reach it publish";
            faults.add("control_host", reason, remedy);
        }
        let mut problems = faults.problems;
        let is_fleet = settings.services().len() > 1;
        let (mut services, mut tls, mut metrics) = (Vec::new(), Vec::new(), Vec::new());
        let mut verifiers = Vec::new();
        for (place, settings) in settings.services().iter().enumerate() {
            let mut faults = ProblemCollector { settings, problems: Vec::new() };
            let listen = addresses("host", &settings.host, settings.port, &mut faults);
            tls.push(listener_tls::resolve(settings, &listen, state, &mut faults));
            // Behind a proxy clients may be on other machines, wherever the proxy is.
            let exposed = listen.iter().any(|address| !address.ip().is_loopback())
                || settings.trusted_proxies.as_ref().is_some_and(|networks| !networks.is_empty());
            verifiers.push(access_control::verifier(settings, exposed, &mut faults));
            if !settings.no_metrics {
                add_to_endpoint(ServiceId(place as u8), &mut metrics, &mut faults);
            }
            if is_fleet && !is_plain(&settings.server_name.0, PATH_CHARACTERS) {
                let remedy = "Use letters, digits, dots, dashes and underscores.";
                faults.add("server_name", "cannot stand in a path", remedy);
            }
            if settings.proxy_protocol && settings.trusted_proxies.is_none() {
                let remedy = "Name the proxies' networks with trusted_proxies.";
                faults.add("proxy_protocol", "has nobody to take headers from", remedy);
            }
            if settings.reconnect_max.0 < settings.reconnect_base.0 {
                let remedy = "Give as much as reconnect_base, or more.";
                faults.add("reconnect_max", "is shorter than reconnect_base", remedy);
            }
            let (access, classes) = service_classes::resolve(settings, &mut faults);
            services.push(engine::Service { access, classes, ..service(settings, listen) });
            ports::check(&services, &control, &metrics, &mut faults);
            // A problem of all services is reported once.
            faults.problems.retain(|problem| !problems.contains(problem));
            problems.extend(faults.problems);
        }
        let mut faults = ProblemCollector { settings, problems: Vec::new() };
        let names = services.iter().map(|service| service.name.clone()).collect();
        let revoked = Revocations::read(settings.revocations_file.clone(), names);
        let revocations = faults.keep(revoked).unwrap_or_default();
        let self_probe = self_probe(&services, &tls, &mut faults);
        let cluster = cluster_settings::resolve(settings, &mut faults);
        problems.extend(faults.problems);
        if !problems.is_empty() {
            return Err(Problems(problems));
        }
        Ok(Config {
            engine: engine_config(settings, services),
            tls,
            control,
            metrics,
            api_keys,
            verifiers: Verifiers::new(verifiers, revocations),
            cluster,
            self_probe,
        })
    }

    /// Lets pages that this host serves on one of these ports connect to the services that name no
    /// origins: the dashboard is a page of the control port.
    pub fn admit_pages_of(&mut self, ports: &[u16]) {
        for service in &mut self.engine.services {
            if let Origins::SameHost(known) = &mut service.access.origins {
                known.extend(ports);
            }
        }
    }

    /// Whether clients outside this machine can reach a port that is not encrypted.
    pub fn is_exposed_without_tls(&self) -> bool {
        let exposed = |listen: &[SocketAddr]| listen.iter().any(|a| !a.ip().is_loopback());
        let mut both = self.tls.iter().zip(&self.engine.services);
        both.any(|(tls, service)| tls.is_none() && exposed(&service.listen))
    }
}

/// Adds a service to the metrics port that it names.
fn add_to_endpoint(
    service: ServiceId,
    all: &mut Vec<MetricsEndpoint>,
    faults: &mut ProblemCollector<'_>,
) {
    let s = faults.settings;
    let addresses = addresses("metrics_host", [&s.metrics_host], s.metrics_port, faults);
    match all.iter_mut().find(|endpoint| endpoint.addresses == addresses) {
        Some(endpoint) => endpoint.services.push(service),
        None => all.push(MetricsEndpoint { addresses, services: vec![service] }),
    }
}

fn service(s: &Settings, listen: Vec<SocketAddr>) -> engine::Service {
    let preset = s.preset;
    engine::Service {
        name: s.server_name.0.clone(),
        welcome: s.welcome_message.0.clone(),
        welcome_extra: preset.map(|preset| welcome_extra(preset, s)).unwrap_or_default(),
        reconnect: engine::Reconnect { base: s.reconnect_base.0, max: s.reconnect_max.0 },
        listen,
        tls: None,
        proxies: engine::Proxies {
            trusted: s.trusted_proxies.iter().flatten().map(|network| network.0).collect(),
            protocol: s.proxy_protocol,
        },
        max_connections: s.max_connections.0,
        max_message: s.max_message_size.0,
        max_json_depth: s.max_json_depth.0,
        message_rate: u32::try_from(s.message_rate.0).unwrap_or(u32::MAX),
        anonymous_publish: s.anonymous_publish,
        protocol: match preset.map(|preset| preset.protocol) {
            Some(PresetProtocol::Metrics) => engine::Protocol::Custom(Arc::new(SessionBuddy)),
            _ => engine::Protocol::Envelope,
        },
        correlation: s.correlation,
        requests: preset.map(|preset| preset.requests()).unwrap_or_default(),
        close_codes: s.close_codes,
        subprotocols: s.subprotocol.iter().flatten().map(|name| name.0.clone()).collect(),
        ..engine::Service::default()
    }
}

/// The further keys that a preset adds to the welcome message, with the settings that they repeat.
fn welcome_extra(preset: &Preset, s: &Settings) -> Map<String, Value> {
    let value = |name: &str| serde_json::from_str(&s.toml(name)?).ok();
    let keys = preset.welcome.iter();
    keys.filter_map(|(key, name)| Some((key.clone(), value(name)?))).collect()
}

fn engine_config(s: &Settings, services: Vec<engine::Service>) -> engine::Config {
    engine::Config {
        services,
        shards: s.shards.map(|shards| shards.0),
        max_channels: s.shard_channels.0,
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
        probe: None,
        inherited: Vec::new(),
        ends: None,
        external_order: None,
    }
}

fn addresses<'a>(
    setting: &str,
    hosts: impl IntoIterator<Item = &'a Host>,
    port: u16,
    faults: &mut ProblemCollector<'_>,
) -> Vec<SocketAddr> {
    let mut all = Vec::new();
    for host in hosts {
        let found = match host.0.parse::<IpAddr>() {
            Ok(ip) => vec![SocketAddr::new(ip, port)],
            Err(_) => lookup(&host.0, port),
        };
        if found.is_empty() {
            let reason = format!("the name {} stands for no address of this machine", host.0);
            faults.add(setting, reason, "Give an IP address, or a name that resolves to one.");
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
fn lookup(name: &str, port: u16) -> Vec<SocketAddr> {
    let found = (name, port).to_socket_addrs().into_iter().flatten();
    found.filter(|address| UdpSocket::bind((address.ip(), 0)).is_ok()).collect()
}

/// Which service canaries probe, and how often: the first with a protocol that they implement. A
/// canary has no certificate, so a service that demands one is not probed.
fn self_probe(
    services: &[engine::Service],
    tls: &[Option<Tls>],
    faults: &mut ProblemCollector<'_>,
) -> Option<(ServiceId, Duration)> {
    let interval = faults.settings.canary_interval.0;
    if !interval.is_zero() && interval < MIN_CANARY_INTERVAL {
        faults.add("canary_interval", "is too short", "Give 100ms or more, or 0 for none.");
    }
    let place = services.iter().zip(tls).position(|(service, tls)| {
        let demanding = tls.as_ref().is_some_and(|tls| tls.clients.is_some());
        matches!(service.protocol, engine::Protocol::Envelope) && !demanding
    })?;
    (!interval.is_zero()).then_some((ServiceId(place as u8), interval))
}
