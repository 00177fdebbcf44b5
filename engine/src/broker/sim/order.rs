//! What a client has asked for.

use super::state_clients::StateOrder;
use crate::types::Time;

/// Where a client left off: an epoch and a position.
pub(super) type Position = (String, u64);

/// A subscribe or unsubscribe that waits for its reply.
#[derive(Clone, Debug)]
pub(super) enum Order {
    /// To channels, from where it says.
    Subscribe {
        channels: Vec<(usize, Option<Position>)>,
        list: bool,
        /// From there only if nothing of it is gone.
        whole: bool,
        /// With so many older messages, where it does not say.
        last: u64,
        /// With the newest message of each key instead.
        latest: bool,
    },
    /// With the time when it was said, and the head of each channel then.
    Unsubscribe {
        channels: Vec<(usize, u64)>,
        list: bool,
        at: Time,
    },
    /// To all channels with names that begin so.
    SubscribePattern(String),
    UnsubscribePattern(String),
    SubscribeWithState(StateOrder),
    /// A request for history.
    History(HistoryOrder),
}

/// Which part of a channel's log is asked for.
#[derive(Clone, Debug)]
pub(super) struct HistoryOrder {
    pub(super) channel: usize,
    pub(super) since: Option<(String, u64)>,
    pub(super) limit: usize,
    pub(super) reverse: bool,
    /// The channel's head when it was said.
    pub(super) head: u64,
}

impl Order {
    /// To channels, from where it says.
    pub(super) fn subscribe(channels: Vec<(usize, Option<Position>)>, list: bool) -> Order {
        Order::Subscribe { channels, list, whole: false, last: 0, latest: false }
    }
}
