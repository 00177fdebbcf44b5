//! How a wss server is verified.

use std::path::Path;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::client::{ClientConfig, Resumption};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, pem::PemObject};
use uringcast_loadgen::insecure::AcceptAnyServerCert;

use crate::error::OperatorError;

/// The configuration for `--ca-file`, `--insecure`, or by default the system's authorities.
///
/// # Errors
/// When the file cannot be read or holds no certificate.
pub(crate) fn config(
    ca_file: Option<&Path>,
    insecure: bool,
) -> Result<Arc<ClientConfig>, OperatorError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| OperatorError(format!("TLS: {error}")))?;
    let mut config = if insecure {
        let verifier = Arc::new(AcceptAnyServerCert(provider));
        builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth()
    } else {
        builder.with_root_certificates(roots(ca_file)?).with_no_client_auth()
    };
    // Every connection pays its own handshake, as those of separate clients would.
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

fn roots(ca_file: Option<&Path>) -> Result<RootCertStore, OperatorError> {
    let mut roots = RootCertStore::empty();
    let Some(path) = ca_file else {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        return Ok(roots);
    };
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
