//! The bodies of requests that end connections or subscriptions, as nodes pass them on.

use serde::{Deserialize, Serialize};
use uringcast_engine::{ChannelName, ClientAction, Target};

use super::error::ApiError;
use super::present;

/// The body of a command: the target is a connection, a user or a channel.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub(super) struct CommandBody {
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    connection: Option<String>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    channel: Option<String>,
}

/// What a command does to clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Disconnect,
    Unsubscribe,
}

impl Kind {
    /// What it is called, between nodes as well.
    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::Disconnect => "disconnect",
            Kind::Unsubscribe => "unsubscribe",
        }
    }

    /// What an answer calls the number of clients.
    pub(super) fn counted(self) -> &'static str {
        match self {
            Kind::Disconnect => "disconnected",
            Kind::Unsubscribe => "unsubscribed",
        }
    }
}

/// Whom a body means, and what is done.
///
/// # Errors
/// 400.
pub(super) fn parse(kind: Kind, body: &CommandBody) -> Result<(Target, ClientAction), ApiError> {
    let channel = body.channel.as_deref().map(parse_channel).transpose()?;
    let target = match (&body.connection, &body.user) {
        (Some(_), Some(_)) => {
            return Err(ApiError::bad_request("name a connection or a user, not both"));
        }
        (Some(id), None) => Some(Target::Connection(id.clone())),
        (None, user) => user.clone().map(Target::User),
    };
    match kind {
        Kind::Disconnect => {
            let target = match (target, channel) {
                (Some(target), None) => target,
                (None, Some(channel)) => Target::Channel(channel),
                _ => return Err(ApiError::bad_request("name one of connection, user and channel")),
            };
            Ok((target, ClientAction::Disconnect))
        }
        Kind::Unsubscribe => {
            let target = target.or_else(|| channel.clone().map(Target::Channel));
            let none = || ApiError::bad_request("name a connection, a user or a channel");
            Ok((target.ok_or_else(none)?, ClientAction::Unsubscribe(channel)))
        }
    }
}

pub(super) fn parse_channel(name: &str) -> Result<ChannelName, ApiError> {
    ChannelName::parse(name).map_err(|error| ApiError::bad_request(format!("channel {error}")))
}
