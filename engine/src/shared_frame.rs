//! A message encoded once (invariant 4): WebSocket header and payload, shared by all its readers.

mod encodings;

use crate::limits::ASIDE_SAVING;
use crate::sync::{Countdown, PresplitArc};
use crate::types::{MessageKey, Seq, Time};
pub use encodings::{Deflation, Encodings, InContext};

/// One shard's part in an encoded broadcast: the bytes are shared with the other shards, what is
/// read for every delivery is its own. On a shard all readers share it behind an `Rc`, so that
/// they cost no atomics (invariant 5).
#[derive(Debug)]
pub struct Frame {
    body: PresplitArc<Body>,
    /// Position in its channel: the last one, if it covers several.
    pub seq: Seq,
    /// First position it covers: `seq`, but for a gap message, and where the message before it is
    /// no neighbour.
    pub first: Seq,
    /// When the publish was accepted; the start of every latency.
    pub accepted_at: Time,
    /// Whether it stands for messages that are missing.
    pub is_gap: bool,
}

#[derive(Debug)]
struct Body {
    bytes: Box<[u8]>,
    /// None where a message is never compressed.
    encodings: Option<Box<Encodings>>,
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
        Frame::with_encodings((bytes, None), key, seq, accepted_at, shards)
    }

    /// The same of a message that may have other encodings.
    pub fn with_encodings(
        (bytes, encodings): (Box<[u8]>, Option<Encodings>),
        key: Option<MessageKey>,
        seq: Seq,
        accepted_at: Time,
        shards: u32,
    ) -> Frame {
        let encodings = encodings.map(Box::new);
        let body = Body { bytes, encodings, key, pending: Countdown::new(shards) };
        // One share for each of the others.
        let body = PresplitArc::new(body, shards.saturating_sub(1));
        Frame { body, seq, first: seq, accepted_at, is_gap: false }
    }

    /// A gap message for one shard's subscribers: `first ..= seq` are missing.
    pub fn gap(bytes: Box<[u8]>, first: Seq, seq: Seq, at: Time) -> Frame {
        Frame { first, is_gap: true, ..Frame::new(bytes, seq, at, 0) }
    }

    /// The same for positions from `first` on, which no other message has.
    #[must_use]
    pub fn spanning(self, first: Seq) -> Frame {
        Frame { first, ..self }
    }

    /// The same for another shard.
    #[must_use]
    pub fn for_another(&self) -> Frame {
        let Frame { seq, first, accepted_at, is_gap, .. } = *self;
        Frame { body: self.body.split(), seq, first, accepted_at, is_gap }
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
        std::str::from_utf8(text_of(self.bytes())).unwrap_or_default()
    }

    /// Whether it may have compressed encodings.
    pub(crate) fn is_compressible(&self) -> bool {
        self.body.encodings.is_some()
    }

    /// Its encoding in its channel's context.
    pub fn in_context(&self) -> Option<&InContext> {
        self.body.encodings.as_ref()?.in_context.as_ref()
    }

    /// Whether one of these encodings is the twin, which must be made first.
    pub fn needs_twin(&self, encoding: Deflation) -> bool {
        let Some(encodings) = &self.body.encodings else { return false };
        let needs = match encoding {
            Deflation::Plain => false,
            Deflation::Context => encodings.in_context.is_none(),
            Deflation::Twin => true,
            Deflation::Aside => self.bytes().len() > ASIDE_SAVING,
        };
        needs && encodings.twin.get().is_none()
    }

    /// Keeps the twin that `deflate` makes of the text, header included, unless there is one. It is
    /// of use if it is shorter; behind what is in context, always: a client that follows that must
    /// not miss it.
    pub fn make_twin(&self, deflate: impl FnOnce(&[u8]) -> Vec<u8>) {
        let Some(encodings) = &self.body.encodings else { return };
        encodings.twin.get_or(|| {
            let twin = deflate(text_of(self.bytes()));
            let of_use = twin.len() < self.bytes().len() || encodings.in_context.is_some();
            of_use.then(|| twin.into_boxed_slice())
        });
    }

    /// The bytes of one of its encodings, of which those it has not are plain.
    pub fn encoded(&self, encoding: Deflation) -> &[u8] {
        self.as_sent(encoding).1
    }

    /// The same, and the encoding that they are in: `Plain`, `Context` or `Twin`.
    pub fn as_sent(&self, encoding: Deflation) -> (Deflation, &[u8]) {
        let plain = (Deflation::Plain, self.bytes());
        let Some(encodings) = &self.body.encodings else { return plain };
        debug_assert!(!self.needs_twin(encoding), "it is made first");
        let twin = || encodings.twin().map(|twin| (Deflation::Twin, twin));
        let found = match (encoding, &encodings.in_context) {
            (Deflation::Plain, _) => None,
            (Deflation::Context, Some(in_context)) => {
                Some((Deflation::Context, &*in_context.bytes))
            }
            (Deflation::Context | Deflation::Twin, _) => twin(),
            (Deflation::Aside, _) if self.bytes().len() > ASIDE_SAVING => {
                twin().filter(|(_, twin)| twin.len() + ASIDE_SAVING <= self.bytes().len())
            }
            (Deflation::Aside, _) => None,
        };
        found.unwrap_or(plain)
    }

    /// Bytes of all its encodings, the twin's included that may be made yet.
    pub fn weight(&self) -> usize {
        let plain = self.bytes().len();
        plain
            + self.body.encodings.as_ref().map_or(0, |encodings| {
                plain + encodings.in_context.as_ref().map_or(0, |in_context| in_context.bytes.len())
            })
    }

    /// One shard has swept it. Returns whether it was the last.
    pub fn shard_done(&self) -> bool {
        self.body.pending.finish_one()
    }
}

/// What follows the WebSocket header of an unfragmented frame of the server.
pub fn text_of(frame: &[u8]) -> &[u8] {
    // RFC 6455 5.2: two bytes, and two or eight more for longer payloads.
    let header = match frame.get(1) {
        Some(127) => 10,
        Some(126) => 4,
        _ => 2,
    };
    frame.get(header..).unwrap_or_default()
}
