//! The floor: what the kernel asks for putting one message on N sockets.
//!
//! A WebSocket upgrade, then every message of a publisher (path `/pub`) goes as one frame to every
//! other connection. No protocol, no bookkeeping, nothing is ever read from a subscriber. Several
//! publishes that wait together leave as one send per subscriber. Two ways to send: `ring`, one
//! io_uring with registered files, and `loop`, plain `send`. What the two reach, the better of
//! both, is the bar of docs/BENCHMARKS.md. With a certificate the ring sends TLS 1.3 records: a bare
//! seal of the bytes for each subscriber before each send.

use std::collections::HashSet;
use std::io::{Error, ErrorKind, Read, Write};
use std::mem::MaybeUninit;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Parser;
use rustix::event::{PollFd, PollFlags, poll};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use socket2::SockRef;
use tungstenite::handshake::derive_accept_key;
use uringcast_benches::bare_ring::{BATCH, BareRing, Short};
use uringcast_benches::bare_seal::BareSeal;
use uringcast_benches::client::Frames;
use uringcast_benches::descriptors;
use uringcast_engine::wire::frame::{Opcode, header};

/// A bare server: the floor other servers are compared with.
#[derive(Parser)]
struct Args {
    /// How to send.
    #[arg(long, value_parser = ["ring", "loop"], default_value = "ring")]
    mode: String,
    /// Address to listen on.
    #[arg(long, default_value = "127.0.0.1:8700")]
    listen: SocketAddr,
    /// Bytes joined into one send at most.
    #[arg(long, default_value_t = 256 << 10)]
    join: usize,
    /// A certificate, PEM: TLS.
    #[arg(long, requires = "key")]
    cert: Option<PathBuf>,
    /// Its key, PEM.
    #[arg(long)]
    key: Option<PathBuf>,
}

enum Sender {
    /// The ring, the slots in use, and the empty ones.
    Ring(Box<BareRing>, Vec<u32>, Vec<u32>),
    Loop(Vec<TcpStream>),
    /// The ring, the slots with their keys, and where a batch is sealed.
    Sealed(Box<BareRing>, Vec<(u32, BareSeal)>, Vec<u8>),
}

impl Sender {
    fn add(&mut self, subscriber: Line) -> std::io::Result<()> {
        match (self, subscriber) {
            (Sender::Ring(ring, slots, empty), Line::Plain(socket)) => {
                let slot = empty.pop().unwrap_or(slots.len() as u32);
                ring.place(slot, &socket)?;
                slots.push(slot);
            }
            (Sender::Loop(sockets), Line::Plain(socket)) => {
                // Who went without a sweep in between would keep a descriptor for ever.
                if sockets.len() % 4096 == 4095 {
                    sockets.retain(is_there);
                }
                sockets.push(socket);
            }
            (Sender::Sealed(ring, slots, _), Line::Tls(tls)) => {
                let secrets = tls.conn.dangerous_extract_secrets().map_err(Error::other)?;
                let slot = slots.len() as u32;
                ring.place(slot, &tls.sock)?;
                slots.push((slot, BareSeal::new(secrets.tx).map_err(Error::other)?));
            }
            _ => return Err(Error::other("a line of the other kind")),
        }
        Ok(())
    }

    /// Seals and sends, a batch at a time.
    fn sweep_sealed(
        ring: &mut BareRing,
        slots: &mut [(u32, BareSeal)],
        arena: &mut Vec<u8>,
        bytes: &[u8],
    ) -> std::io::Result<()> {
        let length = BareSeal::length(bytes.len());
        arena.resize(arena.len().max(BATCH * length), 0);
        for batch in slots.chunks_mut(BATCH) {
            for ((_, seal), record) in batch.iter_mut().zip(arena.chunks_mut(length)) {
                seal.seal(bytes, record).map_err(Error::other)?;
            }
            let (mut short, mut dead) = (Vec::new(), Vec::new());
            let sends = batch.iter().zip(arena.chunks(length)).map(|((slot, _), r)| (*slot, r));
            ring.batch(sends, &mut short, &mut dead)?;
            // Who has left is sent to in vain from then on.
            for (slot, taken) in short {
                let place = batch.iter().position(|(one, _)| *one == slot).unwrap_or_default();
                let mut rest = vec![(slot, taken)];
                ring.finish(&arena[place * length..][..length], &mut rest, &mut dead)?;
            }
        }
        Ok(())
    }

    /// One send to each, then the rest to those that did not take all.
    fn sweep(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        let (mut short, mut dead): (Vec<Short>, Vec<u32>) = (Vec::new(), Vec::new());
        match self {
            Sender::Ring(ring, slots, empty) => {
                ring.sweep(bytes, slots, &mut short, &mut dead)?;
                ring.finish(bytes, &mut short, &mut dead)?;
                if !dead.is_empty() {
                    let gone: HashSet<u32> = dead.drain(..).collect();
                    slots.retain(|slot| !gone.contains(slot));
                    for slot in &gone {
                        ring.clear(*slot)?;
                    }
                    empty.extend(gone);
                }
            }
            Sender::Loop(sockets) => {
                let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
                for (index, socket) in sockets.iter().enumerate() {
                    match SockRef::from(socket).send_with_flags(bytes, flags) {
                        Ok(taken) if taken == bytes.len() => {}
                        Ok(taken) => short.push((index as u32, taken)),
                        Err(error) if error.kind() == ErrorKind::WouldBlock => {
                            short.push((index as u32, 0));
                        }
                        Err(_) => dead.push(index as u32),
                    }
                }
                for (index, taken) in short {
                    if (&sockets[index as usize]).write_all(&bytes[taken..]).is_err() {
                        dead.push(index);
                    }
                }
                dead.sort_unstable();
                for index in dead.into_iter().rev() {
                    sockets.swap_remove(index as usize);
                }
            }
            Sender::Sealed(ring, slots, arena) => Self::sweep_sealed(ring, slots, arena, bytes)?,
        }
        Ok(())
    }
}

/// A connection.
enum Line {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ServerConnection, TcpStream>>),
}

impl Line {
    fn new(socket: TcpStream, tls: Option<&Arc<ServerConfig>>) -> std::io::Result<Line> {
        let Some(config) = tls else { return Ok(Line::Plain(socket)) };
        let session = ServerConnection::new(Arc::clone(config)).map_err(Error::other)?;
        Ok(Line::Tls(Box::new(StreamOwned::new(session, socket))))
    }

    fn socket(&self) -> &TcpStream {
        match self {
            Line::Plain(socket) => socket,
            Line::Tls(tls) => &tls.sock,
        }
    }
}

impl Read for Line {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Line::Plain(socket) => socket.read(buffer),
            Line::Tls(tls) => tls.read(buffer),
        }
    }
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Line::Plain(socket) => socket.write(bytes),
            Line::Tls(tls) => tls.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Line::Plain(socket) => socket.flush(),
            Line::Tls(tls) => tls.flush(),
        }
    }
}

/// What the certificate calls for.
fn tls(args: &Args) -> Result<Option<Arc<ServerConfig>>, Box<dyn std::error::Error>> {
    let (Some(cert), Some(key)) = (&args.cert, &args.key) else { return Ok(None) };
    let chain = CertificateDer::pem_file_iter(cert)?.collect::<Result<_, _>>()?;
    let builder = ServerConfig::builder().with_no_client_auth();
    let mut config = builder.with_single_cert(chain, PrivateKeyDer::from_pem_file(key)?)?;
    config.enable_secret_extraction = true;
    config.send_tls13_tickets = 0;
    Ok(Some(Arc::new(config)))
}

/// Whether the peer has not closed.
fn is_there(socket: &TcpStream) -> bool {
    let flags = libc::MSG_PEEK | libc::MSG_DONTWAIT;
    !matches!(SockRef::from(socket).recv_with_flags(&mut [MaybeUninit::uninit()], flags), Ok(0))
}

/// Reads the request and upgrades. Says whether it is a publisher.
fn upgrade(stream: &mut Line) -> std::io::Result<bool> {
    let mut request = Vec::new();
    let mut buffer = [0; 2048];
    while !request.ends_with(b"\r\n\r\n") {
        let read = stream.read(&mut buffer)?;
        if read == 0 || request.len() > 16 << 10 {
            return Err(ErrorKind::InvalidData.into());
        }
        request.extend_from_slice(&buffer[..read]);
    }
    let request = String::from_utf8_lossy(&request);
    let key = request.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "));
    let accept = derive_accept_key(key.ok_or(ErrorKind::InvalidData)?.trim().as_bytes());
    write!(
        stream,
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    )?;
    stream.flush()?;
    stream.socket().set_nodelay(true)?;
    Ok(request.starts_with("GET /pub"))
}

/// A publisher and what it has sent so far.
struct Publisher {
    stream: Line,
    frames: Frames,
}

/// Takes what a publisher has sent and sweeps it. Returns whether the publisher is still there.
fn serve(
    publisher: &mut Publisher,
    sender: &mut Sender,
    buffer: &mut [u8],
    join: usize,
) -> std::io::Result<bool> {
    let mut out = Vec::new();
    loop {
        let read = match publisher.stream.read(buffer) {
            Ok(0) => return Ok(false),
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(_) => return Ok(false),
        };
        let mut failed = None;
        publisher.frames.feed(&buffer[..read], |opcode, payload| {
            if opcode != Opcode::Text && opcode != Opcode::Binary {
                return;
            }
            if !out.is_empty() && out.len() + payload.len() > join {
                failed = failed.take().or(sender.sweep(&out).err());
                out.clear();
            }
            header(opcode, payload.len(), &mut out);
            out.extend_from_slice(payload);
        });
        if let Some(error) = failed {
            return Err(error);
        }
        if read < buffer.len() && matches!(publisher.stream, Line::Plain(_)) {
            break;
        }
    }
    if !out.is_empty() {
        sender.sweep(&out)?;
    }
    Ok(true)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse();
    let tls = tls(&args)?;
    let limit = descriptors::raise();
    let mut sender = match args.mode.as_str() {
        _ if tls.is_some() => {
            Sender::Sealed(Box::new(BareRing::new(limit as u32)?), Vec::new(), Vec::new())
        }
        "ring" => Sender::Ring(Box::new(BareRing::new(limit as u32)?), Vec::new(), Vec::new()),
        _ => Sender::Loop(Vec::new()),
    };
    let listener = TcpListener::bind(args.listen)?;
    listener.set_nonblocking(true)?;
    eprintln!("floor ({}) listens on {}", args.mode, listener.local_addr()?);
    let mut publishers: Vec<Publisher> = Vec::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let mut polled = vec![PollFd::new(&listener, PollFlags::IN)];
        for publisher in &publishers {
            polled.push(PollFd::from_borrowed_fd(publisher.stream.socket().as_fd(), PollFlags::IN));
        }
        poll(&mut polled, None)?;
        let ready: Vec<bool> = polled.iter().map(|fd| !fd.revents().is_empty()).collect();
        let mut there = Vec::new();
        for (publisher, ready) in publishers.iter_mut().zip(&ready[1..]) {
            there.push(!ready || serve(publisher, &mut sender, &mut buffer, args.join)?);
        }
        let mut there = there.into_iter();
        publishers.retain(|_| there.next().unwrap_or(true));
        while ready[0]
            && let Ok((socket, _)) = listener.accept()
        {
            let mut stream = Line::new(socket, tls.as_ref())?;
            match upgrade(&mut stream) {
                Ok(true) => {
                    stream.socket().set_nonblocking(true)?;
                    publishers.push(Publisher { stream, frames: Frames::default() });
                }
                Ok(false) => sender.add(stream)?,
                Err(error) => eprintln!("floor: refused: {error}"),
            }
        }
    }
}
