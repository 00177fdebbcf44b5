//! A message encoded once (invariant 4): WebSocket header and payload, shared by all its readers.

use crate::sync::Countdown;
use crate::types::{Seq, Time};

/// An encoded broadcast. Shared between shards behind an `Arc`.
#[derive(Debug)]
pub struct Frame {
    bytes: Box<[u8]>,
    /// Position in its channel: the last one, if it stands for several.
    pub seq: Seq,
    /// First position it stands for: `seq`, but for a message that tells of a gap.
    pub first: Seq,
    /// When the publish was accepted; the start of every latency.
    pub accepted_at: Time,
    pending: Countdown,
}

impl Frame {
    /// A frame that `shards` shards have yet to sweep.
    pub fn new(bytes: Box<[u8]>, seq: Seq, accepted_at: Time, shards: u32) -> Frame {
        Frame { bytes, seq, first: seq, accepted_at, pending: Countdown::new(shards) }
    }

    /// A message that tells one shard's subscribers that `first ..= seq` are missing.
    pub fn gap(bytes: Box<[u8]>, first: Seq, seq: Seq, at: Time) -> Frame {
        Frame { bytes, seq, first, accepted_at: at, pending: Countdown::new(0) }
    }

    /// The bytes ready for the socket.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The message: the bytes without their WebSocket header.
    pub fn text(&self) -> &str {
        // RFC 6455 5.2: two bytes, and two or eight more for longer payloads.
        let header = match self.bytes.get(1) {
            Some(127) => 10,
            Some(126) => 4,
            _ => 2,
        };
        std::str::from_utf8(self.bytes.get(header..).unwrap_or_default()).unwrap_or_default()
    }

    /// One shard is through with it. Returns whether it was the last.
    pub fn shard_done(&self) -> bool {
        self.pending.finish_one()
    }
}
