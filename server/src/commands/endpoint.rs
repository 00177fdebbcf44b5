//! The URL that a command is given, and what it shows and accepts there.

use std::path::PathBuf;

use clap::Args;
use hyper::http::Uri;
use uringcast_engine::Proxies;

use super::Failure;
use crate::diagnostics::client::connect::{ServerConnector, Target, Trust};
use crate::diagnostics::client::credentials::{Token, secret};
use crate::diagnostics::client::session::Session;
use crate::limits::VERIFY_TIMEOUT;
use crate::settings::value::{CertKey, Secret};

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
    pub(super) async fn open(&self, trust: &TrustFlags) -> Result<ServerConnector, Failure> {
        let own = trust.client_cert_file.clone().zip(trust.client_key_file.clone());
        let own = own.map(|(cert, key)| CertKey { cert, key });
        let ca_file = trust.ca_file.clone();
        let any = trust.insecure;
        if !self.tls && (any || ca_file.is_some() || own.is_some()) {
            let secure = if self.way == Way::WebSocket { "wss" } else { "https" };
            let reason = "URL: is not encrypted, so no certificate is shown or checked";
            return Err(Failure::new(reason, &format!("Give {secure}://, or take the flag away.")));
        }
        let tls = self.tls.then_some(Trust { ca_file, own, any });
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

/// How a certificate is checked, and which one is shown.
#[derive(Args, Clone, Debug)]
pub(super) struct TrustFlags {
    /// Authorities, or the server's own certificate, to trust instead of the system's (PEM)
    #[arg(long, value_name = "FILE", visible_alias = "ca")]
    ca_file: Option<PathBuf>,
    /// Accept any certificate: for tests only
    #[arg(long, conflicts_with = "ca_file")]
    insecure: bool,
    /// A client's certificate and its chain, where the server demands one (PEM)
    #[arg(long, value_name = "FILE", requires = "client_key_file")]
    client_cert_file: Option<PathBuf>,
    /// The private key of that certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "client_cert_file")]
    client_key_file: Option<PathBuf>,
}

/// The token that a client shows.
#[derive(Args, Clone, Debug)]
pub(super) struct TokenFlags {
    /// A client's token (JWT); "@FILE" reads it from a file
    #[arg(long, value_name = "TOKEN", conflicts_with = "token_file")]
    token: Option<Token>,
    /// File that holds the token and nothing else
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

impl TokenFlags {
    pub(super) fn is_given(&self) -> bool {
        self.token.is_some() || self.token_file.is_some()
    }

    /// Upgrades and waits for the welcome, with the token if there is one.
    pub(super) async fn session(
        &self,
        endpoint: &Endpoint,
        trust: &TrustFlags,
    ) -> Result<Session, Failure> {
        let token = match &self.token_file {
            Some(path) => Some(secret("token_file", path)),
            None => self.token.as_ref().map(Token::read),
        };
        let bad = |reason| Failure::new(format!("no token: {reason}"), "Give another --token.");
        let token: Option<Secret> = token.transpose().map_err(bad)?;
        let connector = endpoint.open(trust).await?;
        let (session, welcome) = Session::open(&connector, &endpoint.path, token.as_ref()).await?;
        if welcome["data"]["connection_id"].is_null() {
            session.close().await;
            let reason = "this service has a protocol of its own, without channels";
            return Err(Failure::new(reason, "docs/PROTOCOL.md, section 7, describes it."));
        }
        Ok(session)
    }
}
