//! The command line resolved: checked, looked up, ready to run.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::Path;
use std::time::Duration;

use http::Uri;
use rustls::pki_types::ServerName;
use uringcast_loadgen::process;
use uringcast_loadgen::transport::{Endpoint, Tls};

use crate::args::{Args, Cpus, Publish};
use crate::error::OperatorError;
use crate::payload_stamp::MIN_PAYLOAD;
use crate::schedule::{Channel, Schedule};
use crate::tls;

/// The largest data document: far above the server's own limit of 1 MiB by default.
const MAX_PAYLOAD: usize = 64 << 20;

/// One address pair has about 28,000 ports, and connecting slows down long before the last.
const CONNECTIONS_PER_SOURCE: u32 = 8_000;

/// Descriptors beside the connections: standard streams, epoll and waker per thread, a child.
const OTHER_DESCRIPTORS: u64 = 64;

/// What one run needs.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    pub(crate) endpoint: Endpoint,
    pub(crate) control: Option<Control>,
    pub(crate) schedule: Schedule,
    pub(crate) connections: u32,
    pub(crate) payload: usize,
    pub(crate) warmup: Duration,
    pub(crate) duration: Duration,
    pub(crate) threads: u32,
    /// New connections a second.
    pub(crate) ramp: f64,
    /// How many loopback addresses to connect from; `None`: the kernel chooses.
    pub(crate) sources: Option<u32>,
    pub(crate) pin: Option<Cpus>,
    /// Names this run's messages: 8 hexadecimal digits.
    pub(crate) run: String,
}

/// The server's control port.
#[derive(Debug, Clone)]
pub(crate) struct Control {
    pub(crate) endpoint: Endpoint,
    pub(crate) api_key: Option<String>,
}

impl Config {
    /// For the server at `url`, whose certificate `ca_file` verifies if it is wss, and its
    /// control port, if it is to be used.
    ///
    /// # Errors
    /// Names the flag, its value and the remedy.
    pub(crate) fn resolve(
        args: &Args,
        url: &str,
        ca_file: Option<&Path>,
        control_url: Option<&str>,
    ) -> Result<Self, OperatorError> {
        if !(MIN_PAYLOAD..=MAX_PAYLOAD).contains(&args.payload) {
            return Err(OperatorError(format!(
                "--payload {}: the document needs {MIN_PAYLOAD} bytes for its marker, and at most \
                 {MAX_PAYLOAD}",
                args.payload
            )));
        }
        let endpoint = endpoint("--url", url, &["ws", "wss"], ca_file, args.insecure)?;
        let control = match (args.publish, control_url) {
            (Publish::Ws, _) => None,
            (Publish::Http, Some(url)) => Some(Control {
                endpoint: self::endpoint("--control-url", url, &["http"], None, false)?,
                api_key: args.api_key.clone(),
            }),
            (Publish::Http, None) => {
                let remedy = "give the server's control port, e.g. http://127.0.0.1:8766";
                return Err(OperatorError(format!("--publish http needs --control-url: {remedy}")));
            }
        };
        if let Some(cpus) = args.pin.clone() {
            // Tried on a thread of its own, so that this one stays free.
            let tried = std::thread::spawn(move || process::pin(&cpus.0)).join();
            if !matches!(tried, Ok(Ok(()))) {
                let remedy = "name CPUs this process may use (`taskset -p $$` shows them)";
                return Err(OperatorError(format!("--pin: none of these can be used; {remedy}")));
            }
        }
        let warmup = Duration::from_secs_f64(args.warmup);
        let duration = Duration::from_secs_f64(args.duration);
        let cores = std::thread::available_parallelism().map_or(1, usize::from) as u32;
        let schedule = Schedule {
            rate: args.rate,
            length: warmup + duration,
            publishers: args.publishers,
            channels: args.channels,
            arrivals: args.arrivals,
            seed: args.seed,
        };
        Ok(Self {
            sources: sources(args, endpoint.address)?,
            endpoint,
            control,
            schedule,
            connections: args.connections,
            payload: args.payload,
            warmup,
            duration,
            threads: args.threads.unwrap_or(cores).min(args.connections),
            ramp: args.ramp,
            pin: args.pin.clone(),
            run: format!("{:08x}", fastrand::u32(..)),
        })
    }

    /// The channel of the `index`-th connection.
    pub(crate) fn channel(&self, index: u32) -> Channel {
        Channel(index % self.schedule.channels)
    }

    /// The connections of the `thread`-th worker.
    pub(crate) fn share(&self, thread: u32) -> std::ops::Range<u32> {
        let at = |thread: u32| {
            (u64::from(self.connections) * u64::from(thread) / u64::from(self.threads)) as u32
        };
        at(thread)..at(thread + 1)
    }

    /// Raises the limit of open files and checks it.
    ///
    /// # Errors
    /// When it is not enough for the connections.
    pub(crate) fn check_file_limit(&self) -> Result<(), OperatorError> {
        let overhead =
            OTHER_DESCRIPTORS + u64::from(self.schedule.publishers) + 3 * u64::from(self.threads);
        let needed = u64::from(self.connections) + overhead;
        let reached = process::raise_file_limit()
            .map_err(|error| OperatorError(format!("the limit of open files: {error}")))?;
        if reached >= needed {
            return Ok(());
        }
        Err(OperatorError(format!(
            "--connections {}: this needs {needed} open files, the limit is {reached}; raise the \
             hard limit (`ulimit -Hn`, LimitNOFILE=), use --connections {} at most, or run \
             several loadgens",
            self.connections,
            reached.saturating_sub(overhead)
        )))
    }
}

fn sources(args: &Args, address: SocketAddr) -> Result<Option<u32>, OperatorError> {
    let loopback = address.is_ipv4() && address.ip().is_loopback();
    match args.source_addresses {
        Some(count) if !loopback => Err(OperatorError(format!(
            "--source-addresses {count}: only for a server on 127.0.0.1, this one is {address}"
        ))),
        Some(count) => Ok(Some(count)),
        None if loopback && args.connections > CONNECTIONS_PER_SOURCE => {
            Ok(Some(args.connections.div_ceil(CONNECTIONS_PER_SOURCE).min(250)))
        }
        None => Ok(None),
    }
}

fn endpoint(
    flag: &str,
    url: &str,
    schemes: &[&str],
    ca_file: Option<&Path>,
    insecure: bool,
) -> Result<Endpoint, OperatorError> {
    let bad = |what: &str| OperatorError(format!("{flag} {url}: {what}"));
    let uri: Uri = url.parse().map_err(|error| bad(&format!("not a URL: {error}")))?;
    let scheme = uri.scheme_str().unwrap_or_default();
    if !schemes.contains(&scheme) {
        return Err(bad(&format!("must begin with {}://", schemes.join(":// or "))));
    }
    let secure = scheme == "wss";
    let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(|| bad("has no host"))?;
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
    let addresses: Vec<SocketAddr> = (bare, port)
        .to_socket_addrs()
        .map_err(|error| bad(&format!("cannot look up {bare}: {error}")))?
        .collect();
    // `localhost` is both; servers listen on 127.0.0.1 by default.
    let ipv4 = addresses.iter().find(|address| address.is_ipv4());
    let address =
        *ipv4.or(addresses.first()).ok_or_else(|| bad(&format!("{bare} has no address")))?;
    let tls = if secure {
        let server = ServerName::try_from(bare.to_owned())
            .map_err(|_| bad(&format!("{bare} cannot be the name in a certificate")))?;
        Some(Tls { config: tls::config(ca_file, insecure)?, server })
    } else {
        None
    };
    let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
    Ok(Endpoint { url: url.to_owned(), address, host: format!("{host}:{port}"), path, tls })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    fn load(args: &[&str]) -> Result<Config, OperatorError> {
        let args = Args::parse_from([&["loadgen", "--url", "ws://127.0.0.1:1"], args].concat());
        Config::resolve(&args, "ws://127.0.0.1:1/?token=x", None, args.control_url.as_deref())
    }

    #[test]
    fn every_connection_belongs_to_exactly_one_thread() {
        let config = load(&["--connections", "1003", "--threads", "7"]).unwrap();
        let all: Vec<u32> = (0..7).flat_map(|thread| config.share(thread)).collect();
        assert_eq!(all, (0..1003).collect::<Vec<_>>());
    }

    #[test]
    fn many_loopback_connections_are_spread_over_addresses() {
        assert_eq!(load(&["--connections", "8000"]).unwrap().sources, None);
        assert_eq!(load(&["--connections", "8001"]).unwrap().sources, Some(2));
        assert_eq!(load(&["--source-addresses", "3"]).unwrap().sources, Some(3));
    }

    #[test]
    fn a_bad_flag_is_named_with_its_remedy() {
        let message = |args: &[&str]| load(args).unwrap_err().0;
        assert!(message(&["--payload", "63"]).contains("--payload 63"));
        assert!(message(&["--publish", "http"]).contains("--control-url"));
        let args = Args::parse_from(["loadgen", "--self-host"]);
        for url in ["http://x", "127.0.0.1:1", "ws://", "::"] {
            let error = Config::resolve(&args, url, None, None).unwrap_err().0;
            assert!(error.contains(&format!("--url {url}")), "{error}");
        }
        let path = load(&[]).unwrap().endpoint.path;
        assert_eq!(path, "/?token=x");
    }

    #[test]
    fn too_many_connections_are_refused_before_the_first() {
        let config = load(&["--connections", "4000000000", "--source-addresses", "1"]).unwrap();
        let error = config.check_file_limit().unwrap_err().0;
        assert!(error.contains("--connections 4000000000") && error.contains("limit"), "{error}");
    }
}
