//! Why a request was not upgraded, and what it is answered.

use std::time::Duration;

use http::StatusCode;

use super::answer;
use crate::wire::event_stream::{Refusal, StreamFault};

/// Why a request was not upgraded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpgradeError {
    /// Not HTTP, or not as it should be.
    Malformed,
    /// A TLS handshake, on a port without TLS.
    Tls,
    /// A PROXY header where none is due.
    ProxyHeader,
    /// Something but GET, or HEAD of anything but a health path.
    Method,
    /// More bytes or headers than are read.
    TooLarge,
    /// HTTP without the upgrade headers, or HTTP/1.0.
    NoUpgrade,
    /// A version of WebSocket other than 13.
    Version,
    /// A missing, repeated or impossible `Sec-WebSocket-Key`.
    Key,
    /// A missing, repeated or impossible `Host`.
    Host,
    /// A repeated or impossible `Origin`.
    Origin,
    /// Several tokens, or an `Authorization` that is no text.
    Token,
    /// A valid `Origin` of pages that may not connect.
    Unlisted,
    /// Its address has as many connections as it may have.
    TooMany,
    /// The server ends, in about this time.
    ShuttingDown(Duration),
    /// What is wrong with a request for Server-Sent Events.
    Stream(StreamFault),
}

impl UpgradeError {
    /// The status of the response.
    pub fn status(self) -> StatusCode {
        match self {
            UpgradeError::Malformed
            | UpgradeError::Tls
            | UpgradeError::ProxyHeader
            | UpgradeError::Key
            | UpgradeError::Host
            | UpgradeError::Origin
            | UpgradeError::Token => StatusCode::BAD_REQUEST,
            UpgradeError::Unlisted => StatusCode::FORBIDDEN,
            UpgradeError::TooMany => StatusCode::TOO_MANY_REQUESTS,
            UpgradeError::Method => StatusCode::METHOD_NOT_ALLOWED,
            UpgradeError::TooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            UpgradeError::NoUpgrade | UpgradeError::Version => StatusCode::UPGRADE_REQUIRED,
            UpgradeError::ShuttingDown(_) => StatusCode::SERVICE_UNAVAILABLE,
            UpgradeError::Stream(fault) => fault.status(),
        }
    }

    /// The body of the response, and the reason in logs.
    pub fn reason(self) -> &'static str {
        match self {
            UpgradeError::Malformed => "malformed HTTP request",
            UpgradeError::Tls => "a TLS handshake, and this port serves ws without TLS",
            UpgradeError::ProxyHeader => {
                "a PROXY header that proxy_protocol or trusted_proxies does not allow here"
            }
            UpgradeError::Method => "only GET is served here",
            UpgradeError::TooLarge => "request headers are too large",
            UpgradeError::NoUpgrade => "this is a WebSocket endpoint: upgrade required",
            UpgradeError::Version => "only WebSocket version 13 is spoken here",
            UpgradeError::Key => "missing or invalid Sec-WebSocket-Key header",
            UpgradeError::Host => "missing or invalid Host header",
            UpgradeError::Origin => "invalid Origin header",
            UpgradeError::Token => "invalid Authorization header, or more than one token",
            UpgradeError::Unlisted => "pages of this origin may not connect here",
            UpgradeError::TooMany => "too many connections from this address",
            UpgradeError::ShuttingDown(_) => "the server is shutting down",
            UpgradeError::Stream(fault) => fault.reason(),
        }
    }

    /// A whole HTTP response.
    pub fn response(self) -> Vec<u8> {
        if let UpgradeError::Stream(fault) = self {
            let (status, message) = (fault.status(), fault.reason().into());
            return Refusal { status, code: "bad_request", message }.response(None);
        }
        let extra = match self {
            UpgradeError::Method => "Allow: GET\r\n".into(),
            UpgradeError::NoUpgrade | UpgradeError::Version => {
                "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n".into()
            }
            // Whole seconds, not before the end.
            UpgradeError::ShuttingDown(left) => format!("Retry-After: {}\r\n", left.as_secs() + 1),
            _ => String::new(),
        };
        let body = format!("{}\n", self.reason());
        answer(self.status(), "text/plain; charset=utf-8", &extra, &body)
    }
}
