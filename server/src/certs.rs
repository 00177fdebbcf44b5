//! From PEM files, or nothing, to rustls's server configuration.

mod auto;

use std::fmt::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{InconsistentKeys, RootCertStore, ServerConfig};

use crate::config::{Identity, Tls};
use crate::files::{self, problem};
use crate::settings::Problem;

/// What the listeners serve, and what to tell about it.
#[derive(Debug)]
pub struct Served {
    /// For the engine.
    pub config: Arc<ServerConfig>,
    /// Where the certificate is.
    pub path: PathBuf,
    /// SHA-256 of the certificate, as `openssl x509 -fingerprint -sha256` writes it.
    pub fingerprint: String,
    /// Whether we made it, so that clients must be told of it.
    pub automatic: bool,
}

/// Reads, or makes, the certificate and builds the configuration. `names` are those an automatic
/// certificate must be valid for.
///
/// # Errors
/// A [`Problem`] that names the setting, the file and the remedy.
pub fn load(tls: &Tls, names: &[String]) -> Result<Served, Problem> {
    match &tls.identity {
        Identity::Auto { dir } => auto::load(dir, names, tls.client_ca.as_deref()),
        Identity::Files { cert, key } => {
            let pair = Pair::read("cert_file", cert, "key_file", key)?;
            warn_if_readable_by_all(key);
            pair.serve(cert, tls.client_ca.as_deref(), false)
        }
    }
}

/// Checks without making anything: what `check-config` may do.
///
/// # Errors
/// As [`load`].
pub fn check(tls: &Tls) -> Result<(), Problem> {
    match &tls.identity {
        Identity::Auto { .. } => verifier(tls.client_ca.as_deref()).map(drop),
        Identity::Files { .. } => load(tls, &[]).map(drop),
    }
}

/// A certificate chain and its key.
struct Pair {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Pair {
    fn read(cert_name: &str, cert: &Path, key_name: &str, key: &Path) -> Result<Pair, Problem> {
        let chain = read_chain(cert_name, cert)?;
        let pem = files::read(key_name, key)?;
        let private = PrivateKeyDer::from_pem_slice(&pem).map_err(|error| {
            let encrypted = pem.windows(9).any(|word| word == b"ENCRYPTED");
            let (reason, remedy) = if encrypted {
                let remedy = "Decrypt it: openssl pkey -in OLD -out NEW.";
                ("is encrypted with a passphrase".into(), remedy)
            } else {
                let remedy = "Name a PEM file with a PKCS#8, PKCS#1 or SEC1 key.";
                (format!("holds no private key: {error}"), remedy)
            };
            problem(key_name, key, reason, remedy)
        })?;
        aws_lc_rs::sign::any_supported_type(&private).map_err(|error| {
            let remedy = "Use an ECDSA (P-256, P-384, P-521), Ed25519 or RSA (2048 up) key.";
            problem(key_name, key, format!("holds a key that cannot be used: {error}"), remedy)
        })?;
        let pair = Pair { chain, key: private };
        pair.certified().map_err(|error| match error {
            rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                let reason = format!("is not the key of the certificate in {}", cert.display());
                problem(key_name, key, reason, "Name the key that belongs to the certificate.")
            }
            error => {
                let remedy = "Name a PEM file with the server's certificate first.";
                problem(cert_name, cert, format!("cannot be used: {error}"), remedy)
            }
        })?;
        Ok(pair)
    }

    fn certified(&self) -> Result<rustls::sign::CertifiedKey, rustls::Error> {
        let (chain, key) = (self.chain.clone(), self.key.clone_key());
        rustls::sign::CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider())
    }

    fn serve(self, path: &Path, ca: Option<&Path>, automatic: bool) -> Result<Served, Problem> {
        let fingerprint = fingerprint(&self.chain[0]);
        let cannot = |error: rustls::Error| {
            let reason = format!("cannot be used: {error}");
            problem("cert_file", path, reason, "Name another certificate.")
        };
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .map_err(cannot)?
            .with_client_cert_verifier(verifier(ca)?)
            .with_single_cert(self.chain, self.key)
            .map_err(cannot)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        // So that the engine may hand the keys of a connection to the kernel.
        config.enable_secret_extraction = true;
        let config = Arc::new(config);
        Ok(Served { config, path: path.to_owned(), fingerprint, automatic })
    }
}

fn read_chain(name: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>, Problem> {
    let pem = files::read(name, path)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let remedy = "Name a PEM file with -----BEGIN CERTIFICATE----- in it.";
    match chain {
        Ok(chain) if chain.is_empty() => {
            Err(problem(name, path, "holds no certificate".into(), remedy))
        }
        Ok(chain) => Ok(chain),
        Err(error) => Err(problem(name, path, format!("is not valid PEM: {error}"), remedy)),
    }
}

/// TLS 1.2 and 1.3; every suite of this provider is ephemeral Diffie-Hellman with AEAD.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn verifier(ca: Option<&Path>) -> Result<Arc<dyn ClientCertVerifier>, Problem> {
    let Some(path) = ca else { return Ok(WebPkiClientVerifier::no_client_auth()) };
    let bad = |error: &dyn std::fmt::Display| {
        let reason = format!("holds an authority that cannot be used: {error}");
        problem("ca_file", path, reason, "Name a PEM file with the authorities' certificates.")
    };
    let mut roots = RootCertStore::empty();
    for authority in read_chain("ca_file", path)? {
        roots.add(authority).map_err(|error| bad(&error))?;
    }
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
    verifier.build().map_err(|error| bad(&error))
}

fn fingerprint(certificate: &CertificateDer<'_>) -> String {
    let digest = ::aws_lc_rs::digest::digest(&::aws_lc_rs::digest::SHA256, certificate);
    let mut text = String::new();
    for (i, byte) in digest.as_ref().iter().enumerate() {
        let colon = if i == 0 { "" } else { ":" };
        // Writing to a String cannot fail.
        let _ = write!(text, "{colon}{byte:02X}");
    }
    text
}

/// Only a warning: secrets mounted by orchestrators are often readable by all in their container.
fn warn_if_readable_by_all(key: &Path) {
    let mode = std::fs::metadata(key).map(|meta| meta.permissions().mode() & 0o777);
    if let Ok(mode) = mode
        && mode & 0o004 != 0
    {
        let path = key.display();
        tracing::warn!("key_file {path} has mode {mode:04o}: every user can read it; chmod 600 it");
    }
}
