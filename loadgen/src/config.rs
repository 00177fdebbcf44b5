//! The command line resolved: checked, looked up, ready to run.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::Path;

use http::Uri;
use rustls::pki_types::ServerName;
use uringcast_loadgen::process;
use uringcast_loadgen::transport::{Endpoint, Tls};

use crate::args::{Args, Publish};
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
    pub(crate) args: Args,
    pub(crate) endpoint: Endpoint,
    /// The server's control port, for publishing over HTTP.
    pub(crate) control: Option<Endpoint>,
    pub(crate) schedule: Schedule,
    pub(crate) threads: u32,
    /// How many loopback addresses to connect from; `None`: the kernel chooses.
    pub(crate) sources: Option<u32>,
    /// Names this run's messages: 8 hexadecimal digits.
    pub(crate) run: String,
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
            (Publish::Http, Some(url)) => {
                Some(self::endpoint("--control-url", url, &["http"], None, false)?)
            }
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
        let cores = std::thread::available_parallelism().map_or(1, usize::from) as u32;
        Ok(Self {
            sources: sources(args, endpoint.address)?,
            endpoint,
            control,
            schedule: Schedule { length: args.warmup + args.duration, ..args.schedule },
            threads: args.threads.unwrap_or(cores).min(args.connections),
            run: format!("{:08x}", fastrand::u32(..)),
            args: args.clone(),
        })
    }

    /// The channel of the `index`-th connection.
    pub(crate) fn channel(&self, index: u32) -> Channel {
        Channel(index % self.schedule.channels)
    }

    /// The connections of the `thread`-th worker.
    pub(crate) fn share(&self, thread: u32) -> std::ops::Range<u32> {
        let at = |thread: u32| {
            (u64::from(self.args.connections) * u64::from(thread) / u64::from(self.threads)) as u32
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
        let needed = u64::from(self.args.connections) + overhead;
        let reached = process::raise_file_limit()
            .map_err(|error| OperatorError(format!("the limit of open files: {error}")))?;
        if reached >= needed {
            return Ok(());
        }
        Err(OperatorError(format!(
            "--connections {}: this needs {needed} open files, the limit is {reached}; raise the \
             hard limit (`ulimit -Hn`, LimitNOFILE=), use --connections {} at most, or run \
             several loadgens",
            self.args.connections,
            reached.saturating_sub(overhead)
        )))
    }
}

fn sources(args: &Args, address: SocketAddr) -> Result<Option<u32>, OperatorError> {
    let loopback = address.is_ipv4() && address.ip().is_loopback();
    if let Some(count) = args.source_addresses
        && !loopback
    {
        return Err(OperatorError(format!(
            "--source-addresses {count}: only for a server on 127.0.0.1, this one is {address}"
        )));
    }
    let spread = loopback && args.connections > CONNECTIONS_PER_SOURCE;
    let needed = || args.connections.div_ceil(CONNECTIONS_PER_SOURCE).min(250);
    Ok(args.source_addresses.or_else(|| spread.then(needed)))
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
mod tests;
