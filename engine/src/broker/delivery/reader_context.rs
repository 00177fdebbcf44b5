//! How a laggard is sent what it reads in a log, frame by frame.

use super::twins::{Sent, Twins};
#[cfg(test)]
use crate::broker::channel::context_faults::ContextFault;
use crate::broker::channel::{Channels, Since};
use crate::shared_frame::{Deflation, Frame};
use crate::telemetry::Recorder;
use crate::types::ChannelIndex;

/// What a reader's inflater has of one channel's context; nothing where no compression was
/// negotiated.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReaderContext {
    since: Option<Since>,
    /// What it has once it took the next frame.
    next: Option<Since>,
    /// It took a twin beside another channel's context.
    breaks: bool,
}

impl ReaderContext {
    pub(super) fn new(since: Option<Since>) -> ReaderContext {
        ReaderContext { since, next: since, breaks: false }
    }

    /// How the next frame is to be sent.
    #[inline]
    pub(super) fn next(
        &mut self,
        recorder: &mut Recorder,
        twins: &mut Twins,
        frame: &Frame,
    ) -> Deflation {
        let Some(mut since) = self.since else { return Deflation::Plain };
        let encoding = since.take(frame);
        self.next = Some(since);
        twins.prepare(recorder, frame, encoding);
        encoding
    }

    /// It is sent.
    #[inline]
    pub(super) fn took(&mut self, recorder: &mut Recorder, frame: &Frame, encoding: Deflation) {
        if self.since.is_none() {
            return;
        }
        self.since = self.next;
        self.breaks |= encoding == Deflation::Aside && frame.as_sent(encoding).0 == Deflation::Twin;
        let mut sent = Sent::default();
        sent.add(frame, encoding);
        sent.record(recorder, 1);
    }

    /// The reader misses something.
    pub(super) fn interrupt(&mut self) {
        #[cfg(test)]
        if ContextFault::ForgottenGap.is_present() {
            return;
        }
        if let Some(since) = &mut self.since {
            since.interrupt();
        }
    }

    /// Keeps what its connection has now.
    pub(super) fn keep(self, channels: &mut Channels, connection: u32, channel: ChannelIndex) {
        if let (Some(now), Some(since)) = (self.since, channels.since_mut(connection, channel)) {
            *since = now;
        }
        if self.breaks {
            channels.interrupt_contexts(connection);
        }
    }
}
