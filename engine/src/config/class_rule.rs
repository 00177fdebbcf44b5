//! What a service says of a set of channels.

use std::time::Duration;

use super::{Compression, SlowPolicy};
use crate::types::ChannelPattern;

/// The clients that may read a channel's log by request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HistoryAccess {
    /// No client.
    Off,
    /// Those that may subscribe.
    On,
    /// Those that may subscribe and have this permission.
    Permission(String),
}

/// Channels, and what of their class is not as it is by default. Where the patterns of several
/// rules match a channel, of each field the narrowest counts that has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassRule {
    /// Which; no other rule of the service has the same pattern.
    pub channels: ChannelPattern,
    /// Frames that a log keeps.
    pub frames: Option<usize>,
    /// Bytes that a log keeps.
    pub bytes: Option<usize>,
    /// Age of a frame that a log keeps.
    pub age: Option<Duration>,
    /// What becomes of a subscriber that does not keep up.
    pub slow: Option<SlowPolicy>,
    /// Bytes of messages that a subscriber may be behind.
    pub slow_bytes: Option<usize>,
    /// Age of the oldest message that a subscriber may be behind.
    pub slow_age: Option<Duration>,
    /// Whether messages are compressed.
    pub compression: Option<Compression>,
    /// How long a message may wait for others, until
    /// [`MAX_COALESCING`](crate::limits::MAX_COALESCING).
    pub coalesce: Option<Duration>,
    /// Whether a roster of subscribers is kept, and its changes are sent to them.
    pub presence: Option<bool>,
    /// The clients that may read the log by request.
    pub history: Option<HistoryAccess>,
    /// The permission to subscribe, as a [`Rule`](super::Rule) of `Access::subscribe` has it.
    pub subscribe: Option<String>,
    /// The permission to publish, as a rule of `Access::publish` has it.
    pub publish: Option<String>,
}

impl ClassRule {
    /// A rule that says nothing yet.
    pub fn new(channels: ChannelPattern) -> ClassRule {
        ClassRule {
            channels,
            frames: None,
            bytes: None,
            age: None,
            slow: None,
            slow_bytes: None,
            slow_age: None,
            compression: None,
            coalesce: None,
            presence: None,
            history: None,
            subscribe: None,
            publish: None,
        }
    }
}
