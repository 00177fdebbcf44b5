//! Why a connection is closed. docs/PROTOCOL.md has the table of codes; a test compares them.

use http::StatusCode;

use crate::config::{Protocol, Service};
use crate::telemetry::{Close, ConnectionError};

/// Every reason to close: gives the close code, the text, the counter and the log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CloseReason {
    /// The peer asked for it; its code goes back (RFC 6455, 5.5.1).
    Peer(u16),
    /// The server stops.
    Shutdown,
    /// The server is relieved of it.
    Drain,
    /// Too many connections.
    MaxConnections,
    /// The log ran past what it has taken.
    SlowConsumer,
    /// It does not read its replies.
    OutboxFull,
    /// All laggards of the shard together hold too much.
    LaggardMemory,
    /// It broke RFC 6455; what it broke.
    Protocol(&'static str),
    /// Text that is not UTF-8.
    InvalidUtf8,
    /// A compressed message that cannot be inflated.
    NotInflated,
    /// A message over the limit; its length as far as it was announced.
    MessageTooBig(u64),
    /// A message was not finished in time; or before, when the memory is needed.
    MessageTimeout,
    /// No answer to a PING.
    KeepaliveTimeout,
    /// No token in the `auth` request.
    AuthMissing,
    /// A bad or expired token.
    AuthFailed,
    /// Something else came before the token.
    AuthRequired,
    /// No token in time.
    AuthTimeout,
    /// What came before the token was no envelope.
    AuthError,
    /// Too much came behind the token before it was verified.
    AuthBacklog,
    /// Too many tokens wait for verification.
    AuthOverload,
    /// The token was good until now.
    TokenExpired,
    /// The service it belongs to wants it gone.
    Expelled,
    /// Its client's certificate was revoked.
    CertificateRevoked,
    /// A request for a stream of events that is answered otherwise.
    NoStream,
    /// Its TLS keys are used up, or cannot follow the peer's: with new ones it may come back.
    Keys,
}

impl CloseReason {
    /// Close code and text of the close frame (RFC 6455, 7.4). A session protocol
    /// may have a close frame of its own for clients that are not let in.
    pub(crate) fn frame(self, service: &Service) -> (u16, &'static str) {
        let turned_away = matches!(
            self,
            CloseReason::AuthMissing
                | CloseReason::AuthFailed
                | CloseReason::AuthRequired
                | CloseReason::AuthTimeout
                | CloseReason::AuthError
        );
        if turned_away && let Protocol::Custom(custom) = &service.protocol {
            return custom.unauthenticated();
        }
        let code = match self {
            CloseReason::Peer(code) => code,
            _ => self.counted_as().code(service.close_codes).unwrap_or(1000),
        };
        (code, self.text())
    }

    /// The text of the close frame.
    fn text(self) -> &'static str {
        match self {
            CloseReason::Peer(_) => "",
            CloseReason::Shutdown => "Server is shutting down",
            CloseReason::Drain => "Reconnect: the server is relieved of clients",
            CloseReason::MaxConnections => "Server at maximum capacity",
            CloseReason::SlowConsumer => "slow consumer",
            CloseReason::OutboxFull => "Replies are not being read",
            CloseReason::LaggardMemory => "slow consumer: server memory for laggards",
            CloseReason::Protocol(what) => what,
            CloseReason::InvalidUtf8 => "Invalid UTF-8",
            CloseReason::NotInflated => "Message cannot be inflated",
            CloseReason::MessageTooBig(_) => "Message too big",
            CloseReason::MessageTimeout => "Message was not finished in time",
            CloseReason::KeepaliveTimeout => "keepalive ping timeout",
            CloseReason::AuthMissing | CloseReason::AuthFailed => "Authentication failed",
            CloseReason::AuthRequired | CloseReason::AuthTimeout => "Authentication required",
            CloseReason::AuthError => "Authentication error",
            CloseReason::AuthBacklog => "Too many messages before authentication",
            CloseReason::AuthOverload => "Too many authentications",
            CloseReason::TokenExpired => "Token expired",
            CloseReason::Expelled => "Disconnected by the service",
            CloseReason::CertificateRevoked => "Client certificate revoked",
            CloseReason::NoStream => "Stream refused",
            CloseReason::Keys => "New TLS keys are needed: reconnect",
        }
    }

    /// Whether its client may come again as it is: the same request may succeed.
    pub(crate) fn may_reconnect(self) -> bool {
        matches!(
            self,
            CloseReason::Shutdown
                | CloseReason::MaxConnections
                | CloseReason::SlowConsumer
                | CloseReason::OutboxFull
                | CloseReason::LaggardMemory
                | CloseReason::KeepaliveTimeout
                | CloseReason::AuthOverload
                | CloseReason::Keys
        )
    }

    /// What a request for a stream of events is answered that has come so far only: the status, and
    /// a word for programs.
    pub(crate) fn response(self) -> (StatusCode, &'static str) {
        match self {
            CloseReason::AuthMissing | CloseReason::AuthFailed | CloseReason::AuthError => {
                (StatusCode::UNAUTHORIZED, "unauthorized")
            }
            CloseReason::AuthRequired | CloseReason::AuthTimeout | CloseReason::TokenExpired => {
                (StatusCode::UNAUTHORIZED, "unauthorized")
            }
            CloseReason::Expelled | CloseReason::CertificateRevoked | CloseReason::NoStream => {
                (StatusCode::FORBIDDEN, "forbidden")
            }
            CloseReason::Protocol(_) => (StatusCode::BAD_REQUEST, "bad_request"),
            CloseReason::Shutdown | CloseReason::Drain => {
                (StatusCode::SERVICE_UNAVAILABLE, "draining")
            }
            _ => (StatusCode::SERVICE_UNAVAILABLE, "saturated"),
        }
    }

    /// As which it is counted.
    pub(crate) fn counted_as(self) -> Close {
        match self {
            CloseReason::Peer(1000) => Close::PeerNormal,
            CloseReason::Peer(1001) => Close::PeerGoingAway,
            CloseReason::Peer(_) => Close::PeerOther,
            CloseReason::Shutdown => Close::Shutdown,
            CloseReason::Drain => Close::Drain,
            CloseReason::MaxConnections => Close::MaxConnections,
            CloseReason::SlowConsumer => Close::SlowConsumer,
            CloseReason::OutboxFull => Close::OutboxFull,
            CloseReason::LaggardMemory => Close::LaggardMemory,
            CloseReason::Protocol(_) => Close::Protocol,
            CloseReason::InvalidUtf8 => Close::InvalidUtf8,
            CloseReason::NotInflated => Close::NotInflated,
            CloseReason::MessageTooBig(_) => Close::MessageTooBig,
            CloseReason::MessageTimeout => Close::MessageTimeout,
            CloseReason::KeepaliveTimeout => Close::KeepaliveTimeout,
            CloseReason::AuthMissing | CloseReason::AuthFailed => Close::AuthFailed,
            CloseReason::AuthRequired => Close::AuthRequired,
            CloseReason::AuthTimeout => Close::AuthTimeout,
            CloseReason::AuthError => Close::AuthError,
            CloseReason::AuthBacklog => Close::AuthBacklog,
            CloseReason::AuthOverload => Close::AuthOverload,
            CloseReason::TokenExpired => Close::TokenExpired,
            CloseReason::Expelled => Close::Expelled,
            CloseReason::CertificateRevoked => Close::CertificateRevoked,
            CloseReason::NoStream => Close::NoStream,
            CloseReason::Keys => Close::Keys,
        }
    }

    /// Whether no line of the log tells of it: its peer wanted it, or it is one of many.
    pub(crate) fn is_expected(self) -> bool {
        matches!(
            self,
            CloseReason::Peer(_)
                | CloseReason::Shutdown
                | CloseReason::Drain
                | CloseReason::NoStream
        )
    }

    /// The counter it raises, if it is a fault.
    pub(crate) fn error(self) -> Option<ConnectionError> {
        match self {
            CloseReason::Peer(_)
            | CloseReason::Shutdown
            | CloseReason::Drain
            | CloseReason::Keys
            | CloseReason::CertificateRevoked
            | CloseReason::NoStream
            | CloseReason::Expelled => None,
            CloseReason::MaxConnections => Some(ConnectionError::MaxConnections),
            CloseReason::SlowConsumer | CloseReason::LaggardMemory => {
                Some(ConnectionError::SlowConsumer)
            }
            CloseReason::OutboxFull => Some(ConnectionError::OutboxFull),
            CloseReason::Protocol(_) => Some(ConnectionError::Protocol),
            CloseReason::InvalidUtf8 => Some(ConnectionError::InvalidUtf8),
            CloseReason::NotInflated => Some(ConnectionError::NotInflated),
            CloseReason::MessageTooBig(_) => Some(ConnectionError::MessageTooBig),
            CloseReason::MessageTimeout | CloseReason::KeepaliveTimeout => {
                Some(ConnectionError::Timeout)
            }
            CloseReason::AuthMissing | CloseReason::AuthTimeout => {
                Some(ConnectionError::AuthMissing)
            }
            CloseReason::AuthFailed => Some(ConnectionError::AuthFailed),
            CloseReason::AuthRequired => Some(ConnectionError::AuthRequired),
            CloseReason::AuthError | CloseReason::AuthBacklog => Some(ConnectionError::AuthError),
            CloseReason::AuthOverload => Some(ConnectionError::AuthOverload),
            CloseReason::TokenExpired => Some(ConnectionError::TokenExpired),
        }
    }
}

#[cfg(test)]
mod tests;
