//! A channel with its log, and parts of logs that go over before the rest.

use std::collections::HashMap;
use std::sync::Arc;

use crate::shared_frame::Frame;
use crate::types::{ChannelIndex, ChannelName, JsonObject, Seq, StateDocument, Time};

/// A channel as its home had it. Its subscribers are in the connections.
#[derive(Debug)]
pub struct Channel {
    /// Its name and its service.
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
    /// An external order has delivered everything up to `head`.
    pub is_followed: bool,
}

impl Channel {
    /// One without messages that goes on behind `head`.
    pub(super) fn begun(name: ChannelName, head: Seq, used_at: Time) -> Channel {
        Channel {
            name,
            head,
            last_at: None,
            first: head.next(),
            frames: Vec::new(),
            kept: Vec::new(),
            lost: head,
            is_published: false,
            document: None,
            state: None,
            last: None,
            used_at,
            is_followed: false,
        }
    }
}

/// A part of the logs that went over while the predecessor still served, so that it need not go
/// over in the pause.
#[derive(Debug, Default)]
pub struct History {
    /// Of some channels, messages behind those of earlier histories, oldest first.
    pub logs: Vec<(ChannelName, Vec<Frame>)>,
}

/// A channel's log, as it is while it only loses its oldest messages and gets new ones: the
/// channel's place, and the log's edition.
pub(crate) type LogId = (ChannelIndex, u64);

/// What of a shard's logs has gone over as histories.
#[derive(Debug, Default)]
pub struct Sent {
    /// Of each channel, up to which position, and of which log.
    logs: HashMap<ChannelName, (Seq, LogId)>,
    /// The slot of the channel that is next.
    pub(crate) next_slot: u32,
}

impl Sent {
    /// Begins another round through the channels: for what was published meanwhile.
    pub fn begin_round(&mut self) {
        self.next_slot = 0;
    }

    /// The position up to which a channel's log has gone over.
    pub(crate) fn head(&self, channel: &ChannelName) -> Seq {
        self.logs.get(channel).map_or(Seq(0), |(head, _)| *head)
    }

    /// The same, if it was this log: else all of it goes over again.
    pub(crate) fn head_of(&self, channel: &ChannelName, log: LogId) -> Seq {
        let known = self.logs.get(channel).filter(|(_, of)| *of == log);
        known.map_or(Seq(0), |(head, _)| *head)
    }

    /// A frame goes over, the next one of its channel.
    pub(crate) fn note(&mut self, channel: &ChannelName, log: LogId, seq: Seq) {
        match self.logs.get_mut(channel) {
            Some((head, _)) => *head = seq,
            None => _ = self.logs.insert(channel.clone(), (seq, log)),
        }
    }
}
