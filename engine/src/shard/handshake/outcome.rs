//! How a handshake ends.

use std::io;
use std::net::SocketAddr;

use monoio::net::TcpStream;

use super::admission::QuotaPermit;
use crate::broker::Admission;
use crate::limits::MAX_PEER_NAME;
use crate::shard::tls::{SlotTls, TlsError};
use crate::sync::AddressPermit;
use crate::telemetry::ConnectionError;
use crate::wire::upgrade::UpgradeError;

/// A connection that has completed its upgrade and waits for admission by the event loop.
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
    #[error("pages of this origin may not connect here")]
    Origin(String),
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
            HandshakeError::Origin(_) => Some(ConnectionError::Origin),
            HandshakeError::TooMany(_) => Some(ConnectionError::MaxPerAddress),
            HandshakeError::Upgrade(_) => Some(ConnectionError::Upgrade),
            // Load balancers do this to check that the port is open.
            HandshakeError::Silent => None,
        }
    }

    /// Logs the peer and the reason, and of several services the one it came to.
    pub(crate) fn log(&self, service: Option<&str>, peer: SocketAddr) {
        match self {
            HandshakeError::TooMany(limit) => tracing::info!(
                service, %peer, refusal = %self, limit_name = "max_connections_per_address", limit,
                value = limit + 1, "no upgrade"
            ),
            HandshakeError::Origin(origin) => tracing::info!(
                service, %peer, refusal = %self, origin = short(origin),
                setting = "allowed_origin", "no upgrade"
            ),
            HandshakeError::Tls(TlsError::Rustls(error)) if is_without_tls(error) => {
                let refusal = "no TLS handshake, and this port serves wss";
                tracing::info!(service, %peer, refusal, "no upgrade");
            }
            HandshakeError::Tls(TlsError::Rustls(error)) if client_certificate_fault(error) => {
                tracing::info!(service, %peer, refusal = %in_words(error), "no upgrade");
            }
            // There may be many, and the drain has its own lines.
            HandshakeError::Upgrade(UpgradeError::ShuttingDown(_)) => {
                tracing::debug!(service, %peer, refusal = %self, "no upgrade");
            }
            // The client caused a refusal; the other errors may be the network's.
            HandshakeError::Upgrade(_) => {
                tracing::info!(service, %peer, refusal = %self, "no upgrade");
            }
            _ => tracing::debug!(service, %peer, refusal = %self, "no upgrade"),
        }
    }
}

/// The beginning of a peer's text, for a line of the log.
fn short(text: &str) -> &str {
    text.get(..text.floor_char_boundary(MAX_PEER_NAME)).unwrap_or_default()
}

/// Whether what came was no TLS at all.
fn is_without_tls(error: &rustls::Error) -> bool {
    matches!(error, rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType))
}

/// Whether a handshake failed for the client's certificate.
fn client_certificate_fault(error: &rustls::Error) -> bool {
    matches!(error, rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented)
}

/// Why a client's certificate is refused, with the setting that it depends on.
fn in_words(error: &rustls::Error) -> String {
    use rustls::CertificateError as Fault;
    let rustls::Error::InvalidCertificate(fault) = error else {
        return "the client shows no certificate, and verify_client demands one".into();
    };
    let what = match fault {
        Fault::Revoked => "is revoked (crl_file)",
        Fault::Expired | Fault::ExpiredContext { .. } => "has expired",
        Fault::NotValidYet | Fault::NotValidYetContext { .. } => "is not valid yet",
        Fault::UnknownIssuer => "is of an authority that ca_file does not name",
        Fault::UnknownRevocationStatus => "is of an authority of which crl_file has no list",
        Fault::InvalidPurpose | Fault::InvalidPurposeContext { .. } => "is not made for clients",
        // rustls has no variant for it.
        Fault::Other(other) if other.to_string().contains("UnsupportedCertVersion") => {
            "is one of X.509 version 1: make one of version 3, with an extension"
        }
        fault => return format!("the client's certificate is refused: {fault}"),
    };
    format!("the client's certificate {what}")
}
