//! The messages of a hand-over on a Unix socket: a header, and behind it descriptors. A body goes
//! in a memory file, so that a large one, and the keys in it, pass through no queue.

use std::cell::RefCell;
use std::fmt;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use zeroize::Zeroizing;

use super::secret_file::SecretFile;
use super::sequence::Kind;
use crate::limits::{HANDOVER_BYTES, HANDOVER_DESCRIPTORS, HANDOVER_HELLO, HANDOVER_SOCKETS};

/// Kind (1 byte), zero (1), version (2), descriptors (4), bytes of the body (8), little-endian.
const HEADER: usize = 16;
/// The byte that carries further descriptors.
const MORE: &[u8] = b"+";
/// Room for the descriptors of one message of the socket.
const ANCILLARY: usize = rustix::cmsg_space!(ScmRights(HANDOVER_DESCRIPTORS));

/// What both sides say in the header: a later version may change everything behind it. That of the
/// state has a version of its own.
pub(super) const VERSION: u16 = 2;

/// Why a process that says another version is refused.
pub(super) fn other_version(other: u16) -> String {
    format!("one process hands over by version {other} of the sequence, the other by {VERSION}")
}

/// One message.
pub(super) struct Message {
    pub kind: Kind,
    /// That its sender writes.
    pub version: u16,
    /// May hold keys.
    pub body: Zeroizing<Vec<u8>>,
    /// Where the body was, until it may take the time to be overwritten.
    #[cfg_attr(not(test), expect(dead_code, reason = "held"))]
    pub file: Option<SecretFile>,
    pub descriptors: Vec<OwnedFd>,
    /// When its header was read.
    pub came_at: Instant,
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message").field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// What there is in the place of a message.
#[derive(Debug)]
pub(super) enum NoMessage {
    TimedOut,
    /// The other end is closed.
    Closed,
    /// Something that is no message.
    Broken(io::Error),
}

impl From<io::Error> for NoMessage {
    fn from(error: io::Error) -> NoMessage {
        NoMessage::Broken(error)
    }
}

/// A connected socket between the two processes of a hand-over.
#[derive(Debug)]
pub(super) struct Link {
    socket: UnixStream,
    /// Bodies that were sent: overwritten with the link, if they were not before.
    sent: RefCell<Vec<SecretFile>>,
}

impl Link {
    pub(super) fn new(socket: UnixStream) -> io::Result<Link> {
        socket.set_nonblocking(false)?;
        // There is always room for what is sent, or the other process does not read.
        socket.set_write_timeout(Some(HANDOVER_HELLO))?;
        Ok(Link { socket, sent: RefCell::default() })
    }

    /// Sends a message.
    ///
    /// # Errors
    /// The kernel's; EPIPE when the other end is closed.
    pub(super) fn send(
        &self,
        kind: Kind,
        body: &[u8],
        descriptors: &[BorrowedFd<'_>],
    ) -> io::Result<()> {
        let file = if body.is_empty() { None } else { Some(SecretFile::new(body)?) };
        let mut header = [0; HEADER];
        header[0] = kind as u8;
        header[2..4].copy_from_slice(&VERSION.to_le_bytes());
        header[4..8].copy_from_slice(&(descriptors.len() as u32).to_le_bytes());
        header[8..].copy_from_slice(&(body.len() as u64).to_le_bytes());
        let first: Vec<_> = file.iter().map(AsFd::as_fd).collect();
        let sent = self.send_once(&header, &first);
        drop(first);
        match file {
            // The last word is read when this side is gone.
            Some(file) if kind == Kind::Refused => file.leave(),
            file => self.sent.borrow_mut().extend(file),
        }
        sent?;
        descriptors.chunks(HANDOVER_DESCRIPTORS).try_for_each(|some| self.send_once(MORE, some))
    }

    fn send_once(&self, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        let mut space = [MaybeUninit::uninit(); ANCILLARY];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() {
            let fits = ancillary.push(SendAncillaryMessage::ScmRights(descriptors));
            assert!(fits, "the room is for HANDOVER_DESCRIPTORS");
        }
        let sent =
            sendmsg(&self.socket, &[IoSlice::new(bytes)], &mut ancillary, SendFlags::NOSIGNAL)?;
        if sent == bytes.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
    }

    /// Receives a message, within so long.
    pub(super) fn receive(&self, within: Duration) -> Result<Message, NoMessage> {
        let until = Instant::now() + within;
        let mut header = [0; HEADER];
        let mut file = Vec::new();
        self.receive_once(&mut header, &mut file, until)?;
        let came_at = Instant::now();
        let number = |range: std::ops::Range<usize>| {
            let bytes = header[range].iter().rev();
            bytes.fold(0, |number: u64, byte| number << 8 | u64::from(*byte))
        };
        let kind = Kind::parse(header[0]).ok_or_else(|| broken("a message of no known kind"))?;
        let (version, count, length) = (number(2..4) as u16, number(4..8) as usize, number(8..16));
        if count > HANDOVER_SOCKETS || length > HANDOVER_BYTES || (length > 0) == file.is_empty() {
            return Err(broken("a message that is too large").into());
        }
        let mut descriptors = Vec::new();
        while descriptors.len() < count {
            self.receive_once(&mut [0; MORE.len()], &mut descriptors, until)?;
        }
        let mut file = file.pop().map(SecretFile::received);
        let body = file.as_mut().map(|file| file.read(length)).transpose()?.unwrap_or_default();
        Ok(Message { kind, version, body, file, descriptors, came_at })
    }

    /// Receives all of `bytes`, and adds the descriptors that come with them.
    fn receive_once(
        &self,
        bytes: &mut [u8],
        descriptors: &mut Vec<OwnedFd>,
        until: Instant,
    ) -> Result<(), NoMessage> {
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let time = Timespec::try_from(left).ok();
            let mut readable = [PollFd::new(&self.socket, PollFlags::IN)];
            match poll(&mut readable, time.as_ref()) {
                Ok(0) => return Err(NoMessage::TimedOut),
                Err(Errno::INTR) => continue,
                other => drop(other.map_err(io::Error::from)?),
            }
            let mut space = [MaybeUninit::uninit(); ANCILLARY];
            let mut ancillary = RecvAncillaryBuffer::new(&mut space);
            let mut into = [IoSliceMut::new(bytes)];
            let received =
                match recvmsg(&self.socket, &mut into, &mut ancillary, RecvFlags::CMSG_CLOEXEC) {
                    // A process that ended with unread messages: what it had said comes next.
                    Err(Errno::CONNRESET | Errno::INTR) => continue,
                    other => other.map_err(io::Error::from)?.bytes,
                };
            for message in ancillary.drain() {
                if let RecvAncillaryMessage::ScmRights(more) = message {
                    descriptors.extend(more);
                }
            }
            return match received {
                0 => Err(NoMessage::Closed),
                all if all == bytes.len() => Ok(()),
                _ => Err(broken("half a message").into()),
            };
        }
    }
}

fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests;
