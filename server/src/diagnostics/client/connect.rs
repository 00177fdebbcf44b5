//! Connecting to the server as a client does: by its name, and with TLS that is really checked.

use std::fmt::Display;
use std::net::{SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use uringcast_engine::Proxies;

use super::refusal::Refusal;
use super::tls_trust::{self, ClientCertResolver};
use crate::diagnostics::check_report::{Finding, Outcome, fail, failure, note};
use crate::limits::CLOSE_PATIENCE;
use crate::probe_client::{CertVerdict, RecordingVerifier, Stream, introduce, reachable};
use crate::settings::value::CertKey;

/// A port and how it is connected to.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// A name or an address, without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// `None` without TLS.
    pub(crate) tls: Option<Trust>,
    /// The proxies that the listener trusts, as far as that is known.
    pub(crate) proxies: Proxies,
    /// For each step.
    pub(crate) timeout: Duration,
}

/// Which certificates a client accepts and shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Trust {
    /// Authorities to trust instead of the system's.
    pub(crate) ca_file: Option<PathBuf>,
    /// The client's own certificate.
    pub(crate) own: Option<CertKey>,
    /// Accept every certificate.
    pub(crate) any: bool,
}

/// The way to the clients' port, or to another one.
pub(crate) struct ServerConnector {
    /// As given, in brackets if it is an IPv6 address.
    pub(crate) host: String,
    address: SocketAddr,
    tls: Option<TlsConnectorParts>,
    proxies: Proxies,
    /// For each step.
    step_timeout: Duration,
}

const START: &str = "Start the server, or give its --host and --port: it prints both, after \
                     \"listening\", when it starts.";

struct TlsConnectorParts {
    name: ServerName<'static>,
    verifier: Arc<RecordingVerifier>,
    client_cert: Arc<ClientCertResolver>,
    connector: TlsConnector,
}

/// An IPv6 address as URLs have it.
pub(crate) fn bracketed(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}

impl ServerConnector {
    /// Resolves the server's address, and checks whether it accepts a connection.
    pub(crate) async fn open(target: &Target) -> Result<(ServerConnector, Outcome), Finding> {
        let Target { host, port, tls, proxies, timeout: step_timeout } = target;
        let step_timeout = *step_timeout;
        let tls = tls.as_ref().map(|trust| TlsConnectorParts::new(host, trust)).transpose()?;
        let remedy = "Give the server's name or address.";
        let found = timeout(step_timeout, lookup_host((host.as_str(), *port)))
            .await
            .map_err(|_| failure(format!("{host}: no answer from DNS"), "Look at the resolver."))?;
        let found = found.map_err(|error| failure(format!("{host}: {error}"), remedy))?;
        let mut addresses = found.map(reachable).peekable();
        let Some(&address) = addresses.peek() else {
            return fail(format!("{host} has no address"), remedy);
        };
        let mut connector = ServerConnector {
            host: bracketed(host),
            address,
            tls,
            proxies: proxies.clone(),
            step_timeout,
        };
        let mut connected = Ok(String::new());
        for address in addresses {
            let start = Instant::now();
            connected = match connector.connect_as_client(address).await {
                Ok(_) => {
                    let ms = start.elapsed().as_secs_f64() * 1e3;
                    connector.address = address;
                    return Ok((connector, Ok(format!("{address} in {ms:.1} ms"))));
                }
                Err(reason) => fail(format!("{address}: {reason}"), START),
            };
        }
        Ok((connector, connected))
    }

    /// Where a plain port of the server is: at its address, or on loopback if it is here.
    pub(crate) async fn locate(&self, given: Option<u16>, default: u16) -> Option<SocketAddr> {
        let local = self.is_local();
        let port = given.or(local.then_some(default))?;
        let at = SocketAddr::new(self.address.ip(), port);
        let inside = SocketAddr::from(([127, 0, 0, 1], port));
        if local && self.connect(at).await.is_err() && self.connect(inside).await.is_ok() {
            return Some(inside);
        }
        Some(at)
    }

    /// Whether the server is on this machine.
    pub(crate) fn is_local(&self) -> bool {
        UdpSocket::bind((self.address.ip(), 0)).is_ok()
    }

    /// How long a step may take.
    pub(crate) fn step_timeout(&self) -> Duration {
        self.step_timeout
    }

    /// The `Host` of HTTP requests.
    pub(crate) fn authority(&self) -> String {
        format!("{}:{}", self.host, self.address.port())
    }

    /// A connection to the clients' port, through TLS where it has it.
    ///
    /// # Errors
    /// The reason in words.
    pub(crate) async fn client(&self) -> Result<Box<dyn Stream>, String> {
        let stream = self.connect_as_client(self.address).await?;
        match &self.tls {
            None => Ok(Box::new(stream)),
            Some(tls) => Ok(Box::new(self.with_timeout(tls.handshake(stream)).await?)),
        }
    }

    /// The same.
    ///
    /// # Errors
    /// What it was probably due to.
    pub(crate) async fn connected(&self) -> Result<Box<dyn Stream>, Finding> {
        self.client().await.map_err(|reason| self.explain("connecting", reason))
    }

    /// What a failed connection, with this reason in words, was probably due to.
    pub(crate) fn explain(&self, what: &str, reason: String) -> Finding {
        let refusal = Refusal(reason);
        let Some(tls) = &self.tls else { return refusal.finding(what) };
        if let Some(verdict @ CertVerdict { trust: Err(_), .. }) = tls.verifier.verdict()
            && let Err(mut finding) = verdict.outcome(&self.host)
        {
            finding.found = format!("the server's certificate: {}", finding.found);
            return finding;
        }
        match tls.client_cert.refused(&refusal.0) {
            Err(finding) if tls.client_cert.was_requested() => finding,
            _ => refusal.finding(what),
        }
    }

    /// Makes one TLS handshake. Returns the findings on the handshake and on the certificate.
    pub(crate) async fn check_handshake(&self) -> (Outcome, Outcome) {
        let Some(tls) = &self.tls else { unreachable!("only asked with TLS") };
        let mut handshake = match self.connect_as_client(self.address).await {
            Ok(stream) => self.with_timeout(tls.handshake(stream)).await,
            Err(reason) => Err(reason),
        };
        let was_requested = tls.client_cert.was_requested();
        if let Ok(stream) = &mut handshake {
            // With TLS 1.3 the server checks the client's certificate after the client's Finished.
            // Without that there is nothing to learn, but a socket that is closed with unread bytes
            // is reset.
            let verdict = self.with_timeout(health(stream)).await;
            if was_requested {
                handshake = verdict.and(handshake);
            }
        }
        let verdict = tls.verifier.verdict();
        let handshake = match &handshake {
            Ok(stream) => {
                let connection = stream.get_ref().1;
                let version = connection.protocol_version().map(|v| format!("{v:?}"));
                let suite = connection.negotiated_cipher_suite().map(|s| s.suite());
                let suite = suite.and_then(|suite| suite.as_str()).unwrap_or_default();
                Ok(format!("{} {suite}", version.unwrap_or_default().replace('_', ".")))
            }
            Err(_) if matches!(&verdict, Some(CertVerdict { trust: Err(_), .. })) => {
                fail("broken off: the certificate does not hold", "See certificate.")
            }
            Err(reason) if was_requested => tls.client_cert.refused(reason),
            Err(reason) => fail(reason, "Leave --tls out if the port is plain ws."),
        };
        let certificate = match verdict {
            Some(verdict) => verdict.outcome(&self.host),
            None => note("not seen", ""),
        };
        (handshake, certificate)
    }

    /// A TCP connection to the clients' port, with the header that it expects.
    async fn connect_as_client(&self, address: SocketAddr) -> Result<TcpStream, String> {
        let mut stream = self.connect(address).await?;
        self.with_timeout(introduce(&mut stream, &self.proxies)).await?;
        Ok(stream)
    }

    /// A TCP connection.
    ///
    /// # Errors
    /// The reason in words.
    pub(crate) async fn connect(&self, address: SocketAddr) -> Result<TcpStream, String> {
        let stream = self.with_timeout(TcpStream::connect(address)).await?;
        // Without it the probe takes longer, and that is all.
        let _ = stream.set_nodelay(true);
        Ok(stream)
    }

    /// Waits for a step no longer than a step may take.
    ///
    /// # Errors
    /// The reason in words.
    pub(crate) async fn with_timeout<T, E: Display>(
        &self,
        step: impl Future<Output = Result<T, E>>,
    ) -> Result<T, String> {
        match timeout(self.step_timeout, step).await {
            Ok(ended) => ended.map_err(|error| error.to_string()),
            Err(_) => Err(format!("no answer for {} s", self.step_timeout.as_secs())),
        }
    }
}

/// Sends a request, waits for the first byte of the answer, and reads to its end.
async fn health(stream: &mut (impl Stream + ?Sized)) -> std::io::Result<()> {
    stream.write_all(b"GET /health HTTP/1.1\r\nHost: verify\r\nConnection: close\r\n\r\n").await?;
    stream.read_u8().await?;
    read_out(stream).await;
    Ok(())
}

/// Ends our side of a connection and reads the other to its end.
pub(super) async fn read_out(stream: &mut (impl Stream + ?Sized)) {
    let mut rest = [0; 1_024];
    // What goes wrong here has no effect on what was found before.
    let _ = timeout(CLOSE_PATIENCE, async {
        let _ = stream.shutdown().await;
        while let Ok(1..) = stream.read(&mut rest).await {}
    })
    .await;
}

impl TlsConnectorParts {
    fn new(host: &str, trust: &Trust) -> Result<TlsConnectorParts, Finding> {
        let Ok(name) = ServerName::try_from(host.to_owned()) else {
            return fail(format!("{host:?} is no name"), "Give a name or an address.");
        };
        let verifier = match trust.any {
            true => RecordingVerifier::new(None),
            false => tls_trust::verifier(trust.ca_file.as_deref())?,
        };
        let client_cert = Arc::new(ClientCertResolver::new(trust.own.as_ref())?);
        let config = verifier.config().with_client_cert_resolver(Arc::clone(&client_cert) as _);
        let connector = TlsConnector::from(Arc::new(config));
        Ok(TlsConnectorParts { name, verifier, client_cert, connector })
    }

    fn handshake(&self, stream: TcpStream) -> tokio_rustls::Connect<TcpStream> {
        self.connector.connect(self.name.clone(), stream)
    }
}
