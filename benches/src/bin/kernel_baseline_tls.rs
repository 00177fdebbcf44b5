//! The floor under TLS: a bare seal of the bytes for each subscriber, then a bare send.
//!
//! As `floor --mode ring`, over TLS 1.3: a connection to `/pub` publishes, one to another path gets
//! every message. After the upgrade a subscriber is a slot of the ring and the key that is sent
//! with; nothing is ever read from it. docs/BENCHMARKS.md, "TLS".

use std::io::{Error, ErrorKind, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Parser;
use rustix::event::{PollFd, PollFlags, poll};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use uringcast_benches::bare_ring::BareRing;
use uringcast_benches::bare_seal::BareSeal;
use uringcast_benches::baseline::{ClientMessages, upgrade};
use uringcast_loadgen::frame::write_header;
use uringcast_loadgen::process;

/// A bare server that seals.
#[derive(Parser)]
struct Args {
    /// Address to listen on.
    #[arg(long, default_value = "127.0.0.1:8700")]
    listen: SocketAddr,
    /// A certificate, PEM.
    #[arg(long)]
    cert: PathBuf,
    /// Its key, PEM.
    #[arg(long)]
    key: PathBuf,
}

type Stream = StreamOwned<ServerConnection, TcpStream>;

/// Registered files of one ring at most.
const MAX_SLOTS: u64 = 1 << 20;
/// Sends of one batch.
const BATCH: usize = 256;

/// The subscribers.
struct Sender {
    ring: BareRing,
    keys: Vec<BareSeal>,
    /// Where a batch is sealed.
    arena: Vec<u8>,
}

impl Sender {
    fn add(&mut self, subscriber: Stream) -> std::io::Result<()> {
        let secrets = subscriber.conn.dangerous_extract_secrets().map_err(Error::other)?;
        self.ring.place(self.keys.len() as u32, &subscriber.sock)?;
        self.keys.push(BareSeal::new(secrets.tx).map_err(Error::other)?);
        Ok(())
    }

    /// Seals for a batch, sends it, and so on. A closed subscriber is kept.
    fn sweep(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        let length = BareSeal::length(bytes.len());
        self.arena.resize(self.arena.len().max(BATCH * length), 0);
        let mut first = 0;
        for batch in self.keys.chunks_mut(BATCH) {
            for (key, record) in batch.iter_mut().zip(self.arena.chunks_mut(length)) {
                key.seal(bytes, record).map_err(Error::other)?;
            }
            let (mut short, mut dead) = (Vec::new(), Vec::new());
            let sends = (first..).zip(self.arena.chunks(length)).take(batch.len());
            self.ring.sweep(sends, &mut short, &mut dead)?;
            for (slot, taken) in short {
                let record = &self.arena[(slot - first) as usize * length..][..length];
                self.ring.finish(record, &mut vec![(slot, taken)], &mut dead)?;
            }
            first += batch.len() as u32;
        }
        Ok(())
    }
}

fn tls(args: &Args) -> Result<Arc<ServerConfig>, Box<dyn std::error::Error>> {
    let chain = CertificateDer::pem_file_iter(&args.cert)?.collect::<Result<_, _>>()?;
    let builder = ServerConfig::builder().with_no_client_auth();
    let mut config = builder.with_single_cert(chain, PrivateKeyDer::from_pem_file(&args.key)?)?;
    config.enable_secret_extraction = true;
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

/// A publisher and what it has sent so far.
struct Publisher {
    stream: Stream,
    messages: ClientMessages,
}

/// Takes what a publisher has sent and sweeps it. Returns whether the publisher is still there.
fn serve(
    publisher: &mut Publisher,
    sender: &mut Sender,
    buffer: &mut [u8],
) -> std::io::Result<bool> {
    let mut out = Vec::new();
    loop {
        let read = match publisher.stream.read(buffer) {
            Ok(0) => return Ok(false),
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(_) => return Ok(false),
        };
        publisher.messages.feed(&buffer[..read], |opcode, payload| {
            write_header(&mut out, opcode, payload.len(), None);
            out.extend_from_slice(payload);
        });
    }
    if !out.is_empty() {
        sender.sweep(&out)?;
    }
    Ok(true)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse();
    let (tls, limit) = (tls(&args)?, process::raise_file_limit()?.min(MAX_SLOTS));
    let (ring, keys, arena) = (BareRing::new(limit as u32)?, Vec::new(), Vec::new());
    let mut sender = Sender { ring, keys, arena };
    let listener = TcpListener::bind(args.listen)?;
    listener.set_nonblocking(true)?;
    eprintln!("floor (TLS) listens on {}", listener.local_addr()?);
    let mut publishers: Vec<Publisher> = Vec::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let mut polled = vec![PollFd::new(&listener, PollFlags::IN)];
        for publisher in &publishers {
            polled.push(PollFd::from_borrowed_fd(publisher.stream.sock.as_fd(), PollFlags::IN));
        }
        poll(&mut polled, None)?;
        let ready: Vec<bool> = polled.iter().map(|fd| !fd.revents().is_empty()).collect();
        let mut there = Vec::new();
        for (publisher, ready) in publishers.iter_mut().zip(&ready[1..]) {
            there.push(!ready || serve(publisher, &mut sender, &mut buffer)?);
        }
        let mut there = there.into_iter();
        publishers.retain(|_| there.next().unwrap_or(true));
        while ready[0]
            && let Ok((socket, _)) = listener.accept()
        {
            socket.set_nodelay(true)?;
            let mut stream = StreamOwned::new(ServerConnection::new(Arc::clone(&tls))?, socket);
            match upgrade(&mut stream).as_deref() {
                Ok("/pub") => {
                    stream.sock.set_nonblocking(true)?;
                    publishers.push(Publisher { stream, messages: ClientMessages::default() });
                }
                Ok(_) => sender.add(stream)?,
                Err(error) => eprintln!("floor: refused: {error}"),
            }
        }
    }
}
