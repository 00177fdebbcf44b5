//! TLS for the raw client, and the kernel's TLS counters.

use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, SupportedCipherSuite, SupportedProtocolVersion,
};

use super::Server;

/// Trusts a server's automatic certificate. Offers one version, and one suite if given.
pub fn config(
    server: &Server,
    version: &'static SupportedProtocolVersion,
    suite: Option<SupportedCipherSuite>,
) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    let certificate = server.cert.as_ref().expect("an automatic certificate");
    roots.add(CertificateDer::from_pem_file(certificate).expect("PEM")).expect("a certificate");
    let mut provider = aws_lc_rs::default_provider();
    provider.cipher_suites.retain(|offered| suite.is_none_or(|suite| *offered == suite));
    let config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[version])
        .expect("a version and a suite that fit")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config)
}

/// Trusts an authority, and shows a certificate with its key, all in PEM.
pub fn with_certificate(
    authority: &str,
    (cert, key): (&str, &str),
    version: &'static SupportedProtocolVersion,
) -> Arc<ClientConfig> {
    let read = |pem: &str| CertificateDer::from_pem_slice(pem.as_bytes()).expect("PEM");
    let mut roots = RootCertStore::empty();
    roots.add(read(authority)).expect("a certificate");
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("PEM");
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .expect("a version")
        .with_root_certificates(roots)
        .with_client_auth_cert(vec![read(cert)], key)
        .expect("a certificate and its key");
    Arc::new(config)
}

/// A session for the automatic certificate.
pub fn client(config: &Arc<ClientConfig>) -> ClientConnection {
    let name = "localhost".try_into().expect("a name");
    ClientConnection::new(Arc::clone(config), name).expect("a session")
}

/// One of the kernel's TLS counters.
pub fn kernel_count(name: &str) -> u64 {
    let all = std::fs::read_to_string("/proc/net/tls_stat").expect("the kernel's TLS counts");
    let line = all.lines().find_map(|line| line.strip_prefix(name)).expect("the count");
    line.trim().parse().expect("a number")
}
