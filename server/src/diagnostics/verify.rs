//! `verify`: checks a running server as a client, a publisher and Prometheus would, and names a
//! remedy for each fault.

mod cluster_state;
mod configured;
mod environment;
mod http_probe;
mod metrics_probe;
mod same_host;
mod session_probe;

use std::convert::Infallible;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Parser};
use uringcast_engine::Proxies;
use uringcast_engine::limits::DEFAULT_MAX_CONNECTIONS;

use crate::cluster::cluster_config::ClusterConfig;
use crate::diagnostics::check_report::{Finding, Kind, Outcome, Report, kind, note};
use crate::diagnostics::client::connect::{ServerConnector, Target, Trust, bracketed};
use crate::diagnostics::client::credentials::Token;
use crate::diagnostics::cluster_checks;
use crate::diagnostics::doctor::{io_uring, kernel_tls};
use crate::limits::{DEFAULT_CONTROL_PORT, DEFAULT_METRICS_PORT, DEFAULT_PORT, VERIFY_TIMEOUT};
use crate::settings::value::{CertKey, Secret};
use crate::settings::{Setting, TABLE};

/// The flags of `verify`.
#[derive(Clone, Debug, Parser)]
#[command(name = "uringcast-server verify", version, max_term_width = 100)]
#[command(about = "Checks a running server from outside, and says what to mend")]
#[command(after_help = "Exit code: 0 healthy, 1 degraded, 2 down (or not understood).")]
#[command(group = ArgGroup::new("wss").args(["tls", "config"]).multiple(true))]
pub struct Options {
    /// The server's configuration file: ports, TLS, keys and limits are taken from it, as far as
    /// no flag gives them, and each of its services is checked
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Name or address of the server, as clients write it
    #[arg(long, value_name = "HOST", default_value = "127.0.0.1", value_parser = unbracketed)]
    pub host: String,
    /// Port for clients
    #[arg(long, value_name = "PORT", default_value_t = DEFAULT_PORT)]
    pub port: u16,
    /// Port for publishers [default: 8766, if the server is on this machine]
    #[arg(long, value_name = "PORT")]
    pub control_port: Option<u16>,
    /// Port for Prometheus [default: 9464, if the server is on this machine]
    #[arg(long, value_name = "PORT")]
    pub metrics_port: Option<u16>,
    /// The server is meant to have no metrics
    #[arg(long, conflicts_with = "metrics_port")]
    pub no_metrics: bool,
    /// Clients connect by wss
    #[arg(long)]
    pub tls: bool,
    /// Authorities, or the server's own certificate, to trust instead of the system's (PEM)
    #[arg(long, value_name = "FILE", requires = "wss")]
    pub ca_file: Option<PathBuf>,
    /// The server's private key on this machine, to check which users may read it
    #[arg(long, value_name = "FILE")]
    pub key_file: Option<PathBuf>,
    /// A client's certificate and its chain, where the server demands one (PEM)
    #[arg(long, value_name = "FILE", requires = "wss", requires = "client_key_file")]
    pub client_cert_file: Option<PathBuf>,
    /// The private key of that certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "client_cert_file")]
    pub client_key_file: Option<PathBuf>,
    /// A client's token (JWT); "@FILE" reads it from a file
    #[arg(long, value_name = "TOKEN")]
    pub token: Option<Token>,
    /// A publisher's key, to publish the probe over the control port
    #[arg(long, value_name = "FILE")]
    pub api_key_file: Option<PathBuf>,
    /// The proxies of the configuration file, one of which this machine may be.
    #[arg(skip)]
    pub proxies: Proxies,
    /// The key of the configuration file.
    #[arg(skip)]
    pub api_key: Option<Secret>,
    /// The channel of the probe; without it one of its own, verify:ID
    #[arg(long, value_name = "CHANNEL")]
    pub channel: Option<String>,
    /// Connections the server is meant to carry: its max-connections
    #[arg(long, value_name = "N", default_value_t = DEFAULT_MAX_CONNECTIONS as u32,
          value_parser = clap::value_parser!(u32).range(1..))]
    pub max_connections: u32,
    /// Seconds that each step may take
    #[arg(long, value_name = "SECONDS", default_value_t = VERIFY_TIMEOUT.as_secs(),
          value_parser = clap::value_parser!(u64).range(1..=300))]
    pub timeout: u64,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// The cluster of the configuration file.
    #[arg(skip)]
    pub cluster: Option<ClusterConfig>,
}

impl Options {
    /// The clients' port.
    fn target(&self) -> Target {
        let own = self.client_cert_file.clone().zip(self.client_key_file.clone());
        let own = own.map(|(cert, key)| CertKey { cert, key });
        let trust = Trust { ca_file: self.ca_file.clone(), own, any: false };
        let tls = self.tls.then_some(trust);
        let (host, timeout) = (self.host.clone(), Duration::from_secs(self.timeout));
        Target { host, port: self.port, tls, proxies: self.proxies.clone(), timeout }
    }
}

/// An IPv6 address without the brackets that URLs have around it.
fn unbracketed(host: &str) -> Result<String, Infallible> {
    let inner = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    Ok(inner.unwrap_or(host).to_owned())
}

/// The checks there are, in order.
pub const CHECKS: &[Kind] = &[
    kind("connect", true, "Clients' port takes a TCP connection."),
    kind("tls", true, "With --tls: a handshake with TLS 1.2 or 1.3, as who the server lets in."),
    kind("certificate", true, "Trusted, for this host's name, and for 30 days more."),
    kind("health", true, "GET /health on the clients' port."),
    kind("ready", true, "GET /ready on the clients' port and on the control port."),
    kind("welcome", true, "A WebSocket upgrade, and the message that says a session began."),
    kind("broadcast", true, "A probe published is received; of session-buddy, an update."),
    kind("control", false, "The control port answers."),
    kind("metrics", false, "The metrics port has the family's eight metrics, and counts us."),
    kind("limits", false, "Open files and connections are far from their limits."),
    kind("io_uring", false, "This machine makes rings, where the server is on it."),
    kind("kernel_tls", false, "The kernel takes over TLS, where the server is here; optional."),
    kind("cluster", false, "With a cluster: the node takes publications, and misses nothing."),
    cluster_checks::SERVERS,
    cluster_checks::JETSTREAM,
    cluster_checks::STREAMS,
    cluster_checks::REPLICAS,
    cluster_checks::FSYNC,
    kind("key_file", false, "Nobody but its owner may read the private key."),
    kind("environment", false, "No unknown URINGCAST_ variable, no proxy on the way."),
];

/// What the checks share.
struct Verifier {
    options: Options,
    connector: ServerConnector,
    /// Whether the server is on this machine.
    local: bool,
    /// The control port; `None` where it is not given and the server is on another machine: by
    /// default it listens on loopback only.
    control: Option<SocketAddr>,
    /// The metrics port, likewise.
    metrics: Option<SocketAddr>,
}

/// What a client received, which the server's metrics must count.
#[derive(Default)]
struct ClientView {
    /// A session began.
    welcomed: bool,
    /// The service's name in it; session-buddy's protocol has none.
    service: Option<String>,
    /// A broadcast was received.
    probed: bool,
}

/// Makes all checks. `environment` is the process's, or a test's.
pub async fn examine(options: Options, environment: Vec<(OsString, OsString)>) -> Report {
    let scheme = if options.tls { "wss" } else { "ws" };
    let host = bracketed(&options.host);
    let subject = format!("{scheme}://{host}:{}", options.port);
    let mut report = Report::new(subject, CHECKS);
    let known: Vec<String> = TABLE.iter().map(Setting::variable).collect();
    let misleading = environment::misleading(&environment, &options.host, &known);
    let key_file = same_host::key_file(options.key_file.as_deref());
    match Verifier::new(options).await {
        Err(finding) => {
            report.add("connect", Err(finding));
        }
        Ok((verifier, connected)) => verifier.examine(connected, &mut report).await,
    }
    report.add("key_file", key_file);
    report.add("environment", misleading);
    report
}

impl Verifier {
    /// Resolves the server's address, and checks whether it accepts connections.
    async fn new(options: Options) -> Result<(Verifier, Outcome), Finding> {
        let (connector, connected) = ServerConnector::open(&options.target()).await?;
        let local = connector.is_local();
        let control = connector.locate(options.control_port, DEFAULT_CONTROL_PORT).await;
        let metrics = connector.locate(options.metrics_port, DEFAULT_METRICS_PORT).await;
        Ok((Verifier { options, connector, local, control, metrics }, connected))
    }

    async fn examine(&self, connected: Outcome, report: &mut Report) {
        let connected = report.add("connect", connected);
        let before = self.metrics_page().await;
        let view = self.clients(connected, report).await;
        report.add("control", self.control_answers().await);
        let (found, page) = self.metrics_present(&view, before.as_ref()).await;
        report.add("metrics", found);
        report.add("limits", same_host::limits(self, page.as_ref()));
        report.add("io_uring", self.local_check(|| io_uring(1, 1)));
        report.add("kernel_tls", self.local_check(kernel_tls));
        if let Some(cluster) = &self.options.cluster {
            report.add("cluster", cluster_state::node(page.as_ref()));
            cluster_checks::examine(cluster, report).await;
        }
    }

    /// What clients see, if there is anything to see.
    async fn clients(&self, mut connected: bool, report: &mut Report) -> ClientView {
        let unchecked = || note("not checked: no connection", "");
        if self.options.tls {
            let (handshake, certificate) = match connected {
                true => self.connector.check_handshake().await,
                false => (unchecked(), unchecked()),
            };
            connected &= report.add("tls", handshake);
            report.add("certificate", certificate);
        } else {
            report.add("tls", note("not asked for", "Give --tls if clients connect by wss."));
        }
        report.add("health", if connected { self.health().await } else { unchecked() });
        report.add("ready", self.ready(connected).await);
        if !connected {
            report.add("welcome", unchecked());
            report.add("broadcast", unchecked());
            return ClientView::default();
        }
        let (view, welcome, broadcast) = match self.welcome().await {
            Ok((session, found)) => {
                let service = session.service.clone();
                let broadcast = self.broadcast(session).await;
                let probed = broadcast.is_ok();
                (ClientView { welcomed: true, service, probed }, Ok(found), broadcast)
            }
            Err(finding) => {
                (ClientView::default(), Err(finding), note("not checked: no session", ""))
            }
        };
        report.add("welcome", welcome);
        report.add("broadcast", broadcast);
        view
    }

    /// A check of this machine, if the server is on it. One ring of the size that one shard of many
    /// has is enough to see that it is allowed.
    fn local_check(&self, check: impl Fn() -> Outcome) -> Outcome {
        if !self.local {
            return note("the server is elsewhere", "Run uringcast-server doctor there.");
        }
        // A running server has its rings: the failure concerns only this process.
        check().map_err(Finding::at_most_a_warning)
    }
}
