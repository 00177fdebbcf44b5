//! Channels that have something new for their live sets: those to be swept, and those that wait
//! until more has come.

use std::collections::{BTreeSet, VecDeque};

use crate::types::{ChannelIndex, Time};

/// Where a channel stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Queued {
    /// Its live set has everything.
    #[default]
    No,
    /// It is to be swept by then.
    Until(Time),
    /// It is to be swept now.
    Now,
}

/// The channels of a shard that are not clean.
#[derive(Debug, Default)]
pub(super) struct SweepQueue {
    /// In the order in which they are swept.
    ready: VecDeque<ChannelIndex>,
    /// By the end of their coalescing windows.
    waiting: BTreeSet<(Time, ChannelIndex)>,
    /// The saboteur of the simulation: waits do not end.
    #[cfg(test)]
    pub(super) stuck: bool,
}

impl SweepQueue {
    /// Channels to be swept now.
    pub(super) fn ready(&self) -> usize {
        self.ready.len()
    }

    /// The channel at a place of the list of those.
    pub(super) fn ready_at(&self, place: usize) -> ChannelIndex {
        self.ready[place]
    }

    /// Takes the first of them out; its `queued` must be set next.
    pub(super) fn next_ready(&mut self) -> Option<ChannelIndex> {
        self.ready.pop_front()
    }

    /// The first channel that waits, and until when.
    pub(super) fn first_waiting(&self) -> Option<(Time, ChannelIndex)> {
        #[cfg(test)]
        if self.stuck {
            return None;
        }
        self.waiting.first().copied()
    }

    /// Moves a channel; `queued` has its place.
    pub(super) fn place(&mut self, index: ChannelIndex, queued: &mut Queued, next: Queued) {
        if *queued == next {
            return;
        }
        debug_assert!(*queued != Queued::Now, "only next_ready takes a channel out");
        if let Queued::Until(time) = *queued {
            self.waiting.remove(&(time, index));
        }
        match next {
            Queued::No => {}
            Queued::Until(time) => _ = self.waiting.insert((time, index)),
            Queued::Now => self.ready.push_back(index),
        }
        *queued = next;
    }

    /// How often a channel is listed.
    #[cfg(test)]
    pub(super) fn listed(&self, index: ChannelIndex) -> Vec<Queued> {
        let ready = self.ready.iter().filter(|ready| **ready == index).map(|_| Queued::Now);
        let waiting = self.waiting.iter().filter(|(_, waiting)| *waiting == index);
        ready.chain(waiting.map(|(time, _)| Queued::Until(*time))).collect()
    }
}
