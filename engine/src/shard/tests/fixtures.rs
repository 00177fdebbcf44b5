//! What the tests of the shard have in common.

use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Instant;

use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig};

use crate::config::tapped;
use crate::shard::delivery_ring::{Ring, ring_config};
use crate::shard::io::Delivery;
use crate::shard::tls::{Opened, TlsSession};
use crate::types::ConnectionKey;

/// Connected sockets: ours and the peer's.
pub(in crate::shard) fn sockets() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (ours, _) = listener.accept().unwrap();
    ours.set_nodelay(true).unwrap();
    (ours, peer)
}

/// A write sink without TLS and `count` peers, in the slots from 0 on.
pub(in crate::shard) fn plain(count: u32) -> (Delivery, Vec<TcpStream>) {
    let ring = Ring::new(&ring_config(count as usize + 1)).unwrap();
    connect(Delivery::new(ring, 0, Instant::now()), count)
}

/// Puts sockets into the slots from 0 on.
pub(in crate::shard) fn connect(mut delivery: Delivery, count: u32) -> (Delivery, Vec<TcpStream>) {
    let mut peers = Vec::new();
    for slot in 0..count {
        let (ours, peer) = sockets();
        delivery.ring.place(key(slot).into(), &ours).unwrap();
        peers.push(peer);
    }
    (delivery, peers)
}

/// The key of a slot's first life.
pub(in crate::shard) fn key(index: u32) -> ConnectionKey {
    ConnectionKey { index, generation: 0 }
}

/// A certificate for localhost, as both sides want it.
pub(in crate::shard) fn tls_configs(
    version: &'static rustls::SupportedProtocolVersion,
) -> (Arc<ServerConfig>, Arc<ClientConfig>) {
    tls_configs_of(version, Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
}

/// As `tls_configs`, with the suites of `provider` only.
pub(in crate::shard) fn tls_configs_of(
    version: &'static rustls::SupportedProtocolVersion,
    provider: Arc<rustls::crypto::CryptoProvider>,
) -> (Arc<ServerConfig>, Arc<ClientConfig>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate = CertificateDer::from(made.cert.der().to_vec());
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let mut server = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    server.enable_secret_extraction = true;
    let client = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    (tapped(&server), Arc::new(client))
}

/// A client that trusts the certificate of `tls_configs`.
pub(in crate::shard) fn tls_client(config: Arc<ClientConfig>) -> ClientConnection {
    ClientConnection::new(config, "localhost".try_into().unwrap()).unwrap()
}

/// All that the client wants to send.
pub(in crate::shard) fn client_bytes(client: &mut ClientConnection) -> Vec<u8> {
    let mut bytes = Vec::new();
    while client.wants_write() {
        client.write_tls(&mut bytes).unwrap();
    }
    bytes
}

/// Gives the client bytes from the server; returns the plaintext in them.
pub(in crate::shard) fn client_reads(
    client: &mut ClientConnection,
    mut bytes: &[u8],
) -> Result<Vec<u8>, rustls::Error> {
    let mut plain = Vec::new();
    while !bytes.is_empty() {
        client.read_tls(&mut bytes).unwrap();
        let state = client.process_new_packets()?;
        let start = plain.len();
        plain.resize(start + state.plaintext_bytes_to_read(), 0);
        std::io::Read::read_exact(&mut client.reader(), &mut plain[start..]).unwrap();
    }
    Ok(plain)
}

/// Both sides after their handshake; the client's bytes come in pieces of `piece`.
pub(in crate::shard) fn handshake(
    version: &'static rustls::SupportedProtocolVersion,
    piece: usize,
) -> (TlsSession, ClientConnection) {
    handshake_of(tls_configs(version), piece, false)
}

/// As `handshake`; `keeps`: rustls makes the records.
pub(in crate::shard) fn handshake_of(
    (server, client): (Arc<ServerConfig>, Arc<ClientConfig>),
    piece: usize,
    keeps: bool,
) -> (TlsSession, ClientConnection) {
    let mut session = TlsSession::new(server, keeps).unwrap();
    let mut client = tls_client(client);
    let mut opened = Opened::default();
    while !opened.established || client.is_handshaking() {
        for piece in client_bytes(&mut client).chunks_mut(piece) {
            opened = session.open(piece, &mut Vec::new()).unwrap();
        }
        assert_eq!(client_reads(&mut client, &session.take_pending()).unwrap(), b"");
    }
    (session, client)
}
