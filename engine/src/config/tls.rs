//! The TLS configuration of a listener, which can be exchanged while it serves.

use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;

use super::traffic_secrets::SecretTap;

/// Where a listener takes the TLS configuration of each new connection from. Clones share it:
/// through any of them the configuration of a running engine can be replaced.
#[derive(Clone, Debug)]
pub struct TlsSource(Arc<ArcSwap<ServerConfig>>);

impl TlsSource {
    /// Begins with this configuration.
    pub fn new(config: Arc<ServerConfig>) -> TlsSource {
        TlsSource(Arc::new(ArcSwap::new(tapped(&config))))
    }

    /// Every connection accepted from now on gets this one; those before keep theirs.
    pub fn replace(&self, config: Arc<ServerConfig>) {
        self.0.store(tapped(&config));
    }

    /// The one in force, read once per accepted connection. Takes no lock.
    pub fn current(&self) -> Arc<ServerConfig> {
        self.0.load_full()
    }
}

/// The same with a key log by which sessions learn their traffic secrets, ahead of its own.
pub(crate) fn tapped(config: &ServerConfig) -> Arc<ServerConfig> {
    let mut config = config.clone();
    config.key_log = Arc::new(SecretTap(config.key_log));
    Arc::new(config)
}
