//! How a node takes part in its cluster.

use std::path::PathBuf;
use std::time::Duration;

/// What the settings say of the cluster, without contradictions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterConfig {
    /// URLs of NATS servers, of which any will do.
    pub servers: Vec<String>,
    /// Authorities that sign the servers' certificates; those of the system without it.
    pub ca_file: Option<PathBuf>,
    /// The certificate that is shown to servers, and its key.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// The file of the NATS user.
    pub credentials: Option<PathBuf>,
    /// What subjects and streams begin with.
    pub prefix: String,
    /// Streams that share the channels.
    pub partitions: usize,
    /// Servers that keep each stream.
    pub replicas: usize,
    /// How long a stream keeps a message.
    pub age: Duration,
    /// Messages of a channel that its stream keeps.
    pub channel_messages: usize,
    /// Without the cluster the server is not ready.
    pub is_needed_to_be_ready: bool,
}

#[cfg(test)]
impl ClusterConfig {
    /// For tests.
    pub(super) fn sample() -> ClusterConfig {
        ClusterConfig {
            servers: vec!["nats://127.0.0.1:4222".into()],
            ca_file: None,
            certificate: None,
            credentials: None,
            prefix: "u".into(),
            partitions: 2,
            replicas: 3,
            age: Duration::from_secs(600),
            channel_messages: 100,
            is_needed_to_be_ready: false,
        }
    }
}
