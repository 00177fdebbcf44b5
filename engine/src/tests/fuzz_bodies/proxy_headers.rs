//! The body for what proxies say of their clients.

use super::pieces;
use crate::config::Proxies;
use crate::limits::MAX_PROXY_HEADER;
use crate::wire::proxy_protocol::{self, Header, Named};

/// The PROXY header, and a list of addresses as in X-Forwarded-For. A verdict on the beginning
/// stays when more comes; the client named is one of the texts.
pub fn proxy_header(data: &[u8]) {
    let whole = proxy_protocol::parse(data);
    match whole {
        Header::NeedMore => assert!(data.len() < MAX_PROXY_HEADER, "headers are bounded"),
        Header::Whole(length, Named { client, secure }) => {
            assert!(length <= data.len().min(MAX_PROXY_HEADER));
            let again = proxy_protocol::parse(&data[..length]);
            assert_eq!(again, whole, "what follows does not matter");
            assert!(client.is_some() || !secure, "what is secure has a client");
            if let Some(client) = client {
                let (family, ip) = (if client.is_ipv4() { 4 } else { 6 }, client.ip());
                let text = format!("PROXY TCP{family} {ip} {ip} {} 1\r\n", client.port());
                let named = Named { client: Some(client), secure: false };
                let expected = Header::Whole(text.len(), named);
                assert_eq!(proxy_protocol::parse(text.as_bytes()), expected);
            }
        }
        Header::Malformed => {}
    }
    for end in pieces(data) {
        match proxy_protocol::parse(&data[..end]) {
            Header::NeedMore => {}
            part => assert_eq!(part, whole, "cut at {end}"),
        }
    }
    let Ok(forwarded) = std::str::from_utf8(data) else { return };
    let trusted = ["10.0.0.0/8", "::1/128"].map(|network| network.parse().expect("a network"));
    let peer = "10.0.0.1:80".parse().expect("an address");
    let believed = proxy_protocol::client(
        peer,
        forwarded,
        &Proxies { trusted: trusted.into(), protocol: false },
    );
    let without_proxies = proxy_protocol::client(peer, forwarded, &Proxies::default());
    assert_eq!(without_proxies, peer, "only a trusted proxy is believed");
    assert!(believed == peer || believed.port() == 0);
}
