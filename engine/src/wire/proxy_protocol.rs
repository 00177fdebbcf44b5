//! The addresses of clients behind proxies: the PROXY protocol, versions 1 and 2
//! (<https://www.haproxy.org/download/2.6/doc/proxy-protocol.txt>), and `X-Forwarded-For`.

use std::net::{IpAddr, SocketAddr};

use proxy_header::{Error, ParseConfig, ProxyHeader};

use crate::config::Proxies;
use crate::limits::MAX_PROXY_HEADER;

/// The longest header of version 1, by its specification (2.1).
const MAX_V1_HEADER: usize = 107;

/// What the first bytes of a proxy's connection are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    /// Read on: it is not whole. Its length is bounded here, not by the caller.
    NeedMore,
    /// A header of so many bytes, and the client that it names. Without a client it is a health
    /// check of the proxy.
    Whole(usize, Option<SocketAddr>),
    /// None, or a broken one.
    Malformed,
}

/// Reads the header that must begin a proxy's connection.
pub fn parse(buffer: &[u8]) -> Header {
    // The parser bounds version 1 only while the end of the line is missing: without this bound the
    // verdict on a longer line depended on how it was cut.
    let longest = if buffer.starts_with(b"P") { MAX_V1_HEADER } else { MAX_PROXY_HEADER };
    let config = ParseConfig { include_tlvs: false, ..ParseConfig::default() };
    match ProxyHeader::parse(buffer, config) {
        Ok((header, length)) if length <= longest => {
            Header::Whole(length, header.proxied_address().map(|address| address.source))
        }
        Err(Error::BufferTooShort) if buffer.len() < MAX_PROXY_HEADER => Header::NeedMore,
        _ => Header::Malformed,
    }
}

/// The client behind a request that `peer` sent, with its `X-Forwarded-For` (all lines joined):
/// the rightmost address that is no trusted proxy's. Entries left of that may be forged by the
/// client. The port of a client named this way is 0.
pub fn client(peer: SocketAddr, forwarded: &str, proxies: &Proxies) -> SocketAddr {
    let mut client = peer;
    for entry in forwarded.rsplit(',') {
        if !proxies.trusts(client.ip()) {
            break;
        }
        let Some(ip) = address(entry.trim()) else { break };
        client = SocketAddr::new(ip, 0);
    }
    client
}

/// An address as proxies write it: with or without a port, an IPv6 one perhaps in brackets.
fn address(text: &str) -> Option<IpAddr> {
    let plain = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let with_port = || text.parse().map(|address: SocketAddr| address.ip());
    plain.parse().or_else(|_| with_port()).ok()
}

#[cfg(test)]
mod tests;
