//! Connections of the HTTP ports, passed on to the process that has taken over: each socket, with
//! what was read of it and is not answered. The other process answers.

use std::io::{self, Error, ErrorKind, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net;
use std::sync::Arc;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::UnixStream;
use tokio::sync::{Mutex, SetOnce, mpsc};

use super::http_sockets::PortName;
use crate::limits::{PASSED_BYTES, PASSED_HEAD};

/// Bytes of the head and of what is unread (4 each, little-endian); the socket comes with them.
const LENGTHS: usize = 8;
/// Room for the descriptor of one socket.
const ANCILLARY: usize = rustix::cmsg_space!(ScmRights(1));

/// A connection of an HTTP port.
#[derive(Debug)]
pub(crate) struct PassedConnection {
    pub(crate) port: PortName,
    /// The name of the key of its last request that was admitted.
    pub(crate) owner: Option<Box<str>>,
    /// What its peer has sent and has no answer to.
    pub(crate) unread: Vec<u8>,
    pub(crate) socket: TcpStream,
}

/// What goes before the bytes of a connection, as JSON.
#[derive(Serialize, Deserialize)]
struct Head {
    port: PortName,
    owner: Option<Box<str>>,
}

/// The way to the process that has taken over, once one has. Clones are of the same way.
#[derive(Clone, Debug, Default)]
pub(crate) struct Passing(Option<Arc<SetOnce<Mutex<UnixStream>>>>);

impl Passing {
    /// Of a server that may be taken over. Another one, the default, never is.
    pub(crate) fn possible() -> Passing {
        Passing(Some(Arc::default()))
    }

    /// Whether the server may be taken over.
    pub(crate) fn is_possible(&self) -> bool {
        self.0.is_some()
    }

    /// Another process has taken over, and takes connections from here. Called on a runtime.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn begin(&self, to: net::UnixStream) -> io::Result<()> {
        to.set_nonblocking(true)?;
        let to = Mutex::new(UnixStream::from_std(to)?);
        if let Some(way) = &self.0 {
            // A server is taken over once.
            let _ = way.set(to);
        }
        Ok(())
    }

    pub(crate) fn has_begun(&self) -> bool {
        self.0.as_ref().is_some_and(|way| way.get().is_some())
    }

    /// Waits until another process has taken over.
    pub(crate) async fn begun(&self) {
        match &self.0 {
            Some(way) => drop(way.wait().await),
            None => std::future::pending().await,
        }
    }

    /// Passes a connection on. One that the other process does not take is closed.
    pub(crate) async fn pass(&self, connection: PassedConnection) {
        let Some(way) = self.0.as_ref().and_then(|way| way.get()) else { return };
        if let Err(error) = send(&mut *way.lock().await, connection).await {
            tracing::debug!(%error, "an HTTP connection is closed, and not passed on");
        }
    }
}

async fn send(way: &mut UnixStream, connection: PassedConnection) -> io::Result<()> {
    let PassedConnection { port, owner, unread, socket } = connection;
    let head = serde_json::to_vec(&Head { port, owner })?;
    if head.len() > PASSED_HEAD || unread.len() > PASSED_BYTES {
        return Err(ErrorKind::InvalidInput.into());
    }
    let lengths = [head.len(), unread.len()].map(|length| (length as u32).to_le_bytes()).concat();
    let descriptors = [socket.as_fd()];
    way.async_io(Interest::WRITABLE, || send_once(way, &lengths, &descriptors)).await?;
    way.write_all(&head).await?;
    way.write_all(&unread).await
}

fn send_once(way: &UnixStream, lengths: &[u8], sockets: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); ANCILLARY];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let fits = ancillary.push(SendAncillaryMessage::ScmRights(sockets));
    assert!(fits, "the room is for one");
    let sent = sendmsg(way, &[IoSlice::new(lengths)], &mut ancillary, SendFlags::NOSIGNAL)?;
    if sent == lengths.len() { Ok(()) } else { Err(ErrorKind::WriteZero.into()) }
}

/// Receives the connections that the server before passes on, until it ends, and gives each to its
/// port.
pub(crate) async fn receive_all(
    from: net::UnixStream,
    ports: Vec<(PortName, mpsc::Sender<PassedConnection>)>,
) -> io::Result<()> {
    from.set_nonblocking(true)?;
    let mut from = UnixStream::from_std(from)?;
    while let Some(connection) = receive(&mut from).await? {
        match ports.iter().find(|(port, _)| *port == connection.port) {
            // Fails only where the server ends.
            Some((_, port)) => drop(port.send(connection).await),
            None => {
                let PortName { name, configured } = &connection.port;
                tracing::info!(%name, %configured, "a connection of a port that is not served");
            }
        }
    }
    Ok(())
}

/// The next one; `None` behind the last.
async fn receive(from: &mut UnixStream) -> io::Result<Option<PassedConnection>> {
    let mut lengths = [0; LENGTHS];
    let receive = || receive_once(from, &mut lengths);
    let (received, socket) = from.async_io(Interest::READABLE, receive).await?;
    if received == 0 {
        return Ok(None);
    }
    let torn = || Error::new(ErrorKind::InvalidData, "a connection that is passed on is torn");
    let socket = socket.filter(|_| received == LENGTHS).ok_or_else(torn)?;
    let [head, unread] = [&lengths[..4], &lengths[4..]]
        .map(|bytes| bytes.iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte)));
    if head > PASSED_HEAD || unread > PASSED_BYTES {
        return Err(torn());
    }
    let mut bytes = vec![0; head];
    from.read_exact(&mut bytes).await?;
    let Head { port, owner } = serde_json::from_slice(&bytes)?;
    let mut bytes = vec![0; unread];
    from.read_exact(&mut bytes).await?;
    Ok(Some(PassedConnection { port, owner, unread: bytes, socket: socket.into() }))
}

fn receive_once(from: &UnixStream, lengths: &mut [u8]) -> io::Result<(usize, Option<OwnedFd>)> {
    let mut space = [MaybeUninit::uninit(); ANCILLARY];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut bytes = [IoSliceMut::new(lengths)];
    let received = recvmsg(from, &mut bytes, &mut ancillary, RecvFlags::CMSG_CLOEXEC)?.bytes;
    let rights = ancillary.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut sockets) => sockets.next(),
        _ => None,
    });
    Ok((received, rights))
}

#[cfg(test)]
mod tests;
