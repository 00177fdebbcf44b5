//! The service manager's store of descriptors: it keeps the listening sockets when the server ends,
//! so that clients that connect wait for the next one (`FileDescriptorStoreMax=`).

use std::ffi::OsStr;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::BorrowedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

use crate::limits::STORED_AT_ONCE;

/// Names what is kept, among what the manager gives to the next server.
pub(super) const NAME: &str = "uringcast";
const ANCILLARY: usize = rustix::cmsg_space!(ScmRights(STORED_AT_ONCE));

/// Gives these sockets to the manager, where it says that it keeps some, in the place of those that
/// it has.
pub(crate) fn store(sockets: &[BorrowedFd<'_>]) {
    // Since systemd 254 it says how many.
    let most = std::env::var("FDSTORE").ok().and_then(|most| most.parse::<usize>().ok());
    let (Some(most), Some(manager)) = (most, std::env::var_os("NOTIFY_SOCKET")) else { return };
    if most < sockets.len() {
        let count = sockets.len();
        tracing::warn!("{count} listening sockets: FileDescriptorStoreMax={most} keeps none");
    } else if let Err(error) = store_at(&manager, sockets) {
        tracing::warn!("the service manager keeps no listening sockets: {error}");
    }
}

fn store_at(manager: &OsStr, sockets: &[BorrowedFd<'_>]) -> io::Result<()> {
    let socket = UnixDatagram::unbound()?;
    match manager.as_bytes().strip_prefix(b"@") {
        Some(name) => socket.connect_addr(&SocketAddr::from_abstract_name(name)?)?,
        None => socket.connect(manager)?,
    }
    socket.send(format!("FDSTOREREMOVE=1\nFDNAME={NAME}\n").as_bytes())?;
    let text = format!("FDSTORE=1\nFDNAME={NAME}\n");
    for some in sockets.chunks(STORED_AT_ONCE) {
        let mut space = [MaybeUninit::uninit(); ANCILLARY];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        let fits = ancillary.push(SendAncillaryMessage::ScmRights(some));
        assert!(fits, "the room is for STORED_AT_ONCE");
        let text = [IoSlice::new(text.as_bytes())];
        sendmsg(&socket, &text, &mut ancillary, SendFlags::NOSIGNAL)?;
    }
    Ok(())
}
