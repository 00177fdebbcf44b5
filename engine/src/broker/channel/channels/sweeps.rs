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

    pub(in crate::broker) fn next_dirty(&mut self) -> Option<ChannelIndex> {
        self.dirty.pop_front()
    }

    /// Lists a channel again whose sweep was cut.
    pub(in crate::broker) fn requeue(&mut self, index: ChannelIndex) {
        if self.table[index].dirty {
            self.dirty.push_back(index);
        }
    }

    /// The sweep of a dirty channel that is under way or begins now; `None` when it is clean.
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
                channel.dirty = false;
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
