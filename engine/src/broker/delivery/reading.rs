//! Reading a channel's log for a laggard, a chunk at a time: frames, and gaps in the place of those
//! that it does not get.

use std::rc::Rc;

use super::form::Form;
use super::laggard::Cursor;
use super::reader_context::ReaderContext;
use super::slow_policy::{Behind, Policy, reason_of};
use super::twins::Twins;
use super::write_sink::Payload;
use crate::broker::channel::Channels;
use crate::broker::context::Context;
use crate::shared_frame::Frame;
use crate::telemetry::Count;
use crate::types::Seq;
use crate::wire::reply::{Gap, GapReason};

/// One reading at a cursor.
pub(super) struct Reading<'a> {
    pub(super) cx: &'a mut Context,
    pub(super) channels: &'a Channels,
    /// How the subscriber is written the channel's messages.
    pub(super) form: Form<'a>,
    pub(super) cursor: &'a mut Cursor,
    /// Up to where the live set stands for the subscriber, so that going live loses and repeats
    /// nothing (invariant 2).
    pub(super) handed: Seq,
    /// The chunk.
    pub(super) joined: &'a mut Vec<u8>,
    /// What the subscriber's inflater has of the channel's context.
    pub(super) context: &'a mut ReaderContext,
    pub(super) twins: &'a mut Twins,
    /// The subscriber is no laggard otherwise: what it reads is delivered, and not replayed.
    pub(super) keeps_up: bool,
    pub(super) brought: Brought,
    #[cfg(test)]
    pub(super) sabotage: Option<super::delivery_invariants::SkipFault>,
}

/// What a reading brought, beside the bytes of the chunk.
#[derive(Debug, Default)]
pub(super) struct Brought {
    /// Frames.
    pub(super) frames: u64,
    /// One that is a chunk by itself.
    pub(super) large: Option<Payload>,
    /// Why the laggard does not get everything.
    pub(super) behind: Option<Behind>,
    /// It is to be closed.
    pub(super) disconnects: bool,
    /// Messages that were passed over.
    pub(super) slow: u64,
    /// Messages that newer ones replace.
    pub(super) conflated: u64,
}

impl Reading<'_> {
    /// Reads on until the chunk is full. `blamed`: the class decides what the laggard gets.
    pub(super) fn read(mut self, blamed: bool) -> Brought {
        let (channels, next, handed) = (self.channels, self.cursor.next, self.handed);
        let log = channels.log(self.cursor.channel);
        let (policy, behind) = match blamed {
            true => Policy::at(channels, self.cursor, handed, self.cx.time()),
            false => (Policy::of_cursor(self.cursor), None),
        };
        let lost = if blamed { GapReason::Slow } else { GapReason::Retention };
        self.brought.behind = behind;
        match policy {
            Policy::Disconnect => self.brought.disconnects = true,
            Policy::Skip => self.pass_over(handed, GapReason::Slow),
            Policy::All => self.take(log.from(next), handed, |_| GapReason::Retention),
            Policy::Newest => {
                let to = self.cursor.newest_to.min(handed);
                self.take(log.newest_from(next), to, |from| reason_of(log, from, lost));
            }
        }
        self.brought
    }

    /// Takes frames up to `to`. What is missing among them is told, with its reason.
    fn take<'f>(
        &mut self,
        frames: impl Iterator<Item = &'f Rc<Frame>>,
        to: Seq,
        reason: impl Fn(Seq) -> GapReason,
    ) {
        // A sweep is taken whole.
        let chunk = if self.keeps_up { usize::MAX } else { self.cx.limits.chunk };
        for frame in frames.take_while(|frame| frame.seq <= to) {
            let next = self.cursor.next;
            if frame.first < next && frame.is_gap {
                // A cursor that was set at another shard may be in the middle of a gap.
                self.pass_over(frame.seq, GapReason::Retention);
                continue;
            }
            #[cfg(test)]
            if self.loses(frame) {
                continue;
            }
            if frame.first > next {
                self.pass_over(Seq(frame.first.0 - 1), reason(next));
            }
            let deflation = self.context.next(&mut self.cx.recorder, self.twins, frame);
            let form = self.form.deflated(deflation);
            let len = form.len(frame);
            let is_large = self.joined.is_empty() && len >= chunk;
            if !is_large && self.joined.len() + len > chunk {
                return;
            }
            self.context.took(&mut self.cx.recorder, frame, deflation);
            self.cursor.next = frame.seq.next();
            self.brought.frames += 1;
            self.count(frame, len);
            if is_large {
                self.brought.large = Some(form.rest(frame, 0));
                return;
            }
            form.append(frame, self.joined);
        }
        if self.cursor.next <= to {
            self.pass_over(to, reason(self.cursor.next));
        }
    }

    /// Counts a frame.
    fn count(&mut self, frame: &Frame, len: usize) {
        let (channel, recorder) = (self.cursor.channel, &mut self.cx.recorder);
        if self.keeps_up {
            let ns = self.cx.now.mono.ns_since(frame.accepted_at);
            let class = self.channels.metric_class(channel);
            recorder.delivered(class, self.form.transport(), ns, 1, len);
        } else {
            recorder.replayed(self.channels.name(channel).service(), 1);
        }
    }

    /// Passes over everything up to `to`, with a message in its place.
    fn pass_over(&mut self, to: Seq, reason: GapReason) {
        let (log, from) = (self.channels.log(self.cursor.channel), self.cursor.next);
        let gap = Gap { from, to, reason, epoch: log.epoch() };
        let missed = gap.missed();
        let what = match reason {
            GapReason::Retention | GapReason::Restart => Count::Missed,
            GapReason::Slow => {
                self.brought.slow += missed;
                Count::Skipped
            }
            GapReason::Conflated => {
                self.brought.conflated += missed;
                Count::Conflated
            }
        };
        self.cx.recorder.count(what, missed);
        self.context.interrupt();
        self.cursor.next = to.next();
        #[cfg(test)]
        if self.sabotage == Some(super::delivery_invariants::SkipFault::Silent) {
            return;
        }
        let name = self.channels.name(self.cursor.channel);
        let frame = self.cx.gap_message(name, &gap);
        self.joined.extend(self.form.message(frame, to));
    }

    /// The saboteur of the simulation: now and then the newest message of a key counts as replaced.
    #[cfg(test)]
    fn loses(&self, frame: &Frame) -> bool {
        self.sabotage == Some(super::delivery_invariants::SkipFault::LostNewest)
            && frame.key().is_some()
            && self.cursor.next <= self.cursor.newest_to
            && frame.seq.0.is_multiple_of(3)
    }
}
