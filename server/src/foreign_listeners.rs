//! Finds other processes that listen on the clients' ports. The shards' listeners share each port
//! (SO_REUSEPORT), and the kernel lets every process of the same user join them: such a process
//! gets its share of the clients, and nothing else shows it.

mod sock_diag;

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::{fs, io};

use parking_lot::Mutex;
use sock_diag::listeners;

/// What was found when it was last looked for. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ForeignListeners(Arc<Watch>);

#[derive(Debug)]
struct Watch {
    /// The clients' addresses.
    addresses: Vec<SocketAddr>,
    /// The inodes of this process's sockets.
    own: BTreeSet<u64>,
    /// Addresses of sockets of others that get a part of the clients.
    found: Mutex<Vec<SocketAddr>>,
}

impl ForeignListeners {
    /// Prepares to watch the ports of a server with open listeners.
    ///
    /// # Errors
    /// The system does not show the process's own sockets, or not which sockets listen.
    pub fn new(addresses: Vec<SocketAddr>) -> io::Result<ForeignListeners> {
        listeners()?;
        let own = own_sockets()?;
        let found = Mutex::default();
        Ok(ForeignListeners(Arc::new(Watch { addresses, own, found })))
    }

    /// Looks, and logs what has changed.
    pub fn look(&self) {
        let listeners = match listeners() {
            Ok(listeners) => listeners,
            Err(error) => return tracing::warn!("cannot see who listens: {error}"),
        };
        let Watch { addresses, own, found } = &*self.0;
        let is_foreign = |(address, inode): &(SocketAddr, u64)| {
            !own.contains(inode) && addresses.iter().any(|ours| shares(*ours, *address))
        };
        let now: Vec<_> =
            listeners.into_iter().filter(is_foreign).map(|(address, _)| address).collect();
        let before = std::mem::replace(&mut *found.lock(), now.clone());
        match (before.first(), now.first()) {
            (None, Some(address)) => tracing::error!(
                %address,
                "another process listens on this port too, and gets a part of the clients: not \
                 ready; find it with ss -ltnp"
            ),
            (Some(address), None) => {
                tracing::info!(%address, "no other process listens on this port any more: ready");
            }
            _ => {}
        }
    }

    /// How many sockets of others were found.
    pub fn count(&self) -> usize {
        self.0.found.lock().len()
    }

    /// The address of one of them.
    pub fn first(&self) -> Option<SocketAddr> {
        self.0.found.lock().first().copied()
    }
}

/// The inodes of the sockets that this process has open.
fn own_sockets() -> io::Result<BTreeSet<u64>> {
    let mut all = BTreeSet::new();
    for entry in fs::read_dir("/proc/self/fd")? {
        // The directory's own descriptor is in the list, and gone when it is read.
        let Ok(target) = fs::read_link(entry?.path()) else { continue };
        let text = target.to_string_lossy();
        let inode = text.strip_prefix("socket:[").and_then(|rest| rest.strip_suffix(']'));
        all.extend(inode.and_then(|inode| inode.parse::<u64>().ok()));
    }
    Ok(all)
}

/// Whether a socket at `other` gets clients that were meant for `ours`: the same address, or one of
/// the two is all addresses. A socket of all IPv6 addresses gets IPv4 clients too, if it wants, but
/// one of IPv4 goes before it.
fn shares(ours: SocketAddr, other: SocketAddr) -> bool {
    let [all4, all6] = [IpAddr::from(Ipv4Addr::UNSPECIFIED), IpAddr::from(Ipv6Addr::UNSPECIFIED)];
    let same_family = ours.is_ipv4() == other.is_ipv4();
    let any = |ip: IpAddr| ip == all4 || ip == all6;
    ours.port() == other.port()
        && same_family
        && (ours.ip() == other.ip() || any(ours.ip()) || any(other.ip()))
}

#[cfg(test)]
mod tests;
