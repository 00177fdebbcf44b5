//! What can go wrong between this tool and its operator or the server, and what to do about it.

use std::io;

use crate::transport::Endpoint;
use crate::upgrade::UpgradeError;

use crate::advice::Given;
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
    fn remedy(&self, given: &Given, tls: bool) -> String {
        let remedy = match self {
            Self::Io(error) => match error.kind() {
                io::ErrorKind::ConnectionRefused => {
                    "is the server running there? `loadgen --self-host` starts one by itself"
                }
                io::ErrorKind::InvalidData if tls => given.for_certificate,
                io::ErrorKind::AddrNotAvailable => "spread over more --source-addresses",
                _ => "check the address and the limits of this machine",
            },
            Self::Fault(Fault::Closed(reason)) => {
                return given.remedy_for_close(reason);
            }
            Self::Fault(Fault::Refused(code)) => return given.remedy_for(code),
            Self::Fault(Fault::Upgrade(UpgradeError(answer))) if answer.starts_with("HTTP 4") => {
                return given.remedy_for_upgrade(answer);
            }
            Self::Fault(_) => "is this the WebSocket port of the server?",
            Self::Eof if !tls => "if the server speaks TLS use wss://",
            Self::Eof => "if the server has no TLS use ws://",
            Self::Timeout(_) => "is it overloaded? try a lower --ramp",
        };
        remedy.into()
    }

    /// The message for the operator, who has `given` this.
    pub(crate) fn explain(&self, given: &Given, to: &Endpoint) -> OperatorError {
        let remedy = self.remedy(given, to.tls.is_some());
        OperatorError(format!("cannot connect to {}: {self}; {remedy}", to.url))
    }
}
