//! A non-blocking connection, plain or TLS, and where it comes from and goes to.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;

use nix::sys::socket::{setsockopt, sockopt::IpBindAddressNoPort};
use rustls::client::ClientConnection;
use rustls::pki_types::ServerName;
use socket2::{Domain, Socket, Type};

/// TLS as a client: how to verify, and whom.
#[derive(Debug, Clone)]
pub(crate) struct Tls {
    pub(crate) config: Arc<rustls::ClientConfig>,
    pub(crate) server: ServerName<'static>,
}

/// Where to connect.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    /// As given, for messages.
    pub(crate) url: String,
    pub(crate) address: SocketAddr,
    /// Host and port for the `Host` header.
    pub(crate) host: String,
    pub(crate) path: String,
    pub(crate) tls: Option<Tls>,
}

/// The `index`-th of the loopback addresses 127.0.0.1, 127.0.0.2, …
pub(crate) fn loopback_source(index: u32) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from_bits(Ipv4Addr::LOCALHOST.to_bits() + index))
}

/// One open connection.
#[derive(Debug)]
pub(crate) struct Transport {
    pub(crate) stream: TcpStream,
    tls: Option<Box<ClientConnection>>,
}

impl Transport {
    /// Begins to connect, from `source` if one is given; the first write or read reports how it
    /// went.
    ///
    /// # Errors
    /// The kernel's, e.g. out of descriptors or ports.
    pub(crate) fn connect(endpoint: &Endpoint, source: Option<IpAddr>) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(endpoint.address), Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        if let Some(source) = source {
            // The port is chosen when connecting, so that one serves several address pairs.
            setsockopt(&socket, IpBindAddressNoPort, &true)?;
            socket.bind(&SocketAddr::new(source, 0).into())?;
        }
        match socket.connect(&endpoint.address.into()) {
            Err(error) if error.raw_os_error() != Some(nix::libc::EINPROGRESS) => {
                return Err(error);
            }
            _ => {}
        }
        let tls = match &endpoint.tls {
            Some(Tls { config, server }) => {
                let connection = ClientConnection::new(Arc::clone(config), server.clone());
                Some(Box::new(connection.map_err(io::Error::other)?))
            }
            None => None,
        };
        Ok(Self { stream: socket.into(), tls })
    }

    /// Reads what is there, as plaintext. `WouldBlock` when nothing is, 0 at the end.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else { return self.stream.read(buffer) };
        loop {
            match tls.reader().read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(0),
                done => return done,
            }
            tls.read_tls(&mut self.stream)?;
            let processed = tls.process_new_packets();
            // Also after an error: the alert tells the server why. It may not get through.
            let written = write_records(tls, &mut self.stream);
            processed.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            written?;
        }
    }

    /// Whether a read of `count` bytes into a buffer of `size` took all there was. A plain
    /// socket under edge-triggered polling is drained by a short read (epoll(7)).
    pub(crate) fn drained(&self, count: usize, size: usize) -> bool {
        self.tls.is_none() && count < size
    }

    /// Writes as much of `out` as the socket takes and removes it from there.
    pub(crate) fn write(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        let Some(tls) = &mut self.tls else {
            let mut written = 0;
            let result = loop {
                if written == out.len() {
                    break Ok(());
                }
                match self.stream.write(&out[written..]) {
                    Ok(count) => written += count,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break Ok(()),
                    Err(error) => break Err(error),
                }
            };
            out.drain(..written);
            return result;
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

    /// Whether bytes taken by [`Transport::write`] still wait for the socket.
    pub(crate) fn owes(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.wants_write())
    }
}

fn write_records(tls: &mut ClientConnection, stream: &mut TcpStream) -> io::Result<()> {
    while tls.wants_write() {
        match tls.write_tls(stream) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
