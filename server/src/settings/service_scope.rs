//! Which settings are a service's, and which are the process's.

use super::Setting;

/// The settings of the process. A service of a fleet may have each of the others for itself.
const OF_THE_PROCESS: &[&str] = &[
    "shards",
    "control_host",
    "control_port",
    "api_key",
    "api_key_file",
    "api_keys",
    "api_keys_file",
    "keepalive_interval",
    "max_outbox",
    "shard_channels",
    "auth_threads",
    "log_frames",
    "log_bytes",
    "log_age",
    "shard_log_bytes",
    "ktls",
    "typical_message",
    "no_metrics",
    "slo_p99",
    "canary_interval",
    "log_format",
    "log_level",
    "drain_timeout",
    "config",
];

impl Setting {
    /// Whether each service of a fleet may have its own.
    pub fn is_of_a_service(&self) -> bool {
        !OF_THE_PROCESS.contains(&self.name)
    }
}
