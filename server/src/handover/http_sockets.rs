//! The listening sockets of the HTTP ports, which go over with the engine's.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use serde::{Deserialize, Serialize};
use uringcast_engine::handover::{Blob, SecretBytes};

/// Names the sockets, in the order of their descriptors.
const NAME: &str = "server.http";

/// An HTTP port, as both processes name it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PortName {
    /// What is answered there: `control` or `metrics`.
    pub(crate) name: String,
    /// The address in the settings, of which the port may be 0.
    pub(crate) configured: SocketAddr,
}

/// A socket of an HTTP port.
#[derive(Debug)]
pub(crate) struct HttpSocket {
    pub(crate) port: PortName,
    pub(crate) listener: TcpListener,
}

/// Sockets that are to go over, or have come.
#[derive(Debug, Default)]
pub(crate) struct HttpSockets {
    pub(crate) listening: Vec<HttpSocket>,
    /// Where the server before passes its connections on.
    pub(crate) passed: Option<UnixStream>,
}

impl HttpSockets {
    /// A line for each.
    pub(crate) fn blob(&self) -> Blob {
        let line = |HttpSocket { port: PortName { name, configured }, .. }: &HttpSocket| {
            format!("{name} {configured}\n")
        };
        let lines = self.listening.iter().map(line).collect::<String>();
        let bytes = SecretBytes::new(lines.into_bytes());
        Blob { name: NAME.to_owned(), version: 1, is_required: true, bytes }
    }

    /// Theirs, and behind them `passed`: the other server's end of that.
    pub(crate) fn descriptors<'a>(&'a self, passed: &'a UnixStream) -> Vec<BorrowedFd<'a>> {
        let listening = self.listening.iter().map(|socket| socket.listener.as_fd());
        listening.chain([passed.as_fd()]).collect()
    }

    /// Those that another server sent; `None` if what it says of them is not understood.
    pub(crate) fn read(blobs: &[Blob], sockets: Vec<OwnedFd>) -> Option<HttpSockets> {
        let blob = blobs.iter().find(|blob| blob.name == NAME && blob.version == 1)?;
        let text = std::str::from_utf8(blob.bytes.expose()).ok()?;
        let mut sockets = sockets.into_iter();
        let read = |line: &str| {
            let (name, configured) = line.split_once(' ')?;
            let port = PortName { name: name.to_owned(), configured: configured.parse().ok()? };
            Some(HttpSocket { port, listener: sockets.next()?.into() })
        };
        let listening = text.lines().map(read).collect::<Option<_>>()?;
        Some(HttpSockets { listening, passed: sockets.next().map(UnixStream::from) })
    }

    /// Takes those of a port.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn take(&mut self, port: &PortName) -> io::Result<Vec<tokio::net::TcpListener>> {
        let here = self.listening.extract_if(.., |socket| socket.port == *port);
        here.map(|socket| {
            socket.listener.set_nonblocking(true)?;
            tokio::net::TcpListener::from_std(socket.listener)
        })
        .collect()
    }
}
