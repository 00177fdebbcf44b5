//! How a canary connects: as any client, to the address clients use.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use futures_util::StreamExt;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{self, CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{self, Message};
use uringcast_engine::{ProbeKey, Proxies, ShardId};

/// What a trusted proxy begins a connection of its own with (PROXY protocol, version 1).
const PROXY_SPEAKS_FOR_ITSELF: &[u8] = b"PROXY UNKNOWN\r\n";

/// A canary's connection.
pub(super) type Socket = WebSocketStream<Box<dyn Stream>>;

/// TCP, or TLS over it.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// Why a canary could not connect.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error(transparent)]
    WebSocket(#[from] tungstenite::Error),
    #[error("it was not welcomed as a client is")]
    Unwelcome,
}

/// Where probes connect, and what opens.
pub struct Connector {
    address: SocketAddr,
    key: ProbeKey,
    tls: Option<TlsConnector>,
    proxies: Proxies,
}

impl Connector {
    /// To the listener at `address`.
    pub fn new(address: SocketAddr, key: ProbeKey, tls: bool) -> Connector {
        let ip = match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        let address = SocketAddr::new(ip, address.port());
        Connector { address, key, tls: tls.then(connector), proxies: Proxies::default() }
    }

    /// Where this address may be one of theirs.
    pub fn with_proxies(self, proxies: Proxies) -> Connector {
        Connector { proxies, ..self }
    }

    /// Connects, and tells which shard the kernel chose.
    pub(super) async fn connect(&self) -> Result<(ShardId, Socket), ConnectError> {
        let mut stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        if self.proxies.protocol && self.proxies.trusts(stream.local_addr()?.ip()) {
            stream.write_all(PROXY_SPEAKS_FOR_ITSELF).await?;
        }
        let stream: Box<dyn Stream> = match &self.tls {
            None => Box::new(stream),
            Some(tls) => {
                let name = ServerName::IpAddress(self.address.ip().into());
                Box::new(tls.connect(name, stream).await?)
            }
        };
        let url = format!("ws://{}{}", self.address, self.key.path());
        let (mut socket, _) = tokio_tungstenite::client_async(url, stream).await?;
        let welcome = socket.next().await.ok_or(ConnectError::Unwelcome)??;
        let id = field(&welcome, "connection_id");
        let shard = id.and_then(|id| ShardId::of_connection(id.as_str()?));
        Ok((shard.ok_or(ConnectError::Unwelcome)?, socket))
    }
}

/// A field of a message's `data`.
pub(super) fn field(message: &Message, name: &str) -> Option<Value> {
    let message: Value = serde_json::from_str(message.to_text().ok()?).ok()?;
    message.get("data")?.get(name).cloned()
}

fn connector() -> TlsConnector {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let trust = Arc::new(AcceptAnyServerCert(Arc::clone(&provider)));
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider knows TLS 1.2 and 1.3")
        .dangerous()
        .with_custom_certificate_verifier(trust)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}

/// Takes whatever certificate the listener serves, if it proves to have its key: which one it
/// serves to whom, and whether others trust it, is not the canary's question. That it is our own
/// engine which answers is shown by the probes: nobody else knows them.
#[derive(Debug)]
struct AcceptAnyServerCert(Arc<CryptoProvider>);

impl ServerCertVerifier for AcceptAnyServerCert {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.0.signature_verification_algorithms;
        crypto::verify_tls12_signature(message, cert, dss, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.0.signature_verification_algorithms;
        crypto::verify_tls13_signature(message, cert, dss, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
