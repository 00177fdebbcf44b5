//! What is kept of a client's certificate.

use std::collections::HashSet;

/// A certificate that a client has shown, and that was verified.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The common name of its subject; empty without one.
    pub name: Box<str>,
    /// What distinguishes it from all others.
    pub id: CertificateId,
}

/// Issuer, as DER has it, and serial number, without leading zeros: what revocation lists name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct CertificateId {
    /// The issuer's name in DER.
    pub issuer: Box<[u8]>,
    /// Big-endian, without leading zeros.
    pub serial: Box<[u8]>,
}

impl CertificateId {
    /// Of these bytes; a serial number may have leading zeros.
    pub fn new(issuer: &[u8], serial: &[u8]) -> CertificateId {
        let zeros = serial.iter().take_while(|byte| **byte == 0).count();
        CertificateId { issuer: issuer.into(), serial: serial[zeros..].into() }
    }
}

/// Certificates that count no more.
pub type RevokedCertificates = HashSet<CertificateId>;
