//! The process at the other end of a Unix socket, and its rings.

use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::sockopt::socket_peercred;
use rustix::process::{PidfdGetfdFlags, Signal, pidfd_getfd, pidfd_send_signal};

/// A process that cannot be taken for another one, also after it has ended.
#[derive(Debug)]
pub struct PeerProcess {
    pidfd: OwnedFd,
    user: u32,
    id: u32,
}

/// A ring of another process.
#[derive(Debug)]
pub struct RemoteRing(OwnedFd);

impl PeerProcess {
    /// The process that connected `socket`, or that listened where it was connected to.
    ///
    /// # Errors
    /// The kernel's: ENOPROTOOPT before Linux 6.5.
    pub fn of(socket: &UnixStream) -> io::Result<PeerProcess> {
        let credentials = socket_peercred(socket)?;
        let (user, id) = (credentials.uid.as_raw(), credentials.pid.as_raw_pid() as u32);
        Ok(PeerProcess { pidfd: peer_pidfd(socket)?, user, id })
    }

    /// The effective user that it had when the socket was connected.
    pub fn user(&self) -> u32 {
        self.user
    }

    /// Its number, as this process sees it; for texts, since it may be another one's later.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Its ring with this descriptor ([`Ring::own_descriptor`](crate::Ring::own_descriptor)).
    ///
    /// # Errors
    /// The kernel's: EPERM where this process may not trace the other (Yama, a filter of system
    /// calls, other capabilities), ESRCH when it has ended.
    pub fn ring(&self, descriptor: RawFd) -> io::Result<RemoteRing> {
        Ok(RemoteRing(pidfd_getfd(&self.pidfd, descriptor, PidfdGetfdFlags::empty())?))
    }

    /// Ends it at once.
    ///
    /// # Errors
    /// The kernel's: ESRCH when it has ended.
    pub fn kill(&self) -> io::Result<()> {
        Ok(pidfd_send_signal(&self.pidfd, Signal::KILL)?)
    }

    /// Waits until it has ended, so long at most. Returns whether it has.
    pub fn has_ended_within(&self, time: Duration) -> bool {
        let mut ended = [PollFd::new(&self.pidfd, PollFlags::IN)];
        let time = Timespec::try_from(time).ok();
        // Interrupted or failed: not known to have ended.
        matches!(poll(&mut ended, time.as_ref()), Ok(1..))
    }
}

impl RemoteRing {
    pub(crate) fn descriptor(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// `SO_PEERPIDFD`.
fn peer_pidfd(socket: &impl AsFd) -> io::Result<OwnedFd> {
    let mut pidfd: RawFd = -1;
    let mut length = size_of::<RawFd>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes, those of `pidfd`, and its length; both live
    // until it returns.
    let got = unsafe {
        let (value, socket) = ((&raw mut pidfd).cast(), socket.as_fd().as_raw_fd());
        libc::getsockopt(socket, libc::SOL_SOCKET, libc::SO_PEERPIDFD, value, &raw mut length)
    };
    if got < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made this descriptor for the caller, who owns it alone.
    Ok(unsafe { OwnedFd::from_raw_fd(pidfd) })
}
