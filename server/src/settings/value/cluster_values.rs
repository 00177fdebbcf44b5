//! The types of the settings of a cluster.

pub(in crate::settings) use crate::limits::{
    DEFAULT_CHANNEL_MESSAGES, DEFAULT_CLUSTER_AGE, DEFAULT_REPLICAS,
};

use super::{Count, Invalid, MASK, Span, Value, invalid, is_plain, quoted};
use crate::limits::{
    MAX_CHANNEL_MESSAGES, MAX_PARTITIONS, MAX_REPLICAS, MIN_CHANNEL_MESSAGES, MIN_CLUSTER_AGE,
};

/// Streams of a cluster.
pub type Partitions = Count<1, MAX_PARTITIONS>;
/// Servers that keep a stream.
pub type Replicas = Count<1, MAX_REPLICAS>;
/// How long a stream keeps a message: a month at most.
pub type ClusterAge = Span<MIN_CLUSTER_AGE, { 30 * 86_400_000 }>;
/// Messages of a channel that its stream keeps.
pub type ChannelMessages = Count<MIN_CHANNEL_MESSAGES, MAX_CHANNEL_MESSAGES>;

/// A NATS server: `nats://HOST:PORT`, or `tls://HOST:PORT` where it must be encrypted. Without a
/// scheme it is `nats`, without a port 4222. A user in it is refused where settings are compared:
/// what cannot be read is shown, and this may be a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NatsUrl(pub String);

impl Value for NatsUrl {
    const HINT: &'static str = "URL";

    fn parse(text: &str) -> Result<Self, Invalid> {
        let remedy = "Write it like nats://10.0.0.1:4222, or tls://nats.example:4222.";
        let (scheme, host) = text.split_once("://").unwrap_or(("nats", text));
        if text.contains('@') {
            return Ok(NatsUrl(text.to_owned()));
        }
        if !["nats", "tls"].contains(&scheme) || !is_plain(host, b"-.:[]") {
            return Err(invalid("is no address of a NATS server", remedy));
        }
        let has_port = host.rsplit_once(':').is_some_and(|(name, port)| {
            port.parse::<u16>().is_ok() && (!name.contains(':') || name.ends_with(']'))
        });
        let port = if has_port { "" } else { ":4222" };
        Ok(NatsUrl(format!("{scheme}://{host}{port}")))
    }

    fn show(&self) -> Option<String> {
        match self.0.rsplit_once('@') {
            Some((_, host)) => quoted(&format!("{MASK}@{host}")),
            None => quoted(&self.0),
        }
    }
}

impl NatsUrl {
    /// Whether it has a user in it, perhaps with a password.
    pub fn has_user(&self) -> bool {
        self.0.contains('@')
    }
}

/// What the names of streams and subjects begin with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubjectPrefix(pub String);

impl Value for SubjectPrefix {
    const HINT: &'static str = "WORD";

    fn parse(text: &str) -> Result<Self, Invalid> {
        if !is_plain(text, b"_-") || text.len() > 32 {
            let reason = "cannot begin the name of a stream";
            return Err(invalid(reason, "Use up to 32 letters, digits, - and _."));
        }
        Ok(SubjectPrefix(text.to_owned()))
    }

    fn show(&self) -> Option<String> {
        quoted(&self.0)
    }
}

#[cfg(test)]
mod tests;
