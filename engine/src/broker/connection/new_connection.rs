//! What the broker is told of a new connection.

use std::net::SocketAddr;

use crate::types::{ClientCertificate, ServiceId, TlsMode};
use crate::wire::Secret;
use crate::wire::deflate::Deflate;
use crate::wire::event_stream::StreamRequest;

/// How an HTTP upgrade ended: what `Hub::admit` takes.
#[derive(Clone, Debug)]
pub struct Admission {
    /// The service of the listener that accepted it.
    pub service: ServiceId,
    /// The other end.
    pub peer: SocketAddr,
    /// What protects it.
    pub tls_mode: TlsMode,
    /// What the client has shown in the TLS handshake.
    pub certificate: Option<Box<ClientCertificate>>,
    /// The server is full: close with 1013 right away.
    pub over_capacity: bool,
    /// What the upgrade carried.
    pub token: Option<Secret>,
    /// What was agreed on compression.
    pub deflate: Option<Deflate>,
    /// An internal probe: not counted, limited or authenticated.
    pub probe: bool,
    /// What it asks for, if it is to be a stream of events.
    pub stream: Option<Box<StreamRequest>>,
    /// What is written before anything else: the response to the upgrade request, in one write
    /// with the welcome.
    pub response: Vec<u8>,
}

impl Admission {
    /// A client's, without TLS and without a token.
    pub fn plain(peer: SocketAddr) -> Admission {
        Admission {
            service: ServiceId(0),
            peer,
            tls_mode: TlsMode::Plain,
            certificate: None,
            over_capacity: false,
            token: None,
            deflate: None,
            probe: false,
            stream: None,
            response: Vec::new(),
        }
    }
}
