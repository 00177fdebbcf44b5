//! Which channels are to be swept, and the sweep that each is in.

use super::{Channels, Sweep};
use crate::broker::channel::since::Since;
use crate::broker::channel::sweep_queue::Queued;
use crate::broker::context::Context;
use crate::limits::COALESCING_PRECISION;
use crate::types::{ChannelIndex, Encoding, Time};

/// Whether a wait ends with this iteration.
fn is_due(cx: &Context, time: Time) -> bool {
    time <= cx.time() + COALESCING_PRECISION
}

impl Channels {
    /// The channel has something new for its live set: it is to be swept, perhaps after a while.
    pub(super) fn mark_dirty(&mut self, cx: &Context, index: ChannelIndex) {
        let channel = &mut self.table[index];
        if channel.queued == Queued::Now || channel.is_level() {
            return;
        }
        let next = match channel.waits_until(cx.limits.channel_frames / 2) {
            Some(time) if !is_due(cx, time) => Queued::Until(time),
            _ => Queued::Now,
        };
        self.queue.place(index, &mut channel.queued, next);
    }

    /// Ends the wait of the channels that are due; of all while the shard drains, is handed over or
    /// holds much that is not swept.
    pub(in crate::broker) fn end_waits(&mut self, cx: &Context) {
        let all =
            cx.draining || cx.frozen || self.retention.unswept() >= cx.limits.shard_unswept / 2;
        while let Some((time, index)) = self.queue.first_waiting()
            && (all || is_due(cx, time))
        {
            self.hurry(index);
        }
    }

    /// Ends a channel's wait.
    pub(in crate::broker) fn hurry(&mut self, index: ChannelIndex) {
        let channel = &mut self.table[index];
        if let Queued::Until(_) = channel.queued {
            self.queue.place(index, &mut channel.queued, Queued::Now);
        }
    }

    /// When the next wait ends: not much later, [`Channels::end_waits`] must be called.
    pub(in crate::broker) fn next_due(&self) -> Option<Time> {
        let (time, _) = self.queue.first_waiting()?;
        Some(Time(time.0.saturating_sub(COALESCING_PRECISION.as_nanos() as u64)))
    }

    /// Channels to be swept.
    pub(in crate::broker) fn dirty(&self) -> usize {
        self.queue.ready()
    }

    /// The channel at a place of the list of those to be swept.
    pub(in crate::broker) fn dirty_at(&self, place: usize) -> ChannelIndex {
        self.queue.ready_at(place)
    }

    pub(in crate::broker) fn is_dirty(&self, index: ChannelIndex) -> bool {
        self.table[index].queued == Queued::Now
    }

    pub(in crate::broker) fn next_dirty(&mut self) -> Option<ChannelIndex> {
        self.queue.next_ready()
    }

    /// Lists a channel again that is not clean yet.
    pub(in crate::broker) fn requeue(&mut self, cx: &Context, index: ChannelIndex) {
        self.table[index].queued = Queued::No;
        self.mark_dirty(cx, index);
    }

    /// The sweep of a channel that is under way or begins now; `None` when it is clean.
    pub(in crate::broker) fn sweep(
        &mut self,
        cx: &mut Context,
        index: ChannelIndex,
    ) -> Option<Sweep> {
        let channel = &mut self.table[index];
        if channel.live.is_empty() {
            self.retention.skip_unheard(cx, channel);
        }
        if !channel.live.is_sweeping() {
            if channel.is_level() {
                return None;
            }
            let target = channel.sweep_target(cx.limits.join);
            channel.live.start(target);
        }
        Some(Sweep { from: channel.live.delivered().next(), to: channel.live.target() })
    }

    /// Pending members that negotiated compression, with what they have of the channel's context.
    pub(in crate::broker) fn pending_since(
        &mut self,
        index: ChannelIndex,
    ) -> (&[u32], &mut [Since]) {
        self.table[index].live.pending_since()
    }

    /// Members of the live set with an encoding that the sweep has not served.
    pub(in crate::broker) fn pending(&self, index: ChannelIndex, encoding: Encoding) -> &[u32] {
        self.table[index].live.pending(encoding)
    }

    /// The encodings of the members that the sweep has not served.
    pub(in crate::broker) fn pending_encodings(
        &self,
        index: ChannelIndex,
    ) -> impl Iterator<Item = Encoding> {
        self.table[index].live.pending_encodings()
    }

    /// The next `n` pending members with an encoding are served. Returns whether the sweep is over.
    pub(in crate::broker) fn advance(
        &mut self,
        index: ChannelIndex,
        encoding: Encoding,
        n: usize,
    ) -> bool {
        self.table[index].live.advance(encoding, n)
    }

    /// The next `n` pending members with an encoding need no visit any more; the sweep goes on.
    pub(in crate::broker) fn skip(&mut self, index: ChannelIndex, encoding: Encoding, n: usize) {
        self.table[index].live.skip(encoding, n);
    }

    /// Ends a sweep that has handed everything over. Returns `false` if it was over: the channel
    /// lost its last member.
    pub(in crate::broker) fn end_sweep(&mut self, index: ChannelIndex, sweep: Sweep) -> bool {
        let live = &mut self.table[index].live;
        let under_way = live.is_sweeping() && live.target() == sweep.to;
        if under_way {
            live.end();
        }
        under_way
    }

    /// The last write of a sweep has ended.
    pub(in crate::broker) fn finish(
        &mut self,
        cx: &mut Context,
        index: ChannelIndex,
        sweep: Sweep,
        at: Time,
    ) {
        self.retention.finish(cx, &self.table[index], (sweep.from, sweep.to), at);
    }
}
