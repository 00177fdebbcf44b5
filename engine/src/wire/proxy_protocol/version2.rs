//! Version 2 of the PROXY protocol, by section 2.2 of its specification.

use std::net::{IpAddr, SocketAddr};

use super::{Header, Named};
use crate::limits::MAX_PROXY_HEADER;

/// What every header of version 2 begins with.
pub(super) const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, version with command, family with transport, length of the rest.
const FIXED: usize = 16;
const LOCAL: u8 = 0x20;
const PROXY: u8 = 0x21;
const UNSPECIFIED: u8 = 0;
const IPV4: u8 = 1;
const IPV6: u8 = 2;
const UNIX: u8 = 3;
/// The last transport that is defined: datagrams.
const LAST_TRANSPORT: u8 = 2;
/// `PP2_TYPE_SSL`: how the client reached the proxy.
const TLS: u8 = 0x20;
/// The bit of its first byte that says so: the client came over TLS.
const CLIENT_TLS: u8 = 1;

/// Reads a header that begins with the signature, or with a part of it.
pub(super) fn parse(buffer: &[u8]) -> Header {
    let known = buffer.len().min(SIGNATURE.len());
    if buffer[..known] != SIGNATURE[..known] {
        return Header::Malformed;
    }
    let Some(&[command, family, high, low]) = buffer.get(SIGNATURE.len()..FIXED) else {
        return Header::NeedMore;
    };
    let length = FIXED + usize::from(u16::from_be_bytes([high, low]));
    if !matches!(command, LOCAL | PROXY) || length > MAX_PROXY_HEADER {
        return Header::Malformed;
    }
    let Some(block) = buffer.get(FIXED..length) else { return Header::NeedMore };
    if command == LOCAL {
        // The proxy's own connection, such as a health check: family and block say nothing.
        return Header::Whole(length, Named::default());
    }
    named(family >> 4, family & 0xf, block)
        .map_or(Header::Malformed, |named| Header::Whole(length, named))
}

/// What the block behind a `PROXY` command says; `None` where it is broken.
fn named(family: u8, transport: u8, block: &[u8]) -> Option<Named> {
    if family > UNIX || transport > LAST_TRANSPORT {
        return None;
    }
    if family == UNSPECIFIED || transport == UNSPECIFIED || family == UNIX {
        // There is no address that this server could use: the connection's own stands.
        return Some(Named::default());
    }
    let (client, rest) = match family {
        IPV4 => source::<4>(block)?,
        IPV6 => source::<16>(block)?,
        _ => return None,
    };
    Some(Named { client: Some(client), secure: came_over_tls(rest)? })
}

/// Two addresses of `N` bytes and two ports: the source, and what follows.
fn source<const N: usize>(block: &[u8]) -> Option<(SocketAddr, &[u8])>
where
    IpAddr: From<[u8; N]>,
{
    let (ip, rest) = block.split_first_chunk::<N>()?;
    let (_, rest) = rest.split_first_chunk::<N>()?;
    let (port, rest) = rest.split_first_chunk::<2>()?;
    let (_, rest) = rest.split_first_chunk::<2>()?;
    Some((SocketAddr::new(IpAddr::from(*ip), u16::from_be_bytes(*port)), rest))
}

/// Whether a TLV says that the client came over TLS; `None` where one is cut off.
fn came_over_tls(mut rest: &[u8]) -> Option<bool> {
    let mut secure = false;
    while let Some((&kind, after)) = rest.split_first() {
        let (length, after) = after.split_first_chunk::<2>()?;
        let (value, after) = after.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        secure |= kind == TLS && value.first().is_some_and(|bits| bits & CLIENT_TLS != 0);
        rest = after;
    }
    Some(secure)
}
