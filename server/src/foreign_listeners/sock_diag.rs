//! Asks the kernel which TCP sockets listen: sock_diag(7). It answers in microseconds, however many
//! connections there are; `/proc/net/tcp` takes milliseconds of a core.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;

use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with,
};

/// SOCK_DIAG_BY_FAMILY of linux/sock_diag.h.
const BY_FAMILY: u16 = 20;
/// NLM_F_REQUEST and NLM_F_DUMP of linux/netlink.h.
const DUMP: u16 = 0x301;
/// NLMSG_ERROR and NLMSG_DONE.
const ERROR: u16 = 2;
const DONE: u16 = 3;
/// IPPROTO_TCP.
const TCP: u8 = 6;
/// The bit of TCP_LISTEN.
const LISTENING: u32 = 1 << 10;
/// Bytes of `nlmsghdr`, of `inet_diag_req_v2` and of `inet_diag_msg`.
const HEADER: usize = 16;
const REQUEST: usize = 56;
const ANSWER: usize = 72;
/// Bytes of one part of an answer: what the kernel writes at most.
const PART: usize = 32 << 10;

/// The listening sockets of this network namespace, each with its inode.
///
/// # Errors
/// The system does not let this process ask.
pub(super) fn listeners() -> io::Result<Vec<(SocketAddr, u64)>> {
    let protocol = Some(netlink::SOCK_DIAG);
    let socket =
        socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, protocol)?;
    let mut all = Vec::new();
    for family in [AddressFamily::INET, AddressFamily::INET6] {
        send(&socket, &request(family), SendFlags::empty())?;
        collect(&socket, &mut all)?;
    }
    Ok(all)
}

fn request(family: AddressFamily) -> [u8; HEADER + REQUEST] {
    let mut bytes = [0; HEADER + REQUEST];
    bytes[..4].copy_from_slice(&((HEADER + REQUEST) as u32).to_ne_bytes());
    bytes[4..6].copy_from_slice(&BY_FAMILY.to_ne_bytes());
    bytes[6..8].copy_from_slice(&DUMP.to_ne_bytes());
    (bytes[HEADER], bytes[HEADER + 1]) = (family.as_raw() as u8, TCP);
    bytes[HEADER + 4..HEADER + 8].copy_from_slice(&LISTENING.to_ne_bytes());
    bytes
}

/// Reads the parts of an answer. The kernel has them ready: nothing is waited for.
fn collect(socket: &OwnedFd, all: &mut Vec<(SocketAddr, u64)>) -> io::Result<()> {
    let mut buffer = vec![0; PART];
    loop {
        let (read, _) = recv(socket, &mut buffer[..], RecvFlags::DONTWAIT)?;
        let mut rest = &buffer[..read];
        while let Some((kind, content, next)) = message(rest) {
            match kind {
                DONE => return Ok(()),
                ERROR => return Err(error(content)),
                _ => all.extend(listener(content)),
            }
            rest = next;
        }
        if read == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
    }
}

/// The type and content of the first message, and what follows it.
fn message(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let length = number(bytes, 0)? as usize;
    let kind = u16::from_ne_bytes(bytes.get(4..6)?.try_into().ok()?);
    let content = bytes.get(HEADER..length)?;
    Some((kind, content, bytes.get(length.next_multiple_of(4)..).unwrap_or_default()))
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn error(content: &[u8]) -> io::Error {
    let code = number(content, 0).map(|code| (code as i32).wrapping_neg());
    code.map_or_else(|| ErrorKind::InvalidData.into(), io::Error::from_raw_os_error)
}

/// The local address and inode of an `inet_diag_msg`.
fn listener(content: &[u8]) -> Option<(SocketAddr, u64)> {
    let content: &[u8; ANSWER] = content.get(..ANSWER)?.try_into().ok()?;
    let port = u16::from_be_bytes([content[4], content[5]]);
    let ip: [u8; 16] = content[8..24].try_into().ok()?;
    let ip = match u16::from(content[0]) == AddressFamily::INET.as_raw() {
        true => IpAddr::from(Ipv4Addr::new(ip[0], ip[1], ip[2], ip[3])),
        false => Ipv6Addr::from(ip).to_canonical(),
    };
    Some((SocketAddr::new(ip, port), number(content, ANSWER - 4)?.into()))
}

#[cfg(test)]
mod tests;
