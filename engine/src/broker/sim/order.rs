//! What a client has asked for.

use crate::types::Time;

/// A subscribe or unsubscribe that waits for its reply.
#[derive(Clone, Debug)]
pub(super) enum Order {
    Subscribe {
        channels: Vec<usize>,
        list: bool,
        since: Option<(String, u64)>,
    },
    /// With the time when it was said, and the head of each channel then.
    Unsubscribe {
        channels: Vec<(usize, u64)>,
        list: bool,
        at: Time,
    },
    /// To all channels whose names begin so.
    SubscribePattern(String),
    UnsubscribePattern(String),
}
