//! The client's side of the WebSocket upgrade (RFC 6455 section 4.1), pure.

use http::StatusCode;
use http::header::{SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS};
use tungstenite::handshake::client::{Response, generate_key};
use tungstenite::handshake::derive_accept_key;
use tungstenite::handshake::machine::TryParse;

/// An upgrade response longer than this is not one.
const MAX_RESPONSE: usize = 16 * 1024;

/// What the server answered instead of an upgrade.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the server answered the upgrade with {0}")]
pub struct UpgradeError(pub String);

/// An upgrade that was requested.
#[derive(Debug, PartialEq, Eq)]
pub struct Upgrade {
    key: String,
    /// The response as far as it has come.
    response: Vec<u8>,
    extensions: String,
}

impl Upgrade {
    /// Writes the request to `out`. `headers` are whole lines, each
    /// with its end, or nothing.
    pub fn request(host: &str, path: &str, headers: &str, out: &mut Vec<u8>) -> Self {
        let key = generate_key();
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n{headers}\r\n"
        );
        out.extend_from_slice(request.as_bytes());
        Self { key, response: Vec::new(), extensions: String::new() }
    }

    /// The `Sec-WebSocket-Accept` that the server must answer with.
    pub fn accept_key(&self) -> String {
        derive_accept_key(self.key.as_bytes())
    }

    /// What the server's response says of extensions; nothing while it is not complete.
    pub fn extensions(&self) -> &str {
        &self.extensions
    }

    /// Takes received bytes. Returns those after the response once it is complete.
    ///
    /// # Errors
    /// When the response is no upgrade, or one with a wrong key.
    pub fn receive(&mut self, bytes: &[u8]) -> Result<Option<Vec<u8>>, UpgradeError> {
        self.response.extend_from_slice(bytes);
        let (size, response) = match Response::try_parse(&self.response) {
            Ok(Some(parsed)) => parsed,
            Ok(None) if self.response.len() < MAX_RESPONSE => return Ok(None),
            _ => return Err(UpgradeError("something that is not HTTP".into())),
        };
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(UpgradeError(format!("HTTP {}", response.status())));
        }
        if response.headers().get(SEC_WEBSOCKET_ACCEPT).is_none_or(|key| *key != self.accept_key())
        {
            return Err(UpgradeError("a wrong accept key".into()));
        }
        let extensions = response.headers().get_all(SEC_WEBSOCKET_EXTENSIONS).iter();
        let extensions: Vec<_> = extensions.filter_map(|value| value.to_str().ok()).collect();
        self.extensions = extensions.join(", ");
        Ok(Some(self.response.split_off(size)))
    }
}
