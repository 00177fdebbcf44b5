//! A server's URL as users write it.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use http::Uri;

/// How long an address of several may take to accept a connection before the next one is tried.
const PATIENCE: Duration = Duration::from_secs(2);

/// Which schemes a flag takes, and whether each means TLS. The first two are named in errors.
pub(crate) type Schemes = [(&'static str, bool)];

/// Of a WebSocket server. `http` and `https` mean the same, as in browsers.
pub(crate) const WEBSOCKET: &Schemes =
    &[("ws", false), ("wss", true), ("http", false), ("https", true)];

/// Of a control port.
pub(crate) const CONTROL: &Schemes = &[("http", false), ("https", true)];

/// The parts of a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServerUrl {
    /// As given. It may hold a secret: show it [`masked`].
    pub(crate) text: String,
    pub(crate) secure: bool,
    /// A name or an address, without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Path and query; it begins with a slash.
    pub(crate) path: String,
}

impl ServerUrl {
    /// Reads a URL: with a query but no path, with a scheme in capitals, with an IPv6 address in
    /// brackets, with white space around it.
    ///
    /// # Errors
    /// What is wrong, and what to write instead.
    pub(crate) fn parse(text: &str, schemes: &Schemes) -> Result<Self, String> {
        let text = text.trim();
        let expected = || format!("must begin with {}:// or {}://", schemes[0].0, schemes[1].0);
        let (scheme, rest) = text.split_once("://").ok_or_else(expected)?;
        let scheme = scheme.to_ascii_lowercase();
        let known = schemes.iter().find(|(known, _)| *known == scheme);
        let secure = known.ok_or_else(expected)?.1;
        if rest.contains('#') {
            return Err("a fragment (#…) is not sent to a server; write # as %23".into());
        }
        if rest.is_empty() || rest.starts_with(['/', '?', ':']) && !rest.starts_with("::") {
            return Err("has no host".into());
        }
        // The parser knows the form of http only.
        let uri: Uri = format!("http://{rest}").parse().map_err(|error| {
            let bare = rest.split(['/', '?']).next().unwrap_or(rest);
            match bare.parse::<std::net::Ipv6Addr>() {
                Ok(_) => format!("an IPv6 address needs brackets: {scheme}://[{bare}]"),
                Err(_) => format!("not a URL: {error}"),
            }
        })?;
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        if authority.contains('@') {
            return Err("a name and password in the URL are not sent; use --token".into());
        }
        let host = uri.host().unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = match authority.rsplit_once(':') {
            Some((_, port)) if !port.is_empty() && !port.ends_with(']') => {
                let number = port.parse().ok().filter(|number| *number > 0);
                number.ok_or_else(|| format!("{port} is no port; give one from 1 to 65535"))?
            }
            _ if secure => 443,
            _ => 80,
        };
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let slash = if path.starts_with('/') { "" } else { "/" };
        Ok(Self { text: text.into(), secure, host, port, path: format!("{slash}{path}") })
    }

    /// Host and port for the `Host` header, the port unless it is the scheme's own.
    pub(crate) fn authority(&self) -> String {
        let bracketed = self.host.parse::<IpAddr>().is_ok_and(|address| address.is_ipv6());
        let mut text = if bracketed { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port != if self.secure { 443 } else { 80 } {
            let _ = write!(text, ":{}", self.port);
        }
        text
    }

    /// The address to connect to. Of several, the first that accepts a connection: IPv4 before
    /// IPv6, since servers listen on 127.0.0.1 by default.
    ///
    /// # Errors
    /// When the name has no address, or none of several accepts.
    pub(crate) fn address(&self) -> Result<SocketAddr, String> {
        let found = (&*self.host, self.port).to_socket_addrs();
        let found = found.map_err(|error| format!("cannot look up {}: {error}", self.host))?;
        let mut addresses: Vec<SocketAddr> = found.collect();
        addresses.sort_by_key(SocketAddr::is_ipv6);
        addresses.dedup();
        first_that_accepts(&addresses).map_err(|tried| match tried.is_empty() {
            true => format!("{} has no address", self.host),
            false => format!(
                "no address of {} accepts connections: {tried}; is the server running there?",
                self.host
            ),
        })
    }
}

/// A URL for messages and reports: without the values of its query, which may be tokens, and
/// without a name and password.
pub(crate) fn masked(url: &str) -> String {
    let (place, query) = url.split_once('?').map_or((url, None), |(url, query)| (url, Some(query)));
    let mut shown = match (place.split_once("://"), place.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, rest))) => format!("{scheme}://…@{rest}"),
        _ => place.to_owned(),
    };
    for (at, pair) in query.into_iter().flat_map(|query| query.split('&')).enumerate() {
        shown.push(if at == 0 { '?' } else { '&' });
        match pair.split_once('=') {
            Some((name, value)) if !value.is_empty() => {
                let _ = write!(shown, "{name}=…");
            }
            _ => shown.push_str(pair),
        }
    }
    shown
}

/// A single address is not tried: the run itself reports what becomes of it.
fn first_that_accepts(addresses: &[SocketAddr]) -> Result<SocketAddr, String> {
    if let [only] = addresses {
        return Ok(*only);
    }
    let mut tried = Vec::new();
    for address in addresses {
        match TcpStream::connect_timeout(address, PATIENCE) {
            Ok(_) => return Ok(*address),
            Err(error) => tried.push(format!("{address}: {error}")),
        }
    }
    Err(tried.join(", "))
}

#[cfg(test)]
mod tests;
