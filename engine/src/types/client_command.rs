//! What operators want done with connections.

use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use serde::Serialize;

use super::{ChannelName, RevokedCertificates, RevokedTokens, ServiceId};

/// Which connections or subscriptions are to end, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCommand {
    /// Only connections of this service are meant.
    pub service: ServiceId,
    /// Which of them.
    pub target: Target,
    /// What is to be done with them.
    pub action: ClientAction,
}

/// Which connections are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// The one that was welcomed with this id.
    Connection(String),
    /// All subscribers of a channel.
    Channel(ChannelName),
    /// All that a user has authenticated.
    User(String),
    /// Those that were authenticated by one of these tokens.
    Tokens(RevokedTokens),
    /// Those of clients that have shown one of these certificates.
    Certificates(Arc<RevokedCertificates>),
    /// All of clients with an address in this network.
    Network(IpNet),
    /// So many of a hundred, from 1 to 100: evenly from those of all shards.
    Share(u8),
}

/// What is to be done with them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientAction {
    /// Close them.
    Disconnect,
    /// Tell them to reconnect, then close them, evenly within this time. Those that were told
    /// already are left as they are.
    Reconnect(Duration, DrainReason),
    /// End their subscription to this channel, or to all of theirs.
    Unsubscribe(Option<ChannelName>),
}

/// Why clients are told to reconnect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DrainReason {
    /// The server stops.
    Shutdown,
    /// The server is relieved of them, and goes on.
    Drain,
}
