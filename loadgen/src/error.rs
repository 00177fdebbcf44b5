//! What can go wrong between this tool and its operator or the server, and what to do about it.

use std::io;

use uringcast_loadgen::transport::Endpoint;

use crate::client::Fault;

/// An error that the operator can correct: the message names the flag or address and the remedy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct OperatorError(pub(crate) String);

/// Why a connection could not be made or kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectionError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Fault(#[from] Fault),
    #[error("the server closed the connection without a word")]
    Eof,
    #[error("no answer within {0} s")]
    Timeout(u64),
}

impl ConnectionError {
    fn remedy(&self, tls: bool) -> &'static str {
        match self {
            Self::Io(error) => match error.kind() {
                io::ErrorKind::ConnectionRefused => {
                    "is the server running there? `loadgen --self-host` starts one by itself"
                }
                io::ErrorKind::InvalidData if tls => {
                    "name the authority with --ca-file FILE, or --insecure to trust anything; \
                     if the server has no TLS use ws://"
                }
                io::ErrorKind::AddrNotAvailable => "spread over more --source-addresses",
                _ => "check the address and the limits of this machine",
            },
            Self::Fault(Fault::Closed(reason)) if reason.starts_with("1013") => {
                "raise the server's --max-connections"
            }
            Self::Fault(Fault::Refused(code)) => remedy_for(code),
            Self::Fault(_) => "is this the WebSocket port of the server?",
            Self::Eof if !tls => "if the server speaks TLS use wss://",
            Self::Eof => "if the server has no TLS use ws://",
            Self::Timeout(_) => "is it overloaded? try a lower --ramp",
        }
    }

    /// The message for the operator.
    pub(crate) fn explain(&self, to: &Endpoint) -> OperatorError {
        let remedy = self.remedy(to.tls.is_some());
        OperatorError(format!("cannot connect to {}: {self}; {remedy}", to.url))
    }
}

/// What to do about an error code of the server.
pub(crate) fn remedy_for(code: &str) -> &'static str {
    match code {
        "FORBIDDEN" | "AUTH_REQUIRED" | "UNKNOWN_REQUEST" | "HTTP 403" => {
            "start the server with --anonymous-publish, or use --publish http"
        }
        "HTTP 401" => "give the server's key with --api-key",
        "RATE_LIMIT_EXCEEDED" => {
            "start the server with --message-rate 0, or use more --publishers or --publish http"
        }
        "BUSY" | "HTTP 503" | "HTTP 429" => "the server is saturated: lower --rate",
        "HTTP 404" => "is --control-url the control port of the server?",
        _ => "see the server's log",
    }
}
