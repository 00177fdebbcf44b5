//! The certificates: the server's, checked as a client checks it, and the client's. Both results
//! are recorded, so that the report of a failed handshake can name the cause.

use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustls::client::{ResolvesClientCert, WebPkiServerVerifier};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, RootCertStore, SignatureScheme};

use crate::certs::certified;
use crate::config::Files;
use crate::diagnostics::check_report::{Finding, Outcome, fail, failure, warn};
use crate::limits::CERTIFICATE_WARNING;
use crate::probe_client::{CertVerdict, RecordingVerifier};
use crate::read_files;
use crate::settings::value::CertKey;

const DAY: i64 = 86_400;

/// A verifier that trusts what is in the CA file, else the system's authorities.
pub(crate) fn verifier(ca: Option<&Path>) -> Result<Arc<RecordingVerifier>, Finding> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let roots = Arc::new(roots(ca)?);
    let chain = WebPkiServerVerifier::builder_with_provider(roots, provider).build();
    let chain = chain.map_err(|error| failure(format!("no authority to trust: {error}"), TRUST))?;
    Ok(RecordingVerifier::new(Some(chain)))
}

const TRUST: &str = "Give --ca-file with the authority's certificate (PEM); for an automatic \
                     certificate the file that the server names after \"cert\" when it starts.";

/// The client's certificate, if it has one, and whether the server requested it.
#[derive(Debug, Default)]
pub(crate) struct ClientCertResolver {
    own: Option<Arc<CertifiedKey>>,
    was_requested: AtomicBool,
}

impl ClientCertResolver {
    pub(crate) fn new(own: Option<&CertKey>) -> Result<ClientCertResolver, Finding> {
        let Some(pair) = own.cloned() else { return Ok(ClientCertResolver::default()) };
        let settings = ["client_cert_file", "client_key_file"];
        let own = certified(&Files { settings, pair }).map_err(|problem| {
            failure(problem.to_string(), "Give the two files as the client has them.")
        })?;
        Ok(ClientCertResolver { own: Some(own), was_requested: AtomicBool::default() })
    }

    /// Whether the server has requested a certificate.
    pub(crate) fn was_requested(&self) -> bool {
        self.was_requested.load(Ordering::Relaxed)
    }

    /// The finding after a handshake in which the server requested a certificate and that failed.
    pub(crate) fn refused(&self, reason: &str) -> Outcome {
        match self.own {
            None => fail(
                format!("the server demands a client certificate: {reason}"),
                "Give --client-cert-file and --client-key-file: a certificate that an authority of \
                 the server's ca-file has signed, and its key.",
            ),
            Some(_) => fail(
                format!("the client certificate is not accepted: {reason}"),
                "Give one that an authority of the server's ca-file has signed, that is not over \
                 and not in its crl-file; the server's log has the reason.",
            ),
        }
    }
}

impl ResolvesClientCert for ClientCertResolver {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.was_requested.store(true, Ordering::Relaxed);
        self.own.clone()
    }

    fn has_certs(&self) -> bool {
        self.own.is_some()
    }
}

fn roots(ca: Option<&Path>) -> Result<RootCertStore, Finding> {
    let mut roots = RootCertStore::empty();
    let Some(path) = ca else {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        return Ok(roots);
    };
    let pem = read_files::read("ca_file", path);
    let pem = pem.map_err(|problem| failure(problem.to_string(), TRUST))?;
    let bad = |error: &dyn Display| failure(format!("{}: {error}", path.display()), TRUST);
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        roots.add(certificate.map_err(|error| bad(&error))?).map_err(|error| bad(&error))?;
    }
    Ok(roots)
}

impl CertVerdict {
    /// Trust, name and days left in one.
    pub(crate) fn outcome(&self, host: &str) -> Outcome {
        let Ok((_, leaf)) = x509_parser::parse_x509_certificate(&self.leaf) else {
            return fail("is no X.509 certificate", "Serve another certificate.");
        };
        let end = leaf.validity().not_after;
        let days = (end.timestamp() - UnixTime::now().as_secs() as i64) / DAY;
        let renew = "Renew it; a running server reads cert-file and key-file again by itself, and \
                     an automatic one is made anew by a restart.";
        match &self.trust {
            Ok(()) if days < CERTIFICATE_WARNING => {
                warn(format!("for {host}, ends in {days} days, on {end}"), renew)
            }
            Ok(()) => Ok(format!("for {host}, {days} days left")),
            Err(rustls::Error::InvalidCertificate(error)) => match error {
                CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                    fail(format!("expired {} days ago, on {end}", -days), renew)
                }
                CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                    let begin = leaf.validity().not_before;
                    fail(format!("begins on {begin}"), "Set the clocks, or wait.")
                }
                CertificateError::UnknownIssuer => {
                    fail(format!("signed by {}, which is not trusted", leaf.issuer()), TRUST)
                }
                CertificateError::NotValidForName
                | CertificateError::NotValidForNameContext { .. } => fail(
                    format!("not for {host}: {error}"),
                    "Give --host as clients write it, or serve a certificate for that name.",
                ),
                error => fail(error.to_string(), "Serve another certificate."),
            },
            Err(error) => fail(error.to_string(), "Serve another certificate."),
        }
    }
}
