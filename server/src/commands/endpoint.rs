//! The URL that a command is given.

use hyper::http::Uri;
use uringcast_engine::Proxies;

use super::Failure;
use crate::diagnostics::client::connect::{ServerConnector, Target, Trust};
use crate::limits::VERIFY_TIMEOUT;

/// What a URL leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// `ws` or `wss`: the clients' port.
    WebSocket,
    /// `http` or `https`: the control port.
    Http,
}

/// A URL in its parts.
#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) way: Way,
    tls: bool,
    host: String,
    port: u16,
    /// With its query; `/` where there is none.
    pub(super) path: String,
}

impl Endpoint {
    /// Reads a URL. It is not repeated in errors: its query may hold a token.
    pub(super) fn parse(url: &str, accepted: &[Way]) -> Result<Endpoint, Failure> {
        let forms = match accepted {
            [Way::WebSocket] => "ws://HOST:PORT or wss://HOST:PORT",
            [Way::Http] => "http://HOST:PORT",
            _ => "http://HOST:PORT of the control port, or ws://HOST:PORT of the clients' port",
        };
        let refused =
            |reason: &str| Failure::new(format!("URL: {reason}"), &format!("Give {forms}."));
        let uri: Uri = url.parse().map_err(|_| refused("is no URL"))?;
        let (way, tls) = match uri.scheme_str() {
            Some("ws") => (Way::WebSocket, false),
            Some("wss") => (Way::WebSocket, true),
            Some("http") => (Way::Http, false),
            Some("https") => (Way::Http, true),
            _ => return Err(refused("does not begin with a scheme that is known")),
        };
        if !accepted.contains(&way) {
            return Err(refused("leads to another of the server's ports"));
        }
        let authority = uri.authority().ok_or_else(|| refused("has no host"))?;
        if authority.as_str().contains('@') {
            return Err(refused("has a user or a password in it, which nobody reads"));
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = authority.port_u16().unwrap_or(if tls { 443 } else { 80 });
        let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        Ok(Endpoint { way, tls, host, port, path })
    }

    /// Connects once, to find the address that answers.
    pub(super) async fn open(&self, trust: Trust) -> Result<ServerConnector, Failure> {
        if !self.tls && trust != Trust::default() {
            let secure = if self.way == Way::WebSocket { "wss" } else { "https" };
            let reason = "URL: is not encrypted, so no certificate is shown or checked";
            return Err(Failure::new(reason, &format!("Give {secure}://, or take the flag away.")));
        }
        let tls = self.tls.then_some(trust);
        let (host, port, timeout) = (self.host.clone(), self.port, VERIFY_TIMEOUT);
        let proxies = Proxies::default();
        let (connector, connected) =
            ServerConnector::open(&Target { host, port, tls, proxies, timeout }).await?;
        match connected {
            Ok(_) => Ok(connector),
            Err(refused) => Err(Failure::new(
                refused.found,
                "Start the server, or give the URL that it prints behind \"listening\" when it \
                 starts.",
            )),
        }
    }
}
