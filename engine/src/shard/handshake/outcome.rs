//! How a handshake ends.

use std::io;
use std::net::SocketAddr;

use monoio::net::TcpStream;

use super::admission::QuotaPermit;
use crate::broker::Admission;
use crate::shard::tls::{SlotTls, TlsError};
use crate::sync::AddressPermit;
use crate::telemetry::ConnectionError;
use crate::wire::upgrade::UpgradeError;

/// A connection whose upgrade is complete and that waits for admission by the event loop.
pub(crate) struct UpgradedConnection {
    pub stream: TcpStream,
    pub tls: SlotTls,
    /// The peer has sent close_notify already.
    pub peer_closed: bool,
    /// Plaintext that arrived behind the request.
    pub leftover: Vec<u8>,
    pub accepted: AcceptedUpgrade,
}

/// What the answer to a valid upgrade request holds.
pub(crate) struct AcceptedUpgrade {
    /// What the broker takes. Its `response` is empty if that was written already; its `peer` is
    /// the address that a proxy reported, if one did.
    pub admission: Admission,
    /// Its place in the service's quota; `None` for a probe and when the service is full.
    pub quota_permit: Option<QuotaPermit>,
    /// Its place among those of its address, where these are limited.
    pub address_permit: Option<AddressPermit>,
}

/// Why a connection was not upgraded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HandshakeError {
    #[error("the TLS handshake failed: {0}")]
    Tls(#[from] TlsError),
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
    /// The counter it increments, if it is a fault.
    pub(crate) fn counter(&self) -> Option<ConnectionError> {
        match self {
            HandshakeError::Tls(_) => Some(ConnectionError::TlsHandshake),
            HandshakeError::Io(_) | HandshakeError::Left => Some(ConnectionError::Reset),
            HandshakeError::Late => Some(ConnectionError::Timeout),
            HandshakeError::Proxy => Some(ConnectionError::ProxyHeader),
            HandshakeError::Upgrade(UpgradeError::Unlisted) => Some(ConnectionError::Origin),
            HandshakeError::TooMany(_) => Some(ConnectionError::MaxPerAddress),
            HandshakeError::Upgrade(_) => Some(ConnectionError::Upgrade),
            // Load balancers do this to check that the port is open.
            HandshakeError::Silent => None,
        }
    }

    /// Logs the peer and the reason.
    pub(crate) fn log(&self, peer: SocketAddr) {
        match self {
            HandshakeError::TooMany(limit) => tracing::info!(
                %peer, refusal = %self, limit_name = "max_connections_per_address", limit,
                value = limit + 1, "no upgrade"
            ),
            HandshakeError::Upgrade(UpgradeError::Unlisted) => tracing::info!(
                %peer, refusal = %self, setting = "allowed_origin", "no upgrade"
            ),
            // The client caused a refusal; the other errors may be the network's.
            HandshakeError::Upgrade(_) => tracing::info!(%peer, refusal = %self, "no upgrade"),
            _ => tracing::debug!(%peer, refusal = %self, "no upgrade"),
        }
    }
}
