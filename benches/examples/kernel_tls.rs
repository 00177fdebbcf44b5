//! What a send costs with TLS in user space and in the kernel. Under `scripts/ktls-vm --count` the
//! nanoseconds it prints are instructions executed, of the program and the kernel together.
//!
//! Only the sends are timed; the peer reads between them and opens nothing.
#![allow(clippy::unwrap_used, reason = "a measurement may panic")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Instant;

use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::{TcpTlsTx, TcpUlp, TlsCryptoInfo};
use rustls::crypto::aws_lc_rs::{self, cipher_suite::TLS13_AES_128_GCM_SHA256};
use rustls::pki_types::PrivateKeyDer;
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::ConnectionState;
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig};

const SIZES: [usize; 5] = [128, 1 << 10, 4 << 10, 8 << 10, 16 << 10];
const ROUNDS: usize = 200;
/// The largest message as a record.
const ROOM: usize = (16 << 10) + 64;

fn sockets() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let ours = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    ours.set_nodelay(true).unwrap();
    (ours, listener.accept().unwrap().0)
}

/// A session after its handshake, made in memory.
fn session() -> UnbufferedServerConnection {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let mut provider = aws_lc_rs::default_provider();
    provider.cipher_suites = vec![TLS13_AES_128_GCM_SHA256];
    let provider = Arc::new(provider);
    let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let client = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = "localhost".try_into().unwrap();
    let mut client = ClientConnection::new(Arc::new(client), name).unwrap();
    let mut session = UnbufferedServerConnection::new(Arc::new(server)).unwrap();
    let (mut from_client, mut to_client) = (Vec::new(), Vec::new());
    loop {
        while client.wants_write() {
            client.write_tls(&mut from_client).unwrap();
        }
        let status = session.process_tls_records(&mut from_client);
        let discard = status.discard;
        let done = match status.state.unwrap() {
            ConnectionState::EncodeTlsData(mut data) => {
                let mut record = vec![0; ROOM];
                let len = data.encode(&mut record).unwrap();
                to_client.extend_from_slice(&record[..len]);
                false
            }
            ConnectionState::TransmitTlsData(data) => {
                data.done();
                while !to_client.is_empty() {
                    let read = client.read_tls(&mut to_client.as_slice()).unwrap();
                    to_client.drain(..read);
                    client.process_new_packets().unwrap();
                }
                false
            }
            ConnectionState::WriteTraffic(_) => true,
            _ => false,
        };
        from_client.drain(..discard);
        if done {
            return session;
        }
    }
}

/// Nanoseconds of one `send` of `size` bytes, which the peer reads as `sealed` bytes.
fn time(peer: &mut TcpStream, sealed: usize, mut send: impl FnMut()) -> u128 {
    let mut buffer = vec![0; sealed];
    let mut spent = 0;
    for round in 0..2 * ROUNDS {
        let start = Instant::now();
        send();
        // The first half warms up.
        if round >= ROUNDS {
            spent += start.elapsed().as_nanos();
        }
        peer.read_exact(&mut buffer).unwrap();
    }
    spent / ROUNDS as u128
}

fn main() {
    println!("bytes   plain   user    kernel");
    let mut session = session();
    for size in SIZES {
        // A header of 5, a type of 1 and a tag of 16. RFC 8446, 5.2.
        let (message, sealed) = (vec![7; size], size + 22);
        let (mut ours, mut peer) = sockets();
        let plain = time(&mut peer, size, || ours.write_all(&message).unwrap());

        let mut record = vec![0; ROOM];
        let user = time(&mut peer, sealed, || {
            let status = session.process_tls_records(&mut []);
            let Ok(ConnectionState::WriteTraffic(mut traffic)) = status.state else {
                unreachable!("nothing else is under way")
            };
            let len = traffic.encrypt(&message, &mut record).unwrap();
            ours.write_all(&record[..len]).unwrap();
        });

        let (mut ours, mut peer) = sockets();
        let info = libc::tls_crypto_info {
            version: libc::TLS_1_3_VERSION,
            cipher_type: libc::TLS_CIPHER_AES_GCM_128,
        };
        let (iv, key, salt, rec_seq) = ([0; 8], [0; 16], [0; 4], [0; 8]);
        let keys = libc::tls12_crypto_info_aes_gcm_128 { info, iv, key, salt, rec_seq };
        let kernel = setsockopt(&ours, TcpUlp::default(), b"tls")
            .and_then(|()| setsockopt(&ours, TcpTlsTx, &TlsCryptoInfo::Aes128Gcm(keys)))
            .map(|()| time(&mut peer, sealed, || ours.write_all(&message).unwrap()));
        let kernel = kernel.map_or_else(|error| error.to_string(), |ns| ns.to_string());
        println!("{size:<7} {plain:<7} {user:<7} {kernel}");
    }
}
