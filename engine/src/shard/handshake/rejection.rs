//! Why there was no upgrade.

use std::io;
use std::net::SocketAddr;

use crate::shard::tls::session::TlsFault;
use crate::telemetry::ConnectionError;
use crate::wire::upgrade::UpgradeError;

/// Why a connection did not get as far as the broker.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HandshakeError {
    #[error("the TLS handshake failed: {0}")]
    Tls(#[from] TlsFault),
    #[error("the connection failed: {0}")]
    Io(#[from] io::Error),
    #[error("the peer left before the upgrade")]
    Left,
    #[error("the peer left without a word")]
    Silent,
    #[error("the peer did not complete an upgrade in time")]
    Late,
    #[error("a trusted proxy did not begin with a PROXY header")]
    Proxy,
    #[error("too many connections from this address, which may have {0}")]
    TooMany(usize),
    #[error("the request was refused: {}", .0.reason())]
    Upgrade(UpgradeError),
}

impl HandshakeError {
    /// As which it is counted, if it is a fault.
    pub(crate) fn label(&self) -> Option<ConnectionError> {
        match self {
            HandshakeError::Tls(_) => Some(ConnectionError::TlsHandshake),
            HandshakeError::Io(_) | HandshakeError::Left => Some(ConnectionError::Reset),
            HandshakeError::Late => Some(ConnectionError::Timeout),
            HandshakeError::Proxy => Some(ConnectionError::ProxyHeader),
            HandshakeError::Upgrade(UpgradeError::Unlisted) => Some(ConnectionError::Origin),
            HandshakeError::TooMany(_) => Some(ConnectionError::MaxPerAddress),
            HandshakeError::Upgrade(_) => Some(ConnectionError::Upgrade),
            // So do load balancers that look whether the port is open.
            HandshakeError::Silent => None,
        }
    }

    /// Says who was refused and why.
    pub(crate) fn tell(&self, peer: SocketAddr) {
        match self {
            HandshakeError::TooMany(limit) => tracing::info!(
                %peer, refusal = %self, limit_name = "max_connections_per_address", limit,
                value = limit + 1, "no upgrade"
            ),
            // It was answered as the client's fault; the others may be nobody's.
            HandshakeError::Upgrade(_) => tracing::info!(%peer, refusal = %self, "no upgrade"),
            _ => tracing::debug!(%peer, refusal = %self, "no upgrade"),
        }
    }
}
