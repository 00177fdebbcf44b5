//! A certificate chain and its key, read from PEM and checked against each other.

use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use ::aws_lc_rs::digest::{SHA256, digest};
use rustls::InconsistentKeys;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use x509_parser::extensions::GeneralName;
use x509_parser::utils::format_serial;

use super::{ServedCert, chain_order};
use crate::config::Files;
use crate::read_files::{self, problem};
use crate::settings::Problem;

/// A certificate chain and its key.
pub(super) struct CertKeyPair {
    pub key: Arc<CertifiedKey>,
    /// The DNS names it is for, in small letters (`*.` may be the first label), and the addresses.
    pub names: Vec<String>,
    pub served: ServedCert,
}

impl CertKeyPair {
    pub(super) fn read(files: &Files) -> Result<CertKeyPair, Problem> {
        let [cert_name, key_name] = files.settings;
        let (cert, key) = (&files.pair.cert, &files.pair.key);
        let chain = read_chain(cert_name, cert)?;
        let private = read_key(key_name, key)?;
        let unusable = |error: &dyn std::fmt::Display| {
            let remedy = "Name a PEM file with the certificate first, then its chain.";
            problem(cert_name, cert, format!("cannot be used: {error}"), remedy)
        };
        let provider = aws_lc_rs::default_provider();
        let mut certified = CertifiedKey::from_der(chain.clone(), private.clone_key(), &provider);
        if is_mismatch(&certified)
            && let Some(sorted) = chain_order::sorted(chain, &private, &provider)
        {
            let path = cert.display();
            tracing::warn!(
                "{cert_name} {path}: the certificate stands behind its chain, put first"
            );
            certified = CertifiedKey::from_der(sorted, private, &provider);
        }
        let certified = certified.map_err(|error| match error {
            rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                let reason = format!("is not the key of the certificate in {}", cert.display());
                problem(key_name, key, reason, "Name the key that belongs to the certificate.")
            }
            error => unusable(&error),
        })?;
        let leaf = certified.cert.first().ok_or_else(|| unusable(&"it is empty"))?;
        let (_, parsed) =
            x509_parser::parse_x509_certificate(leaf).map_err(|error| unusable(&error))?;
        let common_name = parsed.subject().iter_common_name().next();
        let name = common_name.and_then(|name| name.as_str().ok()).unwrap_or_default();
        let subjects = parsed.subject_alternative_name().ok().flatten();
        let names = subjects.iter().flat_map(|names| &names.value.general_names);
        let text = |name: &GeneralName<'_>| match name {
            GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
            GeneralName::IPAddress(bytes) => ip_text(bytes),
            _ => None,
        };
        let served = ServedCert {
            name: name.to_owned(),
            path: cert.clone(),
            fingerprint: format_serial(digest(&SHA256, leaf).as_ref()).to_uppercase(),
            not_after: parsed.validity().not_after.timestamp(),
            automatic: false,
        };
        Ok(CertKeyPair {
            names: names.filter_map(text).collect(),
            key: Arc::new(certified),
            served,
        })
    }
}

/// Whether the first certificate of the chain is not the key's.
fn is_mismatch<T>(certified: &Result<T, rustls::Error>) -> bool {
    let mismatch = rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch);
    certified.as_ref().err() == Some(&mismatch)
}

fn ip_text(bytes: &[u8]) -> Option<String> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    let ip = v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from));
    ip.ok().map(|ip| ip.to_string())
}

fn read_key(name: &str, path: &Path) -> Result<PrivateKeyDer<'static>, Problem> {
    let pem = read_files::read_followed(name, path)?;
    let private = PrivateKeyDer::from_pem_slice(&pem).map_err(|error| {
        let encrypted = pem.windows(9).any(|word| word == b"ENCRYPTED");
        let (reason, remedy) = if encrypted {
            let remedy = "Decrypt it: openssl pkey -in OLD -out NEW.";
            ("is encrypted with a passphrase".to_owned(), remedy)
        } else {
            let remedy = "Name a PEM file with a PKCS#8, PKCS#1 or SEC1 key.";
            (format!("holds no private key: {error}"), remedy)
        };
        problem(name, path, reason, remedy)
    })?;
    aws_lc_rs::sign::any_supported_type(&private).map_err(|error| {
        let remedy = "Use an ECDSA (P-256, P-384, P-521), Ed25519 or RSA (2048 up) key.";
        problem(name, path, format!("holds a key that cannot be used: {error}"), remedy)
    })?;
    Ok(private)
}

/// Every object of one kind in a PEM file, at least one: `what` under the given PEM label.
pub(super) fn read_pem<T: PemObject>(
    name: &str,
    path: &Path,
    what: &str,
    label: &str,
) -> Result<Vec<T>, Problem> {
    let pem = read_files::read_followed(name, path)?;
    let all: Result<Vec<_>, _> = T::pem_slice_iter(&pem).collect();
    let remedy = format!("Name a PEM file with -----BEGIN {label}----- in it.");
    match all {
        Ok(all) if all.is_empty() => Err(problem(name, path, format!("holds no {what}"), &remedy)),
        Ok(all) => Ok(all),
        Err(error) => Err(problem(name, path, format!("is not valid PEM: {error}"), &remedy)),
    }
}

/// Every certificate of a PEM file, at least one.
pub(super) fn read_chain(name: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>, Problem> {
    read_pem(name, path, "certificate", "CERTIFICATE")
}

/// Only a warning: secrets mounted by orchestrators are often readable by all in their container.
pub(super) fn warn_if_readable_by_all(setting: &str, key: &Path) {
    let mode = std::fs::metadata(key).map(|meta| meta.permissions().mode() & 0o777);
    if let Ok(mode) = mode
        && mode & 0o004 != 0
    {
        let path = key.display();
        tracing::warn!(
            "{setting} {path} has mode {mode:04o}: every user can read it; chmod 600 it"
        );
    }
}
