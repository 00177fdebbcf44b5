//! Which channels are to be swept, and the sweep that each is in.

use super::{Channels, Sweep};
use crate::broker::context::Context;
use crate::types::{ChannelIndex, Time};

impl Channels {
    /// The channel has something new for its live set.
    pub(super) fn mark_dirty(&mut self, index: ChannelIndex) {
        let channel = &mut self.table[index];
        if !channel.dirty && channel.log.head() != channel.live.delivered() {
            channel.dirty = true;
            self.dirty.push_back(index);
        }
    }

    /// Channels to be swept.
    pub(in crate::broker) fn dirty(&self) -> usize {
        self.dirty.len()
    }

    /// The channel at a place of the list of those to be swept.
    pub(in crate::broker) fn dirty_at(&self, place: usize) -> ChannelIndex {
        self.dirty[place]
    }

    pub(in crate::broker) fn is_dirty(&self, index: ChannelIndex) -> bool {
        self.table[index].dirty
    }

    pub(in crate::broker) fn next_dirty(&mut self) -> Option<ChannelIndex> {
        self.dirty.pop_front()
    }

    /// Lists a channel again that is not clean yet.
    pub(in crate::broker) fn requeue(&mut self, index: ChannelIndex) {
        let channel = &mut self.table[index];
        channel.dirty = channel.log.head() != channel.live.delivered();
        if channel.dirty {
            self.dirty.push_back(index);
        }
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
            if channel.log.head() == channel.live.delivered() {
                return None;
            }
            let target = channel.sweep_target(cx.limits.join);
            channel.live.start(target);
        }
        Some(Sweep { from: channel.live.delivered().next(), to: channel.live.target() })
    }

    /// Members of the live set that the sweep has not served.
    pub(in crate::broker) fn pending(&self, index: ChannelIndex) -> &[u32] {
        self.table[index].live.pending()
    }

    /// The next `n` pending members are served. Returns whether the sweep is over.
    pub(in crate::broker) fn advance(&mut self, index: ChannelIndex, n: usize) -> bool {
        self.table[index].live.advance(n)
    }

    /// The next `n` pending members need no visit any more; the sweep goes on.
    pub(in crate::broker) fn skip(&mut self, index: ChannelIndex, n: usize) {
        self.table[index].live.skip(n);
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
