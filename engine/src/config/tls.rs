//! The TLS configuration of a listener, which can be exchanged while it serves.

use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;

/// Where a listener takes the TLS configuration of each new connection from. Clones share it:
/// through any of them the configuration of a running engine can be replaced.
#[derive(Clone, Debug)]
pub struct TlsSource(Arc<ArcSwap<ServerConfig>>);

impl TlsSource {
    /// Begins with this configuration.
    pub fn new(config: Arc<ServerConfig>) -> TlsSource {
        TlsSource(Arc::new(ArcSwap::new(config)))
    }

    /// Every connection accepted from now on gets this one; those before keep theirs.
    pub fn replace(&self, config: Arc<ServerConfig>) {
        self.0.store(config);
    }

    /// The one in force, read once per accepted connection. Takes no lock.
    pub fn current(&self) -> Arc<ServerConfig> {
        self.0.load_full()
    }
}
