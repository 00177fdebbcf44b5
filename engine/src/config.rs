//! The settings of an engine.

mod access;
mod channel_class;
mod class_rule;
mod class_table;
mod external_order;
mod granted;
mod live_settings;
mod origins;
mod probe_key;
mod proxies;
mod reconnect;
mod session_protocol;
mod tls;
mod traffic_secrets;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

pub use access::{Access, AuthMode, Rule};
pub use channel_class::{ChannelClass, ClassRetention, Compression, SlowPolicy};
pub use class_rule::{ClassRule, HistoryAccess};
pub(crate) use class_table::ClassTable;
pub use external_order::{
    ChannelPrefix, ExternalOrder, FollowRequest, Followed, PresenceQuestion, PresenceReport,
    PresenceRequest, PublishRequest, ReadPage, ReadRequest, Unavailable, WatchRequest,
};
pub use origins::Origins;
pub use probe_key::ProbeKey;
pub use proxies::Proxies;
pub use reconnect::Reconnect;
pub use session_protocol::{ClientRequest, Protocol, SessionProtocol};
pub use tls::TlsSource;
#[cfg(any(test, fuzzing))]
pub(crate) use tls::tapped;
pub(crate) use traffic_secrets::{SecretTap, TrafficSecret, TrafficSecrets};

use crate::limits;
use crate::types::{ChannelPattern, CloseCodes, ConnectionEnd, ServiceId};

/// Which field of a request its reply repeats as `correlation_id`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Correlation {
    /// The request's `id` if it has one, else its `correlation_id`: what clients wait for.
    #[default]
    Id,
    /// The request's `correlation_id`, as the original servers did.
    Echo,
}

/// Whether the kernel seals and opens the records of TLS connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KernelTls {
    /// Where it costs less: when a typical message has [`limits::KERNEL_TLS_PAYS`] bytes or more
    /// and the kernel can.
    #[default]
    Auto,
    /// Always; the engine does not start where the kernel cannot.
    On,
    /// Never.
    Off,
}

/// How much of the channels' past is kept; a [`ClassRule`] may say otherwise of some.
#[derive(Clone, Copy, Debug)]
pub struct Retention {
    /// Frames per channel.
    pub frames: usize,
    /// Bytes per channel.
    pub bytes: usize,
    /// Age of a frame.
    pub age: Duration,
    /// Bytes of all channels of one shard.
    pub shard_bytes: usize,
}

impl Default for Retention {
    fn default() -> Self {
        Retention {
            frames: limits::DEFAULT_LOG_FRAMES,
            bytes: limits::DEFAULT_LOG_BYTES,
            age: limits::DEFAULT_LOG_AGE,
            shard_bytes: limits::DEFAULT_SHARD_LOG_BYTES,
        }
    }
}

/// A request that is answered with the last event of a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusRequest {
    /// Its `event`.
    pub event: String,
    /// The key in `data` that has the subject's id; repeated in the answer.
    pub key: Option<String>,
    /// The channel; `{}` in it is replaced by that key's value.
    pub channel: String,
}

impl StatusRequest {
    /// Whether it may be about a channel of this name.
    pub(crate) fn is_about(&self, channel: &str) -> bool {
        match self.channel.split_once("{}") {
            None => channel == self.channel,
            Some((before, after)) => {
                channel.strip_prefix(before).is_some_and(|rest| rest.ends_with(after))
            }
        }
    }
}

/// One service of an engine: its listeners, access rules and protocol. Channels are its own: one
/// of the same name at another service is another channel.
#[derive(Clone, Debug)]
pub struct Service {
    /// The `server` of the welcome message and of the service's metrics.
    pub name: String,
    /// The `message` of the welcome message.
    pub welcome: String,
    /// Further keys of the welcome message's `data`, other than [`Service::WELCOME_KEYS`].
    pub welcome_extra: serde_json::Map<String, serde_json::Value>,
    /// The `reconnect` of the welcome message.
    pub reconnect: Reconnect,
    /// Addresses every shard listens on. Port 0 takes a free port; `[::]` takes IPv4 too, unless an
    /// address of IPv4 is named beside it.
    pub listen: Vec<SocketAddr>,
    /// Serve TLS with this configuration.
    pub tls: Option<TlsSource>,
    /// The proxies from which headers are trusted.
    pub proxies: Proxies,
    /// Open connections of the service, on all shards together.
    pub max_connections: usize,
    /// Bytes of one inbound message.
    pub max_message: usize,
    /// Levels of lists and objects in what is published, the outermost object counted.
    pub max_json_depth: usize,
    /// Inbound messages a second and connection, 0 for no limit.
    pub message_rate: u32,
    /// Authentication, permissions and caps.
    pub access: Access,
    /// Whether a client may publish without authentication. Where authentication is optional this
    /// is about channels that no rule of [`Access::publish`] matches, with a token and without.
    pub anonymous_publish: bool,
    /// The protocol of its connections.
    pub protocol: Protocol,
    /// Which field replies repeat.
    pub correlation: Correlation,
    /// Requests answered with a channel's last event.
    pub requests: Vec<StatusRequest>,
    /// What is promised for which channels, where it is not the default; at most
    /// [`limits::MAX_CLASSES`].
    pub classes: Vec<ClassRule>,
    /// Subprotocols (`Sec-WebSocket-Protocol`) that are agreed to where a client offers one.
    pub subprotocols: Vec<String>,
    /// Close codes of reasons that have none of RFC 6455.
    pub close_codes: CloseCodes,
}

impl Service {
    /// The keys that every welcome message has, and that `welcome_extra` may not.
    pub const WELCOME_KEYS: [&str; 8] = [
        "connection_id",
        "server",
        "message",
        "authenticated",
        "tls_mode",
        "secure",
        "client_certificate",
        "reconnect",
    ];

    /// Whether some channels' messages may be compressed, so that permessage-deflate is agreed to.
    pub(crate) fn may_compress(&self) -> bool {
        let compresses =
            |rule: &ClassRule| rule.compression.unwrap_or_default() != Compression::Off;
        self.classes.iter().any(compresses)
    }

    /// The rules of [`Service::classes`] with such channels, narrowest first.
    pub fn class_rules(&self, with: impl Fn(&ChannelPattern) -> bool) -> Vec<&ClassRule> {
        let matching = self.classes.iter().filter(|rule| with(&rule.channels));
        let mut rules: Vec<&ClassRule> = matching.collect();
        rules.sort_by_key(|rule| std::cmp::Reverse(rule.channels.narrowness()));
        rules
    }
}

impl Default for Service {
    fn default() -> Self {
        Service {
            name: "uringcast".into(),
            welcome: "Connected to uringcast".into(),
            welcome_extra: serde_json::Map::new(),
            reconnect: Reconnect::default(),
            listen: Vec::new(),
            tls: None,
            proxies: Proxies::default(),
            max_connections: limits::DEFAULT_MAX_CONNECTIONS,
            max_message: limits::DEFAULT_MAX_MESSAGE,
            max_json_depth: limits::DEFAULT_JSON_DEPTH,
            message_rate: limits::DEFAULT_MESSAGE_RATE,
            access: Access::default(),
            anonymous_publish: false,
            protocol: Protocol::default(),
            correlation: Correlation::default(),
            requests: Vec::new(),
            classes: Vec::new(),
            subprotocols: Vec::new(),
            close_codes: CloseCodes::default(),
        }
    }
}

/// Settings of an engine. [`Config::default`] has one service that listens nowhere; set its
/// `listen`.
#[derive(Clone, Debug)]
pub struct Config {
    /// The services, at most [`limits::MAX_SERVICES`]; a [`ServiceId`] is a place in this list.
    pub services: Vec<Service>,
    /// Number of shards; `None` takes one per core the process may use.
    pub shards: Option<usize>,
    /// Channels of one shard at most.
    pub max_channels: usize,
    /// Bytes of replies a laggard may be owed.
    pub max_outbox: usize,
    /// How much of the past is kept.
    pub retention: Retention,
    /// Silence before a PING, and again before the connection is given up.
    pub keepalive: Duration,
    /// Whether the kernel does TLS; needs [`rustls::ServerConfig::enable_secret_extraction`].
    pub kernel_tls: KernelTls,
    /// Bytes of a typical broadcast, for what depends on it: [`KernelTls::Auto`].
    pub typical_message: usize,
    /// Keep no counters and histograms; every recording call is then free.
    pub metrics: bool,
    /// Lets internal probes in.
    pub probe: Option<ProbeKey>,
    /// Sockets that listen already, such as those of a service manager. An address of a service's
    /// `listen` that some of them have is not bound; they are accepted from, and stay open after
    /// the drain as long as another process has them. Shards beyond the number of an address's
    /// sockets share them; connections are then spread by which shard sees them first.
    pub inherited: Vec<Arc<TcpListener>>,
    /// Where the ends of connections are reported. What it has no room for is counted and dropped.
    pub ends: Option<SyncSender<ConnectionEnd>>,
    /// The external order of the channels' messages; without one the engine orders them itself.
    pub external_order: Option<Arc<dyn ExternalOrder>>,
}

impl Config {
    /// The name of a service as log lines have it: none where it is the only one.
    pub(crate) fn log_name(&self, service: ServiceId) -> Option<&str> {
        (self.services.len() > 1).then(|| self[service].name.as_str())
    }
}

impl Default for Config {
    fn default() -> Self {
        Config {
            services: vec![Service::default()],
            shards: None,
            max_channels: limits::MAX_CHANNELS_PER_SHARD,
            max_outbox: limits::DEFAULT_OUTBOX,
            retention: Retention::default(),
            keepalive: limits::DEFAULT_KEEPALIVE,
            kernel_tls: KernelTls::default(),
            typical_message: limits::DEFAULT_TYPICAL_MESSAGE,
            metrics: true,
            probe: None,
            inherited: Vec::new(),
            ends: None,
            external_order: None,
        }
    }
}

impl From<Service> for Config {
    /// An engine with this service alone.
    fn from(service: Service) -> Config {
        Config { services: vec![service], ..Config::default() }
    }
}

impl std::ops::Index<ServiceId> for Config {
    type Output = Service;
    fn index(&self, id: ServiceId) -> &Service {
        &self.services[id.index()]
    }
}
