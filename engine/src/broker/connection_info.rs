//! What operators are told about a connection.

use std::net::SocketAddr;
use std::time::Duration;

use uuid::Uuid;

use crate::config::Compression;
use crate::telemetry::{Lag, Skipped};
use crate::types::{ChannelName, ServiceId, TlsMode, Transport};

/// A client's open connection, as a listing shows it.
#[derive(Clone, Debug)]
pub struct ConnectionInfo {
    /// The id it was welcomed with.
    pub id: Uuid,
    /// Where it connected.
    pub service: ServiceId,
    /// The user that its token names, if it has shown one.
    pub user: Option<String>,
    /// The client's address, as far as trusted proxies tell it.
    pub peer: SocketAddr,
    /// Since when it is admitted: seconds since 1970-01-01 UTC.
    pub since: i64,
    /// Time since something was received of it, or since the PING that it has not answered, in
    /// whole seconds.
    pub silent: Duration,
    /// By which protocol it is served.
    pub transport: Transport,
    /// What protects it.
    pub tls_mode: TlsMode,
    /// Channels that it is subscribed to.
    pub subscriptions: usize,
    /// Whether it is not received from now: for its rate, or while its token is verified.
    pub paused: bool,
    /// How it lags; `None` if it keeps up.
    pub lag: Option<LagInfo>,
    /// What it was not sent because it was too far behind.
    pub skipped: Skipped,
}

/// How a connection lags.
#[derive(Clone, Copy, Debug)]
pub struct LagInfo {
    /// Bytes it has not been written yet: replies, and what its channels' logs still hold for it.
    pub owed: u64,
    /// Since when: seconds since 1970-01-01 UTC.
    pub since: i64,
    /// What it waits for.
    pub state: Lag,
}

/// A client's open connection, looked at by itself.
#[derive(Clone, Debug)]
pub struct ConnectionDetail {
    /// As a listing shows it.
    pub info: ConnectionInfo,
    /// Its first [`SUBSCRIPTIONS_SHOWN`](crate::limits::SUBSCRIPTIONS_SHOWN) channels, each with
    /// the messages that it has not been written yet.
    pub channels: Vec<(ChannelName, u64)>,
    /// The common name of the certificate that it has shown.
    pub client_certificate: Option<String>,
    /// What it can be sent at most, by what was agreed on at its upgrade.
    pub compression: Compression,
    /// Messages that it may send at once now; `None` without a limit.
    pub messages_left: Option<u32>,
    /// Bytes that it may send at once now; `None` without a limit.
    pub bytes_left: Option<u32>,
}
