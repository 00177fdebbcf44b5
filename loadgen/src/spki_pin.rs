//! `--spki-pin`: trusts the server with this digest of its public key, whatever key signed its
//! certificate.

use std::str::FromStr;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};

const FORM: &str = "expected the SHA-256 of the server's public key (SubjectPublicKeyInfo) in \
    base64, 44 characters, with or without sha256/ before it";

/// The SHA-256 of a SubjectPublicKeyInfo (RFC 7469, section 2.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SpkiPin([u8; SHA256_OUTPUT_LEN]);

impl FromStr for SpkiPin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // curl writes two slashes.
        let text = text.strip_prefix("sha256/").unwrap_or(text);
        let text = text.strip_prefix('/').filter(|rest| rest.len() == 44).unwrap_or(text);
        let bytes = STANDARD.decode(text).map_err(|_| FORM.to_owned())?;
        bytes.try_into().map(Self).map_err(|_| FORM.to_owned())
    }
}

impl std::fmt::Display for SpkiPin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "sha256/{}", STANDARD.encode(self.0))
    }
}

impl SpkiPin {
    /// Of a certificate. `None` if it cannot be read.
    fn of(certificate: &CertificateDer<'_>) -> Option<Self> {
        let (_, parsed) = x509_parser::parse_x509_certificate(certificate).ok()?;
        let digest = digest(&SHA256, parsed.public_key().raw);
        digest.as_ref().try_into().ok().map(Self)
    }
}

/// Accepts a certificate by its key alone: names, dates and signers are not looked at. The
/// handshake's signature is, or the key would be no proof.
#[derive(Debug)]
pub(crate) struct PinnedKey {
    pub(crate) pin: SpkiPin,
    pub(crate) provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for PinnedKey {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match SpkiPin::of(certificate) {
            Some(found) if found == self.pin => Ok(ServerCertVerified::assertion()),
            Some(found) => Err(Error::General(format!("the server's key has the pin {found}"))),
            None => Err(CertificateError::BadEncoding.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests;
