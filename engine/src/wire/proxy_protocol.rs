//! What proxies say of the clients behind them: the PROXY protocol, versions 1 and 2
//! (<https://www.haproxy.org/download/2.6/doc/proxy-protocol.txt>), `X-Forwarded-For` and
//! `X-Forwarded-Proto`.

mod version2;

use std::net::{IpAddr, SocketAddr};

use proxy_header::{Error, ProxyHeader};

use crate::config::Proxies;

/// The longest header of version 1, by its specification (2.1).
const MAX_V1_HEADER: usize = 107;

/// What a header says of the client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Named {
    /// Its address; without one it is a health check of the proxy, or of a kind unknown here.
    pub client: Option<SocketAddr>,
    /// It reached the proxy over TLS.
    pub secure: bool,
}

/// What the first bytes of a proxy's connection are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    /// Read on: it is not whole. Its length is bounded here, not by the caller.
    NeedMore,
    /// A header of so many bytes.
    Whole(usize, Named),
    /// None, or a broken one.
    Malformed,
}

/// Whether what is no HTTP begins with a header, whole or broken. Of version 2 the first five bytes
/// decide: with them a parser of HTTP gives up, however much has come.
pub fn begins(buffer: &[u8]) -> bool {
    buffer.starts_with(b"PROXY ") || buffer.starts_with(&version2::SIGNATURE[..5])
}

/// Reads the header that must begin a proxy's connection.
pub fn parse(buffer: &[u8]) -> Header {
    if !buffer.starts_with(b"P") {
        return version2::parse(buffer);
    }
    match ProxyHeader::parse(buffer, Default::default()) {
        // The parser bounds the line only while its end is missing: without this bound the verdict
        // on a longer one depended on how it was cut.
        Ok((header, length)) if length <= MAX_V1_HEADER => {
            let client = header.proxied_address().map(|address| address.source);
            Header::Whole(length, Named { client, secure: false })
        }
        Err(Error::BufferTooShort) => Header::NeedMore,
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

/// Whether the client of a request came to the first proxy over TLS, by the `X-Forwarded-Proto`
/// that `peer`, perhaps a trusted proxy, sent. Of several the first is the client's own hop.
pub fn came_over_tls(peer: SocketAddr, protocols: &str, proxies: &Proxies) -> bool {
    let first = protocols.split(',').next().unwrap_or_default().trim();
    let is_secure = ["https", "wss"].iter().any(|name| first.eq_ignore_ascii_case(name));
    is_secure && proxies.trusts(peer.ip())
}

/// An address as proxies write it: with or without a port, an IPv6 one perhaps in brackets.
fn address(text: &str) -> Option<IpAddr> {
    let plain = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let with_port = || text.parse().map(|address: SocketAddr| address.ip());
    plain.parse().or_else(|_| with_port()).ok()
}

#[cfg(test)]
mod tests;
