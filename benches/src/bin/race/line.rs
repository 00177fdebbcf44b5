//! One connection to a server, plain or TLS, blocking or not.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;

use rustls::HandshakeKind;
use rustls::client::{ClientConfig, ClientConnection};
use rustls::pki_types::ServerName;

/// See the module.
pub(crate) struct Line {
    pub socket: TcpStream,
    tls: Option<Box<ClientConnection>>,
    /// The last read took all there was.
    dry: bool,
}

/// What rustls reads at a time.
const TLS_READ: usize = 4_096;

impl Line {
    pub(crate) fn new(socket: TcpStream, tls: Option<&Arc<ClientConfig>>) -> io::Result<Line> {
        let connection = |config| {
            let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
            ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other).map(Box::new)
        };
        Ok(Line { socket, tls: tls.map(connection).transpose()?, dry: false })
    }

    /// Whether the handshake took up a session.
    pub(crate) fn is_resumed(&self) -> bool {
        let kind = self.tls.as_ref().and_then(|tls| tls.handshake_kind());
        kind == Some(HandshakeKind::Resumed)
    }

    /// Whether a read that does not fill the buffer was the last one for now.
    pub(crate) fn short_read_is_last(&self) -> bool {
        self.tls.is_none() || self.dry
    }
}

impl AsRawFd for Line {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

impl Read for Line {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else { return self.socket.read(buffer) };
        loop {
            match tls.reader().read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                read => return read,
            }
            // The handshake may have to answer before more comes.
            while tls.wants_write() {
                tls.write_tls(&mut self.socket)?;
            }
            let read = tls.read_tls(&mut self.socket)?;
            self.dry = read < TLS_READ;
            if read == 0 {
                return Ok(0);
            }
            tls.process_new_packets().map_err(io::Error::other)?;
        }
    }
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.flush()?;
        match &mut self.tls {
            None => self.socket.write(bytes),
            Some(tls) => {
                let taken = tls.writer().write(bytes)?;
                match self.flush() {
                    Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error),
                    _ => Ok(taken),
                }
            }
        }
    }

    /// Sends sealed records that the socket has not taken yet.
    fn flush(&mut self) -> io::Result<()> {
        if let Some(tls) = &mut self.tls {
            while tls.wants_write() {
                tls.write_tls(&mut self.socket)?;
            }
        }
        Ok(())
    }
}
