//! From PEM files, or nothing, to rustls's server configuration, and to the next one when the
//! files change.

mod cert_key_pair;
mod chain_order;
mod client_auth;
mod reload;
mod self_signed;
mod sni;
mod ticket_keys;

use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::NoServerSessionStorage;
use rustls::sign::CertifiedKey;
use uringcast_engine::RevokedCertificates;

pub use reload::{CertReloader, CertStatus};
pub(crate) use self_signed::AUTO_FILES;
pub use ticket_keys::TicketKeys;

use crate::config::{Files, Identity, Tls};
use crate::settings::{Problem, Source, TlsVersion};
use cert_key_pair::CertKeyPair;
use sni::SniResolver;

/// A certificate that is served, with what the log and metrics report of it.
#[derive(Clone, Debug)]
pub struct ServedCert {
    /// Its subject's common name; may be empty.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// SHA-256 of the certificate, as `openssl x509 -fingerprint -sha256` writes it.
    pub fingerprint: String,
    /// When it ends, in seconds since 1970.
    pub not_after: i64,
    /// Whether the server made it, so that clients must import it.
    pub automatic: bool,
}

impl ServedCert {
    /// Seconds until it ends.
    fn seconds_left(&self) -> i64 {
        self.not_after - Timestamp::now().as_second()
    }
}

/// A certificate with its chain and its key, which belong together.
///
/// # Errors
/// When a file cannot be read or used, or the key is another certificate's.
pub fn certified(files: &Files) -> Result<Arc<CertifiedKey>, Problem> {
    CertKeyPair::read(files).map(|pair| pair.key)
}

/// What the listeners serve.
#[derive(Debug)]
pub struct Loaded {
    /// For the engine.
    pub config: Arc<ServerConfig>,
    /// The default first.
    pub served: Vec<ServedCert>,
    /// Clients' certificates that count no more.
    pub revoked: RevokedCertificates,
}

/// Reads, or makes, the certificates and builds the configuration.
///
/// # Errors
/// A [`Problem`] that names the setting, the file and the remedy.
pub fn load(tls: &Tls, tickets: &TicketKeys) -> Result<Loaded, Problem> {
    let pairs = match &tls.identity {
        Identity::Auto { dir, names } => vec![self_signed::load(dir, names)?],
        Identity::Files(all) => all.iter().map(CertKeyPair::read).collect::<Result<_, _>>()?,
    };
    let trust = client_auth::trust(tls.clients.as_ref())?;
    let versions: &[_] = match tls.min_version {
        TlsVersion::Tls12 => rustls::ALL_VERSIONS,
        TlsVersion::Tls13 => &[&rustls::version::TLS13],
    };
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)
        .map_err(|error| internal_error(&error))?
        .with_client_cert_verifier(trust.verifier)
        .with_cert_resolver(Arc::new(SniResolver::new(&pairs)));
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // So that the engine may hand the keys of a connection to the kernel.
    config.enable_secret_extraction = true;
    // Nothing is kept for a session here: it is all in its ticket.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.ticketer = tickets.of(trust.anchors).map_err(|error| internal_error(&error))?;
    let served = pairs.into_iter().map(|pair| pair.served).collect();
    Ok(Loaded { config: Arc::new(config), served, revoked: trust.revoked })
}

/// Checks without making anything: what `check-config` may do.
///
/// # Errors
/// As [`load`].
pub fn check(tls: &Tls) -> Result<(), Problem> {
    match &tls.identity {
        Identity::Auto { dir, .. } => {
            self_signed::check(dir)?;
            client_auth::trust(tls.clients.as_ref()).map(drop)
        }
        Identity::Files(_) => load(tls, &TicketKeys::default()).map(drop),
    }
}

/// Every suite of this provider is ephemeral Diffie-Hellman with AEAD. A client that prefers the
/// hybrid post-quantum group X25519MLKEM768 gets it: the client's order decides.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// An error that no file causes: no randomness, or a bug.
fn internal_error(error: &rustls::Error) -> Problem {
    let reason = format!("TLS cannot be set up: {error}");
    Problem::new("tls_enabled", Source::Default, reason, "Please report this.")
}
