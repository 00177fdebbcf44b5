//! What a server refused, and what to do about it.

use crate::diagnostics::check_report::{Finding, failure};

/// The code and text of an error message that came instead of a reply, or why the connection ended.
pub(crate) struct Refusal(pub(crate) String);

impl<E: std::error::Error> From<E> for Refusal {
    fn from(error: E) -> Refusal {
        Refusal(error.to_string())
    }
}

impl Refusal {
    pub(crate) fn remedy(&self) -> &'static str {
        let is = |word: &str| self.0.contains(word);
        if is("AUTH_REQUIRED") || is("Authentication required") {
            "Give --token. `uringcast-server token` makes one from a shared secret."
        } else if is("AUTH_FAILED") || is("Authentication") || is("401") {
            "Give a --token that the server's keys verify and whose time is not over."
        } else if is("maximum capacity") || is("1013") {
            "Raise max-connections, or find out who holds them: websocket_connections_active."
        } else if is("FORBIDDEN") {
            "Give a --token that permits it, or a channel that the token permits."
        } else if is("INVALID_CHANNEL") {
            "Name a channel in 1 to 200 bytes without control characters."
        } else if is("LIMIT_EXCEEDED") {
            "The text names the limit: docs/LIMITS.md has its value."
        } else if is("BUSY") || is("RATE_LIMIT_EXCEEDED") {
            "Try again later, or send less at a time."
        } else if is("invalid HTTP version") {
            "The port is one with TLS: give a URL with wss or https; to verify, --tls."
        } else if is("InvalidContentType") {
            "The port is one without TLS: give a URL with ws or http; to verify, no --tls."
        } else if is("HTTP error: 200") || is("HTTP error: 404") {
            "Give the clients' port: this is another one, such as the control port."
        } else if is("1001") {
            "The server is stopping: start it again."
        } else {
            "Is this a Uringcast server's port for clients? Look at its log."
        }
    }

    /// Whether the same may be accepted later.
    pub(crate) fn is_for_now(&self) -> bool {
        ["BUSY", "RATE_LIMIT_EXCEEDED"].iter().any(|code| self.0.starts_with(code))
    }

    pub(crate) fn finding(&self, what: &str) -> Finding {
        failure(format!("{what}: {}", self.0), self.remedy())
    }
}
