//! A channel with its log, and parts of logs that go over before the rest.

use std::collections::HashMap;
use std::sync::Arc;

use crate::shared_frame::Frame;
use crate::types::{ChannelName, JsonObject, Seq, StateDocument, Time};

/// A channel as its home had it. Its subscribers are in the connections.
#[derive(Debug)]
pub struct Channel {
    /// Its name, and whose it is.
    pub name: ChannelName,
    /// Position of the newest message, also where the log is empty.
    pub head: Seq,
    /// When that message was accepted.
    pub last_at: Option<Time>,
    /// Where the log begins; behind `head` if it is empty.
    pub first: Seq,
    /// The log, oldest first, without a hole up to `head`; what is missing at its beginning has
    /// gone over as [`History`]. Frames carry no compressed encodings: compression begins anew.
    pub frames: Vec<Frame>,
    /// The newest messages of keys that are older than the log, oldest first.
    pub kept: Vec<Frame>,
    /// Up to here something is gone that nothing newer replaces.
    pub lost: Seq,
    /// Whether something was published to it: it stays without subscribers.
    pub is_published: bool,
    /// The status document that was put there.
    pub document: Option<Arc<JsonObject>>,
    /// What its messages have come to.
    pub state: Option<Arc<StateDocument>>,
    /// Its last event, where clients may ask for that.
    pub last: Option<Frame>,
    /// Time of its last use.
    pub used_at: Time,
}

/// A part of the logs that went over while the predecessor still served, so that it need not go
/// over in the pause.
#[derive(Debug, Default)]
pub struct History {
    /// Of some channels, messages behind those of earlier histories, oldest first.
    pub logs: Vec<(ChannelName, Vec<Frame>)>,
}

/// What of a shard's logs has gone over as histories.
#[derive(Debug, Default)]
pub struct Sent {
    /// Of each channel, up to which position.
    pub(crate) heads: HashMap<ChannelName, Seq>,
    /// The slot of the channel that is next.
    pub(crate) next_slot: u32,
}

impl Sent {
    /// Begins another round through the channels: for what was published meanwhile.
    pub fn begin_round(&mut self) {
        self.next_slot = 0;
    }
}
