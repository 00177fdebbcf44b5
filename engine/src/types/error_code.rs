//! Why a request is refused.

use serde::Serialize;

/// The envelope's `error_code`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ErrorCode {
    /// Not an envelope.
    DecodeError,
    /// A request that is not in the protocol.
    UnknownRequest,
    /// A request with a field missing or of the wrong type.
    InvalidRequest,
    /// A missing or impossible channel name.
    InvalidChannel,
    /// Not permitted.
    Forbidden,
    /// Too fast.
    RateLimitExceeded,
    /// More than one request or one connection may hold.
    LimitExceeded,
    /// No room for a publication now.
    Busy,
    /// The order of channels is not available: nothing can be published, or a channel not read.
    Unavailable,
    /// It is unknown whether it was published.
    UnknownOutcome,
    /// A missing, bad or expired token.
    AuthFailed,
    /// Something else came before the token.
    AuthRequired,
}
