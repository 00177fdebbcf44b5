//! Why a connection was not greeted.

use std::io;

use crate::shard::tls::TlsFault;
use crate::telemetry::ConnectionError;
use crate::wire::upgrade::Refusal as Refused;

/// Why a connection did not get as far as the broker.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
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
    #[error("the request was refused: {}", .0.reason())]
    Upgrade(Refused),
}

impl Refusal {
    /// As which it is counted.
    pub(super) fn label(&self) -> Option<ConnectionError> {
        match self {
            Refusal::Tls(_) => Some(ConnectionError::TlsHandshake),
            Refusal::Io(_) | Refusal::Left => Some(ConnectionError::Reset),
            Refusal::Late => Some(ConnectionError::Timeout),
            Refusal::Proxy => Some(ConnectionError::ProxyHeader),
            Refusal::Upgrade(Refused::Unlisted) => Some(ConnectionError::Origin),
            Refusal::Upgrade(Refused::TooMany) => Some(ConnectionError::MaxPerAddress),
            Refusal::Upgrade(_) => Some(ConnectionError::Upgrade),
            // So do load balancers that look whether the port is open.
            Refusal::Silent => None,
        }
    }
}
