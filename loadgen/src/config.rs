//! The command line resolved: checked, looked up, ready to run.

use std::borrow::Cow;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use crate::process;
use crate::transport::{Endpoint, Tls};
use rustls::pki_types::ServerName;
use serde::{Deserialize, Serialize};

use crate::advice::Given;
use crate::args::Args;
use crate::channel_name::ChannelName;
use crate::dialect::Dialect;
use crate::dialect_session::DialectSession;
use crate::error::OperatorError;
use crate::load_plan::LoadPlan;
use crate::plan_input::Publish;
use crate::schedule::MessageId;
use crate::schedule::{Channel, PublisherId};
use crate::server_url::{CONTROL, Schemes, ServerUrl, WEBSOCKET, masked};
use crate::source_addresses::SourceAddresses;
use crate::tls::Trust;
use crate::tokens::Tokens;

/// Descriptors beside the connections: standard streams, epoll and waker per thread, a child.
const OTHER_DESCRIPTORS: u64 = 64;

/// The threads and publishers of one process, of those of the whole load.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Portion {
    pub(crate) threads: Range<u32>,
    pub(crate) publishers: Range<u32>,
}

/// What one run needs.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    pub(crate) args: Args,
    pub(crate) endpoint: Endpoint,
    /// The server's control port, for publishing over HTTP.
    pub(crate) control: Option<Endpoint>,
    pub(crate) plan: LoadPlan,
    /// Receiving threads of all processes.
    pub(crate) threads: u32,
    /// What this process carries of it.
    pub(crate) portion: Portion,
    /// Addresses to connect from; `None`: the kernel chooses.
    pub(crate) source_addresses: Option<SourceAddresses>,
    /// The server's process, if it is on this machine and known.
    pub(crate) server_pid: Option<u32>,
    /// Names this run's messages: 8 hexadecimal digits.
    pub(crate) run: String,
    pub(crate) tokens: Tokens,
    /// `None` is Uringcast's own protocol.
    pub(crate) dialect: Option<Arc<Dialect>>,
    pub(crate) trust: Trust,
    /// What advice is based on.
    pub(crate) given: Given,
}

impl Config {
    /// For the server at `url`, which `certificate` verifies if this tool started it, and its
    /// control port, if it is to be used.
    ///
    /// # Errors
    /// Names the flag, its value and the remedy.
    pub(crate) fn resolve(
        args: &Args,
        plan: LoadPlan,
        url: &str,
        certificate: Option<&Path>,
        control_url: Option<&str>,
    ) -> Result<Self, OperatorError> {
        let trust = args.trust(certificate);
        let mut endpoint = endpoint("--url", url, WEBSOCKET, &trust)?;
        if !args.addresses.is_empty() {
            let given = args.addresses.iter().flat_map(|addresses| addresses.0.iter().copied());
            endpoint.addresses = given.collect();
        }
        let dialect = dialect(args)?.map(Arc::new);
        let clients = plan.publish == Publish::Clients;
        if clients && dialect.as_ref().is_some_and(|dialect| dialect.client_template().is_none()) {
            return Err(OperatorError(format!(
                "--publish clients: a subscriber of {} cannot publish over its connection; use \
                 --publish ws",
                args.dialect
            )));
        }
        let by_http = match &dialect {
            Some(_) if clients => false,
            Some(dialect) => dialect.publishes_by_http(),
            None => plan.publish == Publish::Http,
        };
        let control = match (by_http, control_url) {
            (false, _) => None,
            (true, Some(url)) => Some(self::endpoint("--control-url", url, CONTROL, &trust)?),
            (true, None) if dialect.is_some() => Some(endpoint.clone()),
            (true, None) => {
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
        let tokens = Tokens::resolve(&args.credentials)?;
        let cores = std::thread::available_parallelism().map_or(1, usize::from) as u32;
        let given = Given {
            token: tokens.are_given() || endpoint.path.contains("token="),
            api_key: args.credentials.api_key.is_some(),
            http: by_http,
            service: args.credentials.service.clone(),
            compression: args.compression,
            for_certificate: trust.remedy(),
        };
        let threads = args.threads.unwrap_or(cores).min(plan.connections);
        Ok(Self {
            source_addresses: SourceAddresses::choose(
                args.source.as_ref(),
                args.source_addresses,
                plan.connections,
                &endpoint.addresses,
            )?,
            endpoint,
            control,
            threads,
            portion: Portion { threads: 0..threads, publishers: 0..plan.publishers },
            run: format!("{:08x}", fastrand::u32(..)),
            server_pid: args.server_pid,
            given,
            tokens,
            dialect,
            trust,
            args: args.clone(),
            plan,
        })
    }

    /// The channels of the `index`-th connection.
    pub(crate) fn channels(&self, index: u32) -> Vec<Channel> {
        self.plan.rooms.of(index)
    }

    /// The name of a channel.
    pub(crate) fn name(&self, channel: Channel) -> String {
        match (&self.plan.channel_name, &self.dialect) {
            (Some(given), _) => given.of(channel),
            (None, Some(dialect)) => dialect.name(channel),
            (None, None) => ChannelName::default().of(channel),
        }
    }

    /// The channel of a name.
    pub(crate) fn channel_named(&self, name: &str) -> Option<Channel> {
        let usual = ChannelName::default();
        self.plan.channel_name.as_ref().unwrap_or(&usual).find(name)
    }

    /// The names of all channels.
    pub(crate) fn all_names(&self) -> Vec<String> {
        (0..self.plan.rooms.channels).map(|channel| self.name(Channel(channel))).collect()
    }

    /// Where a connection is upgraded that is about these channels, and how it goes on.
    pub(crate) fn way(
        &self,
        publishes: bool,
        channels: &[String],
    ) -> (Cow<'_, Endpoint>, Option<DialectSession>) {
        let plain = Cow::Borrowed(&self.endpoint);
        let Some(dialect) = &self.dialect else { return (plain, None) };
        let path = dialect.path_for(publishes, channels).filter(|_| self.endpoint.path == "/");
        let endpoint = match path {
            Some(path) => Cow::Owned(Endpoint { path, ..self.endpoint.clone() }),
            None => plain,
        };
        let joined = if publishes && !dialect.publish.joins { &[] } else { channels };
        (endpoint, Some(DialectSession::new(Arc::clone(dialect), joined)))
    }

    /// The header lines of a client's upgrade.
    pub(crate) fn headers(&self, client: u32) -> String {
        let own = self.dialect.iter().flat_map(|dialect| &dialect.headers);
        let own: String = own.map(|line| format!("{line}\r\n")).collect();
        own + &self.tokens.header(client)
    }

    /// Sources of messages: publishers, or the threads of subscribers that publish.
    pub(crate) fn sources_of_messages(&self) -> u32 {
        if self.plan.publish == Publish::Clients { self.threads } else { self.plan.publishers }
    }

    /// The `sequence`-th message of a source.
    pub(crate) fn message(&self, source: u32, sequence: u64) -> MessageId {
        if self.plan.publish != Publish::Clients {
            return self.plan.message(source, sequence);
        }
        // Its subscribers by turns, and the channels of each by turns.
        let share = self.share(source);
        let clients = share.len() as u64;
        let client = share.start + (sequence % clients) as u32;
        let (channels, number) = (self.channels(client), sequence / clients);
        let count = channels.len() as u64;
        (PublisherId(client), channels[(number % count) as usize], number / count)
    }

    /// The connections of the `thread`-th worker.
    pub(crate) fn share(&self, thread: u32) -> std::ops::Range<u32> {
        let at = |thread: u32| {
            (u64::from(self.plan.connections) * u64::from(thread) / u64::from(self.threads)) as u32
        };
        at(thread)..at(thread + 1)
    }

    /// Raises the limit of open files and checks it.
    ///
    /// # Errors
    /// When it is not enough for the connections.
    pub(crate) fn check_file_limit(&self) -> Result<(), OperatorError> {
        let Portion { threads, publishers } = &self.portion;
        let connections =
            threads.clone().map(|thread| self.share(thread).len() as u64).sum::<u64>();
        let (publishers, threads) = (publishers.len() as u64, threads.len() as u64);
        let needed = files_needed(connections, publishers, threads);
        let reached = process::raise_file_limit()
            .map_err(|error| OperatorError(format!("the limit of open files: {error}")))?;
        if reached >= needed {
            return Ok(());
        }
        Err(OperatorError(format!(
            "--connections {connections}: this needs {needed} open files, the limit is {reached}; \
             raise the hard limit (`ulimit -Hn`, LimitNOFILE=), use --connections {} at most, or \
             several machines (`loadgen worker`)",
            reached.saturating_sub(needed - connections)
        )))
    }
}

/// Descriptors that a run opens at most.
pub(crate) fn files_needed(connections: u64, publishers: u64, threads: u64) -> u64 {
    connections + OTHER_DESCRIPTORS + publishers + 3 * threads
}

fn dialect(args: &Args) -> Result<Option<Dialect>, OperatorError> {
    if args.dialect == "uringcast" {
        return match args.dialect_options.first() {
            Some(option) => Err(OperatorError(format!(
                "--dialect-option {option}: Uringcast's own protocol has no options; give --dialect"
            ))),
            None => Ok(None),
        };
    }
    let bad = |what: String| OperatorError(format!("--dialect {}: {what}", args.dialect));
    let mut dialect: Dialect = args.dialect.parse().map_err(bad)?;
    for option in &args.dialect_options {
        dialect.set(option).map_err(|what| OperatorError(format!("--dialect-option: {what}")))?;
    }
    Ok(Some(dialect))
}

fn endpoint(
    flag: &str,
    url: &str,
    schemes: &Schemes,
    trust: &Trust,
) -> Result<Endpoint, OperatorError> {
    let bad = |what: String| OperatorError(format!("{flag} {}: {what}", masked(url)));
    let parsed = ServerUrl::parse(url, schemes).map_err(bad)?;
    let tls = if parsed.secure {
        let host = parsed.host.clone();
        let server = ServerName::try_from(host)
            .map_err(|_| bad(format!("{} cannot be the name in a certificate", parsed.host)))?;
        Some(Tls { config: trust.config()?, server })
    } else {
        None
    };
    let addresses = vec![parsed.address().map_err(bad)?];
    let host = parsed.authority();
    Ok(Endpoint { url: masked(&parsed.text), addresses, host, path: parsed.path, tls })
}

#[cfg(test)]
mod tests;
