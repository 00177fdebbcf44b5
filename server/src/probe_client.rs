//! What the clients within the server share: the self-probes and `verify`.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use parking_lot::Mutex;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WantsClientCert, WebPkiServerVerifier};
use rustls::crypto::{self, WebPkiSupportedAlgorithms, aws_lc_rs};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ConfigBuilder, DigitallySignedStruct, SignatureScheme};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use uringcast_engine::Proxies;

/// TCP, or TLS over it.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// Where to connect for an address that means every address.
pub(crate) fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        let v6 = address.is_ipv6();
        address.set_ip(if v6 { Ipv6Addr::LOCALHOST.into() } else { Ipv4Addr::LOCALHOST.into() });
    }
    address
}

/// The header of a connection that a trusted proxy opens for itself (PROXY protocol, version 1).
const PROXY_SPEAKS_FOR_ITSELF: &[u8] = b"PROXY UNKNOWN\r\n";

/// Sends the PROXY header that a listener with these proxies expects of a connection from here.
pub(crate) async fn introduce(stream: &mut TcpStream, proxies: &Proxies) -> io::Result<()> {
    if proxies.protocol && proxies.trusts(stream.local_addr()?.ip()) {
        stream.write_all(PROXY_SPEAKS_FOR_ITSELF).await?;
    }
    Ok(())
}

/// The result of checking a server's certificate.
#[derive(Clone, Debug)]
pub(crate) struct CertVerdict {
    pub(crate) leaf: CertificateDer<'static>,
    pub(crate) trust: Result<(), rustls::Error>,
}

/// Checks a server's certificate and records the result. The server must always prove that it has
/// the certificate's key.
#[derive(Debug)]
pub(crate) struct RecordingVerifier {
    /// Checks the chain and the name; `None` accepts every certificate.
    chain: Option<Arc<WebPkiServerVerifier>>,
    algorithms: WebPkiSupportedAlgorithms,
    verdict: Mutex<Option<CertVerdict>>,
}

impl RecordingVerifier {
    /// A verifier that leaves chain and name to `chain`.
    pub(crate) fn new(chain: Option<Arc<WebPkiServerVerifier>>) -> Arc<RecordingVerifier> {
        let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms;
        Arc::new(RecordingVerifier { chain, algorithms, verdict: Mutex::default() })
    }

    /// The last result.
    pub(crate) fn verdict(&self) -> Option<CertVerdict> {
        self.verdict.lock().clone()
    }

    /// A client's configuration with this verifier.
    pub(crate) fn config(self: &Arc<Self>) -> ConfigBuilder<ClientConfig, WantsClientCert> {
        ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("the provider knows TLS 1.2 and 1.3")
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(self) as _)
    }
}

impl ServerCertVerifier for RecordingVerifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(chain) = &self.chain else { return Ok(ServerCertVerified::assertion()) };
        let verified = chain.verify_server_cert(leaf, between, name, ocsp, now);
        let trust = verified.as_ref().map(|_| ()).map_err(Clone::clone);
        let verdict = CertVerdict { leaf: leaf.clone().into_owned(), trust };
        *self.verdict.lock() = Some(verdict);
        verified
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        crypto::verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        crypto::verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
