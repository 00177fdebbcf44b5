//! What is promised for a set of channels.

use std::time::Duration;

use super::{ClassRule, HistoryAccess, Retention};
use crate::limits;

/// What becomes of a subscriber that does not keep up: the log has dropped what it had not read, or
/// it is further behind than the class allows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SlowPolicy {
    /// It is closed.
    #[default]
    Disconnect,
    /// It goes on at the newest message, and is told how much it missed.
    Skip,
    /// It gets the newest message of each key, and is told how many were replaced. The log keeps
    /// the newest of each key beyond its other limits, as much again as these allow.
    Latest,
}

impl SlowPolicy {
    /// As it is written.
    pub fn label(self) -> &'static str {
        match self {
            SlowPolicy::Disconnect => "disconnect",
            SlowPolicy::Skip => "skip",
            SlowPolicy::Latest => "latest",
        }
    }
}

/// Whether messages are compressed for clients that negotiated permessage-deflate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// They are sent as they are.
    #[default]
    Off,
    /// Each message by itself, compressed once for all.
    Twin,
    /// With one context of the channel that all its subscribers share.
    Shared,
}

/// What a channel's log keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClassRetention {
    /// Frames.
    pub frames: usize,
    /// Bytes.
    pub bytes: usize,
    /// Age of a frame.
    pub age: Duration,
}

impl From<Retention> for ClassRetention {
    fn from(all: Retention) -> ClassRetention {
        ClassRetention { frames: all.frames, bytes: all.bytes, age: all.age }
    }
}

/// What is promised for a set of channels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelClass {
    /// Its pattern; [`ChannelClass::DEFAULT`] for the channels that no rule is about.
    pub name: Box<str>,
    /// What a log keeps.
    pub retention: ClassRetention,
    /// What becomes of a subscriber that does not keep up.
    pub slow: SlowPolicy,
    /// Bytes of messages that a subscriber may be behind, beside the log's limits.
    pub slow_bytes: Option<usize>,
    /// Age of the oldest message that a subscriber may be behind, beside the log's limits.
    pub slow_age: Option<Duration>,
    /// Whether messages are compressed.
    pub compression: Compression,
    /// How long a message waits for others at most, on each shard, to be sent together. It ends up
    /// to [`COALESCING_PRECISION`](limits::COALESCING_PRECISION) early.
    pub coalesce: Duration,
    /// Whether a roster of subscribers is kept, and its changes are sent to them.
    pub presence: bool,
    /// Whether clients that have the permission may read the log by request.
    pub history: bool,
}

impl ChannelClass {
    /// The name of the class of all other channels.
    pub const DEFAULT: &'static str = "default";

    /// The class of channels that these rules are about, narrowest first: of each field the first
    /// rule counts that has it, else the default.
    pub fn of(rules: &[&ClassRule], retention: Retention) -> ChannelClass {
        let rules = || rules.iter();
        let kept = ClassRetention::from(retention);
        let name = rules().next().map(|rule| rule.channels.to_string());
        let history = rules().find_map(|rule| rule.history.as_ref());
        let coalesce = rules().find_map(|rule| rule.coalesce).unwrap_or_default();
        ChannelClass {
            name: name.unwrap_or(ChannelClass::DEFAULT.to_owned()).into(),
            retention: ClassRetention {
                frames: rules().find_map(|rule| rule.frames).unwrap_or(kept.frames),
                bytes: rules().find_map(|rule| rule.bytes).unwrap_or(kept.bytes),
                age: rules().find_map(|rule| rule.age).unwrap_or(kept.age),
            },
            slow: rules().find_map(|rule| rule.slow).unwrap_or_default(),
            slow_bytes: rules().find_map(|rule| rule.slow_bytes),
            slow_age: rules().find_map(|rule| rule.slow_age),
            compression: rules().find_map(|rule| rule.compression).unwrap_or_default(),
            coalesce: coalesce.min(limits::MAX_COALESCING),
            presence: rules().find_map(|rule| rule.presence).unwrap_or(false),
            history: history != Some(&HistoryAccess::Off),
        }
    }
}
