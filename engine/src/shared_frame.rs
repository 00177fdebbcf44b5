//! A message encoded once (invariant 4): WebSocket header and payload, shared by all its readers.

use crate::sync::{Countdown, PresplitArc};
use crate::types::{MessageKey, Seq, Time};

/// One shard's part in an encoded broadcast: the bytes are shared with the other shards, what is
/// read for every delivery is its own. On a shard all readers share it behind an `Rc`, so that
/// they cost no atomics (invariant 5).
#[derive(Debug)]
pub struct Frame {
    body: PresplitArc<Body>,
    /// Position in its channel: the last one, if it covers several.
    pub seq: Seq,
    /// First position it covers: `seq`, but for a gap message.
    pub first: Seq,
    /// When the publish was accepted; the start of every latency.
    pub accepted_at: Time,
}

#[derive(Debug)]
struct Body {
    bytes: Box<[u8]>,
    key: Option<MessageKey>,
    pending: Countdown,
}

impl Frame {
    /// A frame that `shards` shards have yet to sweep.
    pub fn new(bytes: Box<[u8]>, seq: Seq, accepted_at: Time, shards: u32) -> Frame {
        Frame::with_key(bytes, None, seq, accepted_at, shards)
    }

    /// The same of a message with a key.
    pub fn with_key(
        bytes: Box<[u8]>,
        key: Option<MessageKey>,
        seq: Seq,
        accepted_at: Time,
        shards: u32,
    ) -> Frame {
        let body = Body { bytes, key, pending: Countdown::new(shards) };
        // One share for each of the others.
        let body = PresplitArc::new(body, shards.saturating_sub(1));
        Frame { body, seq, first: seq, accepted_at }
    }

    /// A gap message for one shard's subscribers: `first ..= seq` are missing.
    pub fn gap(bytes: Box<[u8]>, first: Seq, seq: Seq, at: Time) -> Frame {
        Frame { first, ..Frame::new(bytes, seq, at, 0) }
    }

    /// The same for another shard.
    #[must_use]
    pub fn for_another(&self) -> Frame {
        let Frame { seq, first, accepted_at, .. } = *self;
        Frame { body: self.body.split(), seq, first, accepted_at }
    }

    /// The bytes ready for the socket.
    pub fn bytes(&self) -> &[u8] {
        &self.body.bytes
    }

    /// What the message is the newest state of.
    pub fn key(&self) -> Option<&MessageKey> {
        self.body.key.as_ref()
    }

    /// The message: the bytes without their WebSocket header.
    pub fn text(&self) -> &str {
        // RFC 6455 5.2: two bytes, and two or eight more for longer payloads.
        let header = match self.bytes().get(1) {
            Some(127) => 10,
            Some(126) => 4,
            _ => 2,
        };
        std::str::from_utf8(self.bytes().get(header..).unwrap_or_default()).unwrap_or_default()
    }

    /// One shard has swept it. Returns whether it was the last.
    pub fn shard_done(&self) -> bool {
        self.body.pending.finish_one()
    }
}
