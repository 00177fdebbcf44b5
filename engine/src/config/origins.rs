//! Which browsers' pages may connect.

use http::uri::Authority;

/// Which browsers' pages may connect. Programs that are no browsers send no `Origin`, and are
/// accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origins {
    /// Pages of any origin.
    Any,
    /// Pages of the host that the client connects to, on the same port or on one of these.
    SameHost(Vec<u16>),
    /// Pages of these origins, as browsers write them.
    Listed(Vec<String>),
}

impl Default for Origins {
    fn default() -> Origins {
        Origins::SameHost(Vec::new())
    }
}

impl Origins {
    /// Whether a page of this origin may connect to a service that it calls `host`.
    pub(crate) fn admit(&self, origin: Option<&str>, host: &str) -> bool {
        let Some(origin) = origin else { return true };
        match self {
            Origins::Any => true,
            Origins::SameHost(ports) => is_same_host(origin, host, ports),
            Origins::Listed(all) => all.iter().any(|known| known == origin),
        }
    }
}

fn is_same_host(origin: &str, host: &str, ports: &[u16]) -> bool {
    // Browsers leave the port of the scheme out (RFC 6454, 6.1), in both headers.
    let with_port = origin.strip_prefix("http://").map(|rest| (rest, 80));
    let with_port = with_port.or_else(|| Some((origin.strip_prefix("https://")?, 443)));
    let Some((page, standard)) = with_port else { return false };
    let (Ok(page), Ok(host)) = (page.parse::<Authority>(), host.parse::<Authority>()) else {
        return false;
    };
    let port = |authority: &Authority| authority.port_u16().unwrap_or(standard);
    let is_port_known = port(&page) == port(&host) || ports.contains(&port(&page));
    is_port_known && page.host().eq_ignore_ascii_case(host.host())
}

#[cfg(test)]
mod tests;
