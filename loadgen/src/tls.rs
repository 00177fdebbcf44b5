//! How a wss server is verified.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::insecure::AcceptAnyServerCert;
use rustls::RootCertStore;
use rustls::client::{ClientConfig, Resumption};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, pem::PemObject};

use crate::error::OperatorError;
use crate::spki_pin::{PinnedKey, SpkiPin};

/// Whom a wss server's certificate must come from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Trust {
    /// An authority of the system's store.
    #[default]
    System,
    /// An authority, or the certificate itself, in this PEM file.
    File(PathBuf),
    /// Anybody, if its key has this pin.
    Pin(SpkiPin),
    /// Anybody.
    Anything,
}

impl Trust {
    /// In a word, for reports.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::System => "system",
            Self::File(_) => "ca-file",
            Self::Pin(_) => "spki-pin",
            Self::Anything => "insecure",
        }
    }

    /// What to do when it refuses a certificate.
    pub(crate) fn remedy(&self) -> &'static str {
        match self {
            Self::Pin(_) => "compare the pin with the server's key, which may have been replaced",
            Self::File(_) => {
                "is --ca-file the authority of this server, and the URL's name in its \
                 certificate? if the server has no TLS use ws://"
            }
            Self::System | Self::Anything => {
                "name the authority with --ca-file FILE, the key with \
                 --spki-pin, or --insecure to trust anything; if the server has no TLS use ws://"
            }
        }
    }

    /// The configuration of connections.
    ///
    /// # Errors
    /// When the file cannot be read or holds no certificate.
    pub(crate) fn config(&self) -> Result<Arc<ClientConfig>, OperatorError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| OperatorError(format!("TLS: {error}")))?;
        let custom =
            |verifier| builder.clone().dangerous().with_custom_certificate_verifier(verifier);
        let builder = match self {
            Self::System => builder.clone().with_root_certificates(system()?),
            Self::File(path) => builder.clone().with_root_certificates(file(path)?),
            Self::Pin(pin) => custom(Arc::new(PinnedKey { pin: *pin, provider })),
            Self::Anything => custom(Arc::new(AcceptAnyServerCert(provider))),
        };
        let mut config = builder.with_no_client_auth();
        // Every connection pays its own handshake, as those of separate clients would.
        config.resumption = Resumption::disabled();
        Ok(Arc::new(config))
    }
}

fn system() -> Result<RootCertStore, OperatorError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err(OperatorError(
            "this machine trusts no authority; install ca-certificates, or give --ca-file, \
             --spki-pin or --insecure"
                .into(),
        ));
    }
    Ok(roots)
}

fn file(path: &Path) -> Result<RootCertStore, OperatorError> {
    let mut roots = RootCertStore::empty();
    let bad = |error: String| {
        let remedy = "give a readable PEM file with at least one certificate";
        OperatorError(format!("--ca-file {}: {error}; {remedy}", path.display()))
    };
    let all: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    for certificate in all.map_err(|error| bad(error.to_string()))? {
        roots.add(certificate).map_err(|error| bad(error.to_string()))?;
    }
    if roots.is_empty() { Err(bad("no certificate in it".into())) } else { Ok(roots) }
}
