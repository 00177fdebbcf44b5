//! What an engine is started with.

mod access;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

pub use access::{Access, AuthMode, Rule};

use crate::limits;

/// Which protocol the connections of an engine speak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// The family's JSON envelope (docs/PROTOCOL.md).
    #[default]
    Envelope,
    /// Every data message is sent back as it came: for conformance suites.
    Echo,
}

/// Which field of a request its reply repeats as `correlation_id`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Correlation {
    /// The request's `id` if it has one, else its `correlation_id`: what clients wait for.
    #[default]
    Id,
    /// The request's `correlation_id`, as the original servers did.
    Echo,
}

/// How much of a channel's past is kept.
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

/// Settings of an engine. [`Config::default`] listens nowhere; set `listen`.
#[derive(Clone, Debug)]
pub struct Config {
    /// The `server` of the welcome message and of every metric.
    pub server_name: String,
    /// The `message` of the welcome message.
    pub welcome: String,
    /// Addresses every shard listens on. Port 0 takes a free port.
    pub listen: Vec<SocketAddr>,
    /// Number of shards; `None` takes one per core the process may use.
    pub shards: Option<usize>,
    /// Open connections of the whole engine.
    pub max_connections: usize,
    /// Bytes of one inbound message.
    pub max_message: usize,
    /// Inbound messages a second and connection, 0 for no limit.
    pub message_rate: u32,
    /// Authentication, permissions and caps.
    pub access: Access,
    /// Channels one shard knows at most.
    pub max_channels: usize,
    /// Whether a client may publish without authentication.
    pub anonymous_publish: bool,
    /// Bytes of replies a laggard may be owed.
    pub max_outbox: usize,
    /// What connections speak.
    pub protocol: Protocol,
    /// Which field replies repeat.
    pub correlation: Correlation,
    /// How much of the past is kept.
    pub retention: Retention,
    /// Silence before a PING, and again before the connection is given up.
    pub keepalive: Duration,
    /// Serve TLS with this configuration.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// Keep no counters and histograms; every recording call is then free.
    pub metrics: bool,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            server_name: "uringcast".into(),
            welcome: "Connected to uringcast".into(),
            listen: Vec::new(),
            shards: None,
            max_connections: limits::DEFAULT_MAX_CONNECTIONS,
            max_message: limits::DEFAULT_MAX_MESSAGE,
            message_rate: limits::DEFAULT_MESSAGE_RATE,
            access: Access::default(),
            max_channels: limits::MAX_CHANNELS_PER_SHARD,
            anonymous_publish: false,
            max_outbox: limits::DEFAULT_OUTBOX,
            protocol: Protocol::default(),
            correlation: Correlation::default(),
            retention: Retention::default(),
            keepalive: limits::DEFAULT_KEEPALIVE,
            tls: None,
            metrics: true,
        }
    }
}
