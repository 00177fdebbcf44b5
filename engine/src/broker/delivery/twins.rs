//! Messages that are compressed by themselves, when a subscriber first needs them so.

use crate::shared_frame::{Deflation, Frame};
use crate::telemetry::{Count, Recorder};
use crate::wire::deflate::Deflater;
use crate::wire::frame::{self, Opcode};

/// Makes the twins of a shard.
#[derive(Debug, Default)]
pub(super) struct Twins {
    /// Since the first one was made.
    deflater: Option<Deflater>,
}

impl Twins {
    /// Makes a frame's twin if an encoding needs one that was not made on any shard.
    pub(super) fn prepare(&mut self, recorder: &mut Recorder, frame: &Frame, encoding: Deflation) {
        if !frame.needs_twin(encoding) {
            return;
        }
        recorder.count(Count::TwinDeflates, 1);
        let deflater = self.deflater.get_or_insert_with(Deflater::once);
        frame.make_twin(|text| {
            let (mut payload, mut bytes) = (Vec::new(), Vec::new());
            deflater.deflate_once(text, &mut payload);
            frame::encode_compressed(Opcode::Text, &payload, &mut bytes);
            bytes
        });
    }
}

/// How frames were sent to one subscriber.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sent {
    in_context: u64,
    twins: u64,
    /// Bytes fewer than plain.
    saved: u64,
}

impl Sent {
    /// Adds a frame.
    pub(super) fn add(&mut self, frame: &Frame, encoding: Deflation) {
        let (sent, bytes) = frame.as_sent(encoding);
        self.in_context += u64::from(sent == Deflation::Context);
        self.twins += u64::from(sent == Deflation::Twin);
        self.saved += frame.bytes().len().saturating_sub(bytes.len()) as u64;
    }

    /// Records it of so many subscribers.
    pub(super) fn record(self, recorder: &mut Recorder, subscribers: u64) {
        recorder.count(Count::ContextDeliveries, self.in_context * subscribers);
        recorder.count(Count::TwinDeliveries, self.twins * subscribers);
        recorder.count(Count::DeflateSavedBytes, self.saved * subscribers);
    }
}
