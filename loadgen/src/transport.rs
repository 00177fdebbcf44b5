//! A connection, plain or TLS, and its two addresses.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::Arc;

use nix::sys::socket::{setsockopt, sockopt::IpBindAddressNoPort};
use rustls::HandshakeKind;
use rustls::client::{ClientConfig, ClientConnection};
use rustls::pki_types::ServerName;
use socket2::{Domain, Socket, Type};

/// TLS as a client.
#[derive(Debug, Clone)]
pub struct Tls {
    /// How to verify.
    pub config: Arc<ClientConfig>,
    /// The name in the server's certificate.
    pub server: ServerName<'static>,
}

/// Where to connect.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// As given, for messages.
    pub url: String,
    /// Where the server listens; connections take them by turns. Never empty.
    pub addresses: Vec<SocketAddr>,
    /// Host and port for the `Host` header.
    pub host: String,
    /// Path and query of the request.
    pub path: String,
    /// For wss.
    pub tls: Option<Tls>,
}

/// A TLS connection's socket, which notes whether a read took all it had. The count that rustls
/// returns does not tell: near the end of a long record it offers less than its usual buffer.
struct TlsSocket<'a> {
    stream: &'a mut TcpStream,
    dry: &'a mut bool,
}

impl Read for TlsSocket<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.stream.read(buffer)?;
        *self.dry = count < buffer.len();
        Ok(count)
    }
}

/// One open connection.
#[derive(Debug)]
pub struct Transport {
    /// The socket.
    pub stream: TcpStream,
    tls: Option<Box<ClientConnection>>,
    /// The last read of a TLS socket took all it had.
    dry: bool,
}

impl Transport {
    /// Begins to connect the `number`-th connection, from `source` if one is given; the first
    /// write or read reports how it went. `tls` is the endpoint's, or the connection's own.
    ///
    /// # Errors
    /// The kernel's, e.g. out of descriptors or ports.
    pub fn connect(
        endpoint: &Endpoint,
        number: u32,
        tls: Option<&Tls>,
        source: Option<IpAddr>,
    ) -> io::Result<Self> {
        let address = endpoint.addresses[number as usize % endpoint.addresses.len()];
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        if let Some(source) = source {
            // The port is chosen when connecting, so that one serves several address pairs.
            setsockopt(&socket, IpBindAddressNoPort, &true)?;
            socket.bind(&SocketAddr::new(source, 0).into())?;
        }
        if let Err(error) = socket.connect(&address.into())
            && error.raw_os_error() != Some(nix::libc::EINPROGRESS)
        {
            return Err(error);
        }
        Self::over(socket.into(), tls)
    }

    /// A connection over this socket, blocking if it is.
    ///
    /// # Errors
    /// When TLS cannot be configured so.
    pub fn over(stream: TcpStream, tls: Option<&Tls>) -> io::Result<Self> {
        let connection = |Tls { config, server }: &Tls| {
            let connection = ClientConnection::new(Arc::clone(config), server.clone());
            connection.map(Box::new).map_err(io::Error::other)
        };
        Ok(Self { stream, tls: tls.map(connection).transpose()?, dry: false })
    }

    /// The kind of the TLS handshake, once it is over.
    pub fn handshake_kind(&self) -> Option<HandshakeKind> {
        self.tls.as_ref()?.handshake_kind()
    }

    /// Reads what is there, as plaintext. `WouldBlock` when nothing is, 0 at the end.
    ///
    /// # Errors
    /// The socket's; `InvalidData` for what TLS refuses.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else { return self.stream.read(buffer) };
        loop {
            match tls.reader().read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(0),
                done => return done,
            }
            tls.read_tls(&mut TlsSocket { stream: &mut self.stream, dry: &mut self.dry })?;
            let processed = tls.process_new_packets();
            // Also after an error: the alert reports the reason to the server. It may be lost.
            let written = write_records(tls, &mut self.stream);
            processed.map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
            written?;
        }
    }

    /// Reads all that is there now, part by part, or with `closing` up to the end. Returns whether
    /// more may come.
    ///
    /// # Errors
    /// As [`Transport::read`], and those of `take`.
    pub fn read_all<E: From<io::Error>>(
        &mut self,
        buffer: &mut [u8],
        closing: bool,
        mut take: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<bool, E> {
        loop {
            match self.read(buffer) {
                Ok(0) => return Ok(false),
                Ok(count) => {
                    take(&buffer[..count])?;
                    if !closing && self.drained(count, buffer.len()) {
                        return Ok(true);
                    }
                }
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock | ErrorKind::NotConnected => return Ok(true),
                    ErrorKind::Interrupted => {}
                    _ => return Err(error.into()),
                },
            }
        }
    }

    /// Whether a read of `count` bytes into a buffer of `size` took all there was: a socket under
    /// edge-triggered polling is drained by a short read (epoll(7)).
    pub fn drained(&self, count: usize, size: usize) -> bool {
        count < size && (self.tls.is_none() || self.dry)
    }

    /// Writes as much of `out` as the socket takes and removes it from there.
    ///
    /// # Errors
    /// The socket's.
    pub fn write(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        let Some(tls) = &mut self.tls else {
            while !out.is_empty() {
                match self.stream.write(out) {
                    Ok(count) => drop(out.drain(..count)),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) => return Err(error),
                }
            }
            return Ok(());
        };
        while !out.is_empty() {
            let taken = tls.writer().write(out)?;
            out.drain(..taken);
            write_records(tls, &mut self.stream)?;
            if taken == 0 {
                break;
            }
        }
        write_records(tls, &mut self.stream)
    }

    /// Whether bytes accepted by [`Transport::write`] still wait for the socket.
    pub fn has_pending_writes(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.wants_write())
    }
}

fn write_records(tls: &mut ClientConnection, stream: &mut TcpStream) -> io::Result<()> {
    while tls.wants_write() {
        match tls.write_tls(stream) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
