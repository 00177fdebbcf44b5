//! The addresses of this machine that connections come from: each pair of addresses has ports of
//! its own.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::str::FromStr;
use std::sync::Arc;

use ipnet::{IpAddrRange, IpNet, Ipv4AddrRange, Ipv6AddrRange};

use crate::error::OperatorError;

/// One pair of addresses has about 28,000 ports, and connecting slows down long before the last.
const CONNECTIONS_PER_PAIR: u32 = 8_000;
/// Of 127.0.0.1 to 127.0.0.254.
const MAX_OF_LOOPBACK: u32 = 250;
/// Addresses of a list at most: each is kept, and tried before the run.
const MOST: usize = 65_536;

const FORM: &str = "give addresses, ranges and networks, e.g. 127.0.0.2-127.0.0.9,10.0.0.0/24";

/// Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SourceAddresses(Arc<[IpAddr]>);

impl FromStr for SourceAddresses {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut all = Vec::new();
        for part in text.split(',') {
            let addresses = addresses(part.trim()).ok_or_else(|| format!("{part:?}: {FORM}"))?;
            all.extend(addresses.take(MOST + 1));
            if all.len() > MOST {
                return Err(format!("more than {MOST} addresses"));
            }
        }
        if all.is_empty() {
            return Err(format!("no address: {FORM}"));
        }
        Ok(Self(all.into()))
    }
}

/// Those of one address, range or network; of a network the hosts.
fn addresses(part: &str) -> Option<IpAddrRange> {
    if part.contains('/') {
        return part.parse::<IpNet>().ok().map(|network| match network {
            IpNet::V4(network) => IpAddrRange::V4(network.hosts()),
            IpNet::V6(network) => IpAddrRange::V6(network.hosts()),
        });
    }
    let (first, last) = part.split_once('-').unwrap_or((part, part));
    match (first.trim().parse().ok()?, last.trim().parse().ok()?) {
        (IpAddr::V4(first), IpAddr::V4(last)) => {
            Some(IpAddrRange::V4(Ipv4AddrRange::new(first, last)))
        }
        (IpAddr::V6(first), IpAddr::V6(last)) => {
            Some(IpAddrRange::V6(Ipv6AddrRange::new(first, last)))
        }
        _ => None,
    }
}

impl SourceAddresses {
    /// 127.0.0.1, 127.0.0.2, … so many.
    pub(crate) fn of_loopback(count: u32) -> Self {
        let at = |index| IpAddr::V4(Ipv4Addr::from_bits(Ipv4Addr::LOCALHOST.to_bits() + index));
        Self((0..count).map(at).collect())
    }

    /// How many of loopback so many connections are spread over, unless told otherwise.
    pub(crate) fn usual(connections: u32, targets: usize) -> u32 {
        let connections = connections.div_ceil(targets.max(1) as u32);
        connections.div_ceil(CONNECTIONS_PER_PAIR).clamp(1, MAX_OF_LOOPBACK)
    }

    /// Those of a run: as given, or spread over loopback. `None`: the kernel chooses.
    ///
    /// # Errors
    /// Names the flag where an address is not of this machine or cannot reach the server.
    pub(crate) fn choose(
        given: Option<&Self>,
        count: Option<u32>,
        connections: u32,
        targets: &[SocketAddr],
    ) -> Result<Option<Self>, OperatorError> {
        if let Some(given) = given {
            given.check(targets)?;
            return Ok(Some(given.clone()));
        }
        let foreign = targets.iter().find(|target| !target.is_ipv4() || !target.ip().is_loopback());
        match (count, foreign) {
            (Some(count), Some(target)) => Err(OperatorError(format!(
                "--source-addresses {count}: only for a server on 127.0.0.1, this one is {target}; \
                 name addresses of this machine with --source"
            ))),
            (None, Some(_)) => Ok(None),
            (count, None) => {
                let usual = Self::usual(connections, targets.len());
                let count = count.or(Some(usual).filter(|usual| *usual > 1));
                Ok(count.map(Self::of_loopback))
            }
        }
    }

    fn check(&self, targets: &[SocketAddr]) -> Result<(), OperatorError> {
        for source in &*self.0 {
            if let Some(target) = targets.iter().find(|to| to.is_ipv4() != source.is_ipv4()) {
                return Err(OperatorError(format!(
                    "--source {source}: it cannot reach {target}; give addresses of one family"
                )));
            }
            TcpListener::bind((*source, 0)).map_err(|error| {
                OperatorError(format!(
                    "--source {source}: {error}; name addresses of this machine (`ip address` \
                     lists them)"
                ))
            })?;
        }
        Ok(())
    }

    /// That of a connection.
    pub(crate) fn of(&self, connection: u32) -> IpAddr {
        self.0[connection as usize % self.0.len()]
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests;
