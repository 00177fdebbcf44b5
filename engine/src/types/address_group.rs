//! The addresses that count as one where something is shared out.

use std::net::IpAddr;

/// An IPv4 address, or the /64 of an IPv6 address: a host may use any address of its /64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AddressGroup {
    /// In two halves: a `u128` would align what holds it to 16 bytes.
    high: u64,
    low: u64,
}

impl From<IpAddr> for AddressGroup {
    fn from(address: IpAddr) -> AddressGroup {
        let bits = match address.to_canonical() {
            IpAddr::V4(ip) => ip.to_ipv6_mapped().to_bits(),
            IpAddr::V6(ip) => ip.to_bits() & (u128::MAX << 64),
        };
        AddressGroup { high: (bits >> 64) as u64, low: bits as u64 }
    }
}
