//! The flags that commands for a server share: which certificate, key and token they show.

use std::path::PathBuf;

use clap::Args;

use super::Failure;
use super::endpoint::Endpoint;
use crate::diagnostics::client::connect::Trust;
use crate::diagnostics::client::credentials::{Token, secret};
use crate::diagnostics::client::session::Session;
use crate::settings::value::{CertKey, Secret};

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

impl TrustFlags {
    pub(super) fn trust(&self) -> Trust {
        let own = self.client_cert_file.clone().zip(self.client_key_file.clone());
        let own = own.map(|(cert, key)| CertKey { cert, key });
        Trust { ca_file: self.ca_file.clone(), own, any: self.insecure }
    }
}

/// The key that the control port is shown.
#[derive(Args, Clone, Debug)]
pub(super) struct KeyFlag {
    /// File that holds an API key of the control port, where it has keys
    #[arg(long, value_name = "FILE", visible_alias = "key-file")]
    api_key_file: Option<PathBuf>,
}

impl KeyFlag {
    pub(super) fn is_given(&self) -> bool {
        self.api_key_file.is_some()
    }

    pub(super) fn read(&self) -> Result<Option<Secret>, Failure> {
        let key = self.api_key_file.as_ref().map(|path| secret("api_key_file", path)).transpose();
        key.map_err(|reason| Failure::new(reason, "Name a file with a key."))
    }
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
        let connector = endpoint.open(trust.trust()).await?;
        let (session, welcome) = Session::open(&connector, &endpoint.path, token.as_ref()).await?;
        if welcome["data"]["connection_id"].is_null() {
            session.close().await;
            let reason = "this service has a protocol of its own, without channels";
            return Err(Failure::new(reason, "docs/PROTOCOL.md, section 7, describes it."));
        }
        Ok(session)
    }
}
