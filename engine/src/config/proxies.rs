//! The proxies from which headers are trusted.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

/// The proxies in front of a service.
#[derive(Clone, Debug, Default)]
pub struct Proxies {
    /// Networks of hosts that are trusted when they name a client's address.
    pub trusted: Arc<[IpNet]>,
    /// Connections from there begin with a PROXY header, version 1 or 2.
    pub protocol: bool,
}

impl Proxies {
    /// Whether this address is a trusted proxy's.
    pub fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.trusted.iter().any(|network| network.contains(&address))
    }
}
