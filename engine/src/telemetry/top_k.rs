//! A shard's busiest channels and slowest consumers, for the dashboard. Not additive: both lists
//! are short, and describe the last second.

use std::net::SocketAddr;
use std::time::Duration;

use uuid::Uuid;

use super::labels::Lag;
use crate::limits::{HOT_CHANNELS, HOT_COUNTERS, SLOWEST};
use crate::types::{ChannelName, ServiceId};

/// A shard's lists, as of its last update.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    /// Channels homed here with the most publications in the last second, most first.
    pub hottest: Vec<HotChannel>,
    /// Consumers with the most unsent bytes, most first.
    pub slowest: Vec<SlowConsumer>,
}

/// A channel and its publications of the last second.
#[derive(Clone, Debug)]
pub struct HotChannel {
    /// The channel, with its service.
    pub name: ChannelName,
    /// Publications, at least `publishes - over` and at most `publishes`.
    pub publishes: u32,
    /// By how many it may be counted too high.
    pub over: u32,
}

/// A connection that could not take its bytes, or that joined in the past.
#[derive(Clone, Debug)]
pub struct SlowConsumer {
    /// The id it was welcomed with.
    pub id: Uuid,
    /// The other end.
    pub peer: SocketAddr,
    /// Where it connected.
    pub service: ServiceId,
    /// Bytes it has not been written yet: replies, and what its channels' logs still hold for it.
    pub owed: u64,
    /// How long it has been behind.
    pub behind: Duration,
    /// What it waits for.
    pub state: Lag,
    /// What it was not sent.
    pub skipped: Skipped,
}

/// Messages that a connection was not sent, since it was admitted, because it was too far behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Skipped {
    /// Those that were passed over.
    pub slow: u64,
    /// Those that newer ones with their keys replace.
    pub conflated: u64,
}

/// Adds to a list that keeps the slowest. `make` is called only for one of them.
pub(crate) fn keep_slowest(
    list: &mut Vec<SlowConsumer>,
    owed: u64,
    make: impl FnOnce() -> SlowConsumer,
) {
    let place = list.partition_point(|other| other.owed >= owed);
    if place < SLOWEST {
        list.truncate(SLOWEST - 1);
        list.insert(place, make());
    }
}

/// Space-saving (Metwally, Agrawal, El Abbadi 2005): with `m` counters, every key with more than
/// an `m`th of all hits is among them, and no count is too low.
#[derive(Debug)]
pub(super) struct Sketch {
    len: usize,
    keys: [u32; HOT_COUNTERS],
    counts: [u32; HOT_COUNTERS],
    over: [u32; HOT_COUNTERS],
}

/// One key of a [`Sketch`]: its count, and by how much that may be too high.
pub(super) type Counted = (u32, u32, u32);

impl Sketch {
    pub(super) fn new() -> Sketch {
        let zero = [0; HOT_COUNTERS];
        Sketch { len: 0, keys: zero, counts: zero, over: zero }
    }

    pub(super) fn hit(&mut self, key: u32) {
        let known = self.keys[..self.len].iter().position(|&other| other == key);
        let place = known.unwrap_or_else(|| self.admit(key));
        self.counts[place] = self.counts[place].saturating_add(1);
    }

    /// A counter for a new key: a free one, or that of the rarest together with its count.
    fn admit(&mut self, key: u32) -> usize {
        let place = if self.len < HOT_COUNTERS {
            self.len += 1;
            self.len - 1
        } else {
            let counts = self.counts.iter().enumerate();
            let rarest = counts.min_by_key(|(_, count)| **count).map_or(0, |(place, _)| place);
            self.over[rarest] = self.counts[rarest];
            rarest
        };
        self.keys[place] = key;
        place
    }

    /// The most frequent keys, most first; begins anew.
    pub(super) fn take(&mut self) -> Vec<Counted> {
        let one = |place: usize| (self.keys[place], self.counts[place], self.over[place]);
        let mut all: Vec<Counted> = (0..self.len).map(one).collect();
        all.sort_unstable_by_key(|(key, count, _)| (std::cmp::Reverse(*count), *key));
        all.truncate(HOT_CHANNELS);
        *self = Sketch::new();
        all
    }
}

#[cfg(test)]
mod tests;
