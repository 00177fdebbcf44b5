//! Further addresses of the server: connections are spread over them.

use std::net::SocketAddr;
use std::str::FromStr;

/// Ports of one range at most.
const MOST_PORTS: u16 = 1_024;

/// The addresses of one `--address`. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TargetAddresses(pub(crate) Vec<SocketAddr>);

impl FromStr for TargetAddresses {
    type Err = String;

    /// `ADDRESS:PORT`, or `ADDRESS:FIRST-LAST` of ports.
    fn from_str(text: &str) -> Result<Self, String> {
        let form =
            || "give ADDRESS:PORT or ADDRESS:FIRST-LAST, e.g. 127.0.0.1:8765-8768".to_owned();
        let (address, ports) = text.rsplit_once(':').ok_or_else(form)?;
        let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
        let number = |text: &str| text.parse::<u16>().ok().filter(|port| *port > 0);
        let (first, last) = number(first).zip(number(last)).ok_or_else(form)?;
        if first > last || last - first >= MOST_PORTS {
            return Err(format!("{ports} is no range of 1 to {MOST_PORTS} ports"));
        }
        let at = |port| format!("{address}:{port}").parse().map_err(|_| form());
        (first..=last).map(at).collect::<Result<_, _>>().map(Self)
    }
}

#[cfg(test)]
mod tests;
