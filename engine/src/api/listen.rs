//! One listening socket per shard and address.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use socket2::{Domain, Protocol, SockRef, Socket, Type};

use crate::limits::LISTEN_BACKLOG;
use crate::types::{ServiceId, StartError};

/// Every shard's listeners, and the addresses with their real ports.
#[derive(Debug)]
pub(super) struct Listening {
    /// By shard, then by address.
    pub listeners: Vec<Vec<(ServiceId, TcpListener)>>,
    /// In the order of the services.
    pub addresses: Vec<(ServiceId, SocketAddr)>,
}

/// A listening socket of the process before, with its service and the address that is configured
/// for it, of which the port may be 0.
pub(super) type HandedOver = ((ServiceId, SocketAddr), TcpListener);

/// Listens on each address of each service once per shard; the kernel spreads connections over
/// them. `[::]` takes IPv4 too, unless the service names an address of IPv4. Where sockets of an
/// address are `inherited` or `handed_over`, they are used and none is bound.
///
/// # Errors
/// [`StartError::Listen`] for the first address that is not to be had.
pub(super) fn listen<'a>(
    services: impl Iterator<Item = &'a [SocketAddr]>,
    inherited: &[Arc<TcpListener>],
    handed_over: &[HandedOver],
    shards: usize,
) -> Result<Listening, StartError> {
    let mut all =
        Listening { listeners: (0..shards).map(|_| Vec::new()).collect(), addresses: Vec::new() };
    for (service, addresses) in (0..).map(ServiceId).zip(services) {
        let only_v6 = addresses.iter().any(SocketAddr::is_ipv4);
        for &address in addresses {
            let only_v6 = only_v6 || !address.ip().is_unspecified();
            let given = handed_over.iter().filter(|(of, _)| *of == (service, address));
            let mut here: Vec<&TcpListener> = given.map(|(_, socket)| socket).collect();
            if here.is_empty() {
                let is_here =
                    |socket: &&TcpListener| socket.local_addr().is_ok_and(|bound| bound == address);
                here = inherited.iter().map(|socket| &**socket).filter(is_here).collect();
            }
            let bound = match here.is_empty() {
                true => bind(address, only_v6, shards),
                false => share(&here, shards),
            };
            let (sockets, real) = bound.map_err(|source| StartError::listen(address, source))?;
            all.addresses.push((service, real));
            for (place, socket) in sockets.into_iter().enumerate() {
                all.listeners[place % shards].push((service, socket));
            }
        }
    }
    Ok(all)
}

/// Sockets for each shard, the first one's first. Every inherited one is accepted from: the kernel
/// spreads connections over all of them. Shards beyond their number share them.
fn share(given: &[&TcpListener], shards: usize) -> io::Result<(Vec<TcpListener>, SocketAddr)> {
    let real = given[0].local_addr()?;
    let several = given.iter().cycle().take(given.len().max(shards));
    let shared = several
        .map(|socket| {
            let socket = socket.try_clone()?;
            SockRef::from(&socket).set_tcp_nodelay(true)?;
            socket.set_nonblocking(true)?;
            Ok(socket)
        })
        .collect::<io::Result<_>>()?;
    Ok((shared, real))
}

fn bind(
    address: SocketAddr,
    only_v6: bool,
    shards: usize,
) -> io::Result<(Vec<TcpListener>, SocketAddr)> {
    // The first is bound as the only user of its port, so that a port in use is an error instead
    // of being shared with its owner; only then is it opened to the others.
    let first = socket(address, only_v6)?;
    first.bind(&address.into())?;
    first.set_reuse_port(true)?;
    let real = first.local_addr()?.as_socket().unwrap_or(address);
    let mut sockets = vec![first];
    for _ in 1..shards {
        let next = socket(address, only_v6)?;
        next.set_reuse_port(true)?;
        next.bind(&real.into())?;
        sockets.push(next);
    }
    for socket in &sockets {
        socket.listen(LISTEN_BACKLOG)?;
    }
    Ok((sockets.into_iter().map(TcpListener::from).collect(), real))
}

fn socket(address: SocketAddr, only_v6: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    // A restart must not wait for the old connections' TIME_WAIT.
    socket.set_reuse_address(true)?;
    // Accepted sockets inherit it: a system call less for each.
    socket.set_tcp_nodelay(true)?;
    if address.is_ipv6() {
        // Said in any case: the default is the value of net.ipv6.bindv6only.
        socket.set_only_v6(only_v6)?;
    }
    Ok(socket)
}

#[cfg(test)]
pub(super) mod tests;
