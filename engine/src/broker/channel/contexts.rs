//! The compressors of channels: one for all subscribers of a channel, which share its context.

use super::{Channel, Role};
use crate::broker::context::Context;
use crate::config::Compression;
use crate::limits::{
    CONTEXT_LEVEL, CONTEXT_SUBSCRIBERS, DEFLATE_FROM, DEFLATE_UP_TO, DEFLATE_WINDOW_BITS,
};
use crate::shared_frame::{Encodings, Frame, InContext, text_of};
use crate::telemetry::Count;
use crate::types::{MessageKey, Seq, Time};
use crate::wire::deflate::Deflater;
use crate::wire::frame::{self, Opcode};

/// How far back a message may refer.
const WINDOW: u64 = 1 << DEFLATE_WINDOW_BITS;

/// What went through a channel's compressors, at its home.
#[derive(Debug, Default)]
pub(super) struct SharedContext {
    /// Bytes of text in all.
    position: u64,
    /// The position at the birth of the compressor.
    base: u64,
    deflater: Option<Deflater>,
    used_at: Time,
}

impl SharedContext {
    /// Compresses a frame's text behind all that was compressed before. A new compressor begins
    /// with it if there is none.
    fn compress(&mut self, text: &[u8], now: Time) -> InContext {
        let deflater = self.deflater.get_or_insert_with(|| {
            self.base = self.position;
            Deflater::new(CONTEXT_LEVEL, DEFLATE_WINDOW_BITS)
        });
        let mut payload = Vec::new();
        deflater.deflate(text, &mut payload);
        let mut bytes = Vec::new();
        frame::encode_compressed(Opcode::Text, &payload, &mut bytes);
        let start = self.position;
        self.position += text.len() as u64;
        self.used_at = now;
        let need = self.base.max(start.saturating_sub(WINDOW));
        InContext { bytes: bytes.into_boxed_slice(), start, need }
    }
}

/// The compressors of a shard.
#[derive(Debug, Default)]
pub(super) struct Contexts {
    live: usize,
}

/// Whether a message's text is compressed at all.
fn is_compressible(channel: &Channel, text: &[u8]) -> bool {
    let fits = (DEFLATE_FROM..=DEFLATE_UP_TO).contains(&text.len());
    fits && channel.class.compression != Compression::Off
}

impl Contexts {
    /// Compressors that there are.
    pub(super) fn live(&self) -> usize {
        self.live
    }

    /// The frame of a message of a channel homed here, compressed in its context if it has one.
    pub(super) fn frame(
        &mut self,
        cx: &mut Context,
        channel: &mut Channel,
        (bytes, key): (Box<[u8]>, Option<MessageKey>),
        seq: Seq,
    ) -> Frame {
        let encodings = is_compressible(channel, text_of(&bytes)).then(|| {
            let in_context = self.compress(cx, channel, &bytes);
            cx.recorder.count(Count::ContextDeflates, u64::from(in_context.is_some()));
            Encodings::new(in_context)
        });
        let shards = channel.shards() as u32;
        Frame::with_encodings((bytes, encodings), key, seq, cx.time(), shards)
    }

    /// Compresses a frame of a channel homed here, if enough subscribers follow its context.
    fn compress(&mut self, cx: &Context, channel: &mut Channel, bytes: &[u8]) -> Option<InContext> {
        let is_live = channel.has_compressor();
        // It does not come and go with one subscriber.
        let enough = cx.limits.context_subscribers;
        let enough = if is_live { enough.div_ceil(2) } else { enough };
        if channel.class.compression != Compression::Shared || channel.followers() < enough {
            // What it misses now it must not refer back across.
            self.drop_compressor(channel);
            return None;
        }
        if !is_live {
            if self.live >= cx.limits.contexts {
                return None;
            }
            self.live += 1;
        }
        let context = channel.context.get_or_insert_default();
        Some(context.compress(text_of(bytes), cx.time()))
    }

    /// The channel's compressor goes, if it has one; positions go on.
    pub(super) fn drop_compressor(&mut self, channel: &mut Channel) {
        let deflater = channel.context.as_mut().and_then(|context| context.deflater.take());
        self.live -= usize::from(deflater.is_some());
    }

    /// Drops a compressor that was not used for a while.
    pub(super) fn tend(&mut self, cx: &Context, channel: &mut Channel) {
        let limit = cx.limits.context_idle;
        let idle = |context: &SharedContext| cx.time().since(context.used_at) >= limit;
        if channel.context.as_deref().is_some_and(idle) {
            self.drop_compressor(channel);
        }
    }
}

impl Channel {
    fn has_compressor(&self) -> bool {
        self.context.as_ref().is_some_and(|context| context.deflater.is_some())
    }

    /// Those of this shard, up to as many as count.
    pub(super) fn followers_to_tell(&self) -> u32 {
        match self.class.compression {
            Compression::Shared => self.live.followers().min(CONTEXT_SUBSCRIBERS) as u32,
            Compression::Off | Compression::Twin => 0,
        }
    }

    /// Subscribers that follow its context, as far as other shards have told.
    fn followers(&self) -> usize {
        let others = match &self.role {
            Role::Home(home) => home.followers(),
            Role::Replica(_) => 0,
        };
        self.live.followers() + others
    }
}

#[cfg(test)]
mod tests;
