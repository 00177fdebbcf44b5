//! Why a shard takes no further channel.

use super::ErrorCode;

/// Why a channel that is not there was not made. Each but the last is a limit of the shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelRefusal {
    /// The table has [`crate::Config::max_channels`].
    Table,
    /// Subscribers have made as many as the table has places for them.
    Subscribers,
    /// Those of one service have, and there are others.
    Service,
    /// Those of one address have.
    Address,
    /// The connection has.
    Connection,
    /// The external order cannot say what the channel has.
    Unavailable,
}

impl ChannelRefusal {
    /// The same in an answer.
    pub fn code(self) -> ErrorCode {
        match self {
            ChannelRefusal::Unavailable => ErrorCode::Unavailable,
            ChannelRefusal::Table
            | ChannelRefusal::Subscribers
            | ChannelRefusal::Service
            | ChannelRefusal::Address
            | ChannelRefusal::Connection => ErrorCode::LimitExceeded,
        }
    }

    /// What the client is told.
    pub fn text(self) -> &'static str {
        match self {
            ChannelRefusal::Table => "The server has no room for another channel",
            ChannelRefusal::Subscribers => {
                "The server has no room for another channel that nothing was published to"
            }
            ChannelRefusal::Service => {
                "This service's clients are subscribed to as many channels that nothing was \
                 published to as they may be (a share of shard_channels)"
            }
            ChannelRefusal::Address => {
                "Your address is subscribed to as many channels that nothing was published to as \
                 it may be (a share of shard_channels)"
            }
            ChannelRefusal::Unavailable => {
                "The server cannot say now what the channel has: subscribe again later"
            }
            ChannelRefusal::Connection => {
                "This connection is subscribed to as many channels that nothing was published to \
                 as it may be (a share of shard_channels)"
            }
        }
    }
}
