//! Which client certificates are accepted.

use std::fmt::Display;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::CertificateRevocationListDer;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use uringcast_engine::{CertificateId, RevokedCertificates};
use x509_parser::prelude::{CertificateRevocationList, FromDer};

use super::cert_key_pair::{read_chain, read_pem};
use super::provider;
use crate::config::Clients;
use crate::read_files::problem;
use crate::settings::Problem;

/// The certificates of authorities and revocation lists.
pub(super) type TrustAnchors = Vec<Vec<u8>>;

/// A verifier, and what it was made from.
pub(super) struct ClientTrust {
    pub verifier: Arc<dyn ClientCertVerifier>,
    /// Under other ones, sessions begun under these must not be taken up again: a resumed
    /// handshake verifies no certificate.
    pub anchors: TrustAnchors,
    /// The certificates that the lists name.
    pub revoked: RevokedCertificates,
}

/// The verifier for the settings: it requests no client certificate, or demands one.
pub(super) fn trust(clients: Option<&Clients>) -> Result<ClientTrust, Problem> {
    let Some(Clients { ca, crl }) = clients else {
        let verifier = WebPkiClientVerifier::no_client_auth();
        let (anchors, revoked) = (Vec::new(), RevokedCertificates::new());
        return Ok(ClientTrust { verifier, anchors, revoked });
    };
    let bad = |error: &dyn Display| {
        let reason = format!("holds an authority that cannot be used: {error}");
        problem("ca_file", ca, reason, "Name a PEM file with the authorities' certificates.")
    };
    let (mut roots, mut anchors) = (RootCertStore::empty(), Vec::new());
    for authority in read_chain("ca_file", ca)? {
        anchors.push(authority.to_vec());
        roots.add(authority).map_err(|error| bad(&error))?;
    }
    let mut revoked = RevokedCertificates::new();
    let mut builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
    if let Some(path) = crl {
        let lists: Vec<CertificateRevocationListDer<'static>> =
            read_pem("crl_file", path, "revocation list", "X509 CRL")?;
        for list in &lists {
            // What x509-parser cannot read, the builder below refuses.
            let Ok((_, list)) = CertificateRevocationList::from_der(list) else { continue };
            warn_if_stale(path, &list);
            let issuer = list.issuer().as_raw();
            let serials = list.iter_revoked_certificates().map(|one| one.raw_serial());
            revoked.extend(serials.map(|serial| CertificateId::new(issuer, serial)));
        }
        anchors.extend(lists.iter().map(|list| list.to_vec()));
        builder = builder.with_crls(lists);
    }
    let verifier = builder.build().map_err(|error| match (error, crl) {
        (rustls::server::VerifierBuilderError::InvalidCrl(error), Some(path)) => {
            let remedy = "Name a PEM file with the authorities' revocation lists (version 2).";
            problem("crl_file", path, format!("cannot be used: {error:?}"), remedy)
        }
        (error, _) => bad(&error),
    })?;
    Ok(ClientTrust { verifier, anchors, revoked })
}

/// A stale list still revokes what is in it: better than to refuse all clients.
fn warn_if_stale(path: &std::path::Path, list: &CertificateRevocationList<'_>) {
    let now = jiff::Timestamp::now().as_second();
    if let Some(next) = list.next_update().filter(|next| next.timestamp() < now) {
        let (path, issuer) = (path.display(), list.issuer());
        tracing::warn!("crl_file {path}: the list of {issuer} should have been renewed by {next}");
    }
}
