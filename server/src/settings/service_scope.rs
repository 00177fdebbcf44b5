//! Which settings are a service's, and which are the process's.

use super::Setting;

/// The settings that a service of a fleet may have for itself. The others are the process's.
const OF_A_SERVICE: &[&str] = &[
    "preset",
    "host",
    "port",
    "max_connections",
    "anonymous_publish",
    "server_name",
    "welcome_message",
    "max_message_size",
    "message_rate",
    "correlation",
    "tls_env_prefix",
    "tls_enabled",
    "tls_min_version",
    "certificate",
    "crl_file",
    "auto_cert",
    "cert_dir",
    "cert_file",
    "key_file",
    "ca_file",
    "verify_client",
    "metrics_host",
    "metrics_port",
    "auth_enabled",
    "jwt_secret",
    "jwt_secret_file",
    "jwt_public_key",
    "jwks_file",
    "jwt_algorithms",
    "jwt_issuer",
    "jwt_audience",
    "jwt_optional_claims",
    "max_connections_per_address",
    "max_subscriptions",
    "byte_rate",
    "trusted_proxies",
    "proxy_protocol",
    "subscribe_permission",
    "publish_permission",
    "admin_permission",
    "allowed_origin",
];

impl Setting {
    /// Whether each service of a fleet may have its own.
    pub fn is_of_a_service(&self) -> bool {
        OF_A_SERVICE.contains(&self.name)
    }
}
