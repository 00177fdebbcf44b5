//! Networks of addresses.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{Invalid, Value, invalid, quoted};

/// A network, or a single address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network(pub IpNet);

impl Value for Network {
    const HINT: &'static str = "CIDR";

    fn parse(text: &str) -> Result<Self, Invalid> {
        let network = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        network.map(|network| Network(network.trunc())).map_err(|_| {
            let remedy = "Write it like 10.0.0.0/8, 192.0.2.7 or 2001:db8::/32.";
            invalid("is no network of IP addresses", remedy)
        })
    }

    fn show(&self) -> Option<String> {
        quoted(&self.0.to_string())
    }
}
