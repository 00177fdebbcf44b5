//! The listening sockets of the HTTP ports, which go over with the engine's.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use uringcast_engine::handover::{Blob, SecretBytes};

/// Names the sockets, in the order of their descriptors.
const NAME: &str = "server.http";

/// A socket with the address that is configured for it, of which the port may be 0.
#[derive(Debug)]
pub(crate) struct HttpSocket {
    /// What is answered there: `control` or `metrics`.
    pub(crate) name: String,
    pub(crate) configured: SocketAddr,
    pub(crate) listener: TcpListener,
}

/// Sockets that are to go over, or have come.
#[derive(Debug, Default)]
pub(crate) struct HttpSockets(pub(crate) Vec<HttpSocket>);

impl HttpSockets {
    /// A line for each.
    pub(crate) fn blob(&self) -> Blob {
        let lines = self.0.iter().map(|socket| format!("{} {}\n", socket.name, socket.configured));
        let bytes = SecretBytes::new(lines.collect::<String>().into_bytes());
        Blob { name: NAME.to_owned(), version: 1, is_required: true, bytes }
    }

    pub(crate) fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        self.0.iter().map(|socket| socket.listener.as_fd()).collect()
    }

    /// Those that another server sent; `None` if what it says of them is not understood.
    pub(crate) fn read(blobs: &[Blob], sockets: Vec<OwnedFd>) -> Option<HttpSockets> {
        let blob = blobs.iter().find(|blob| blob.name == NAME && blob.version == 1)?;
        let text = std::str::from_utf8(blob.bytes.expose()).ok()?;
        let read = |(line, socket): (&str, OwnedFd)| {
            let (name, configured) = line.split_once(' ')?;
            let (name, configured) = (name.to_owned(), configured.parse().ok()?);
            Some(HttpSocket { name, configured, listener: socket.into() })
        };
        text.lines().zip(sockets).map(read).collect::<Option<_>>().map(HttpSockets)
    }

    /// Takes those of a port.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn take(
        &mut self,
        name: &str,
        configured: SocketAddr,
    ) -> io::Result<Vec<tokio::net::TcpListener>> {
        let is_here =
            |socket: &mut HttpSocket| socket.name == name && socket.configured == configured;
        let here = self.0.extract_if(.., is_here);
        here.map(|socket| {
            socket.listener.set_nonblocking(true)?;
            tokio::net::TcpListener::from_std(socket.listener)
        })
        .collect()
    }
}
