//! A shard's measurements of itself, beside those of its clients.

use hdrhistogram::Histogram;

use super::close_counts::CloseCounts;
use super::labels::Lag;
use super::{latency_histogram, merge};
use crate::limits::BATCH_ENTRIES;

/// One shard's since its last snapshot, or all shards' since the start.
#[derive(Clone, Debug)]
pub struct ShardStats {
    /// Length of a turn, ns.
    pub turn: Histogram<u64>,
    /// Writes of one submission.
    pub batch: Histogram<u64>,
    /// From accepting a connection to its upgrade, ns; those that succeeded.
    pub handshake: Histogram<u64>,
    /// How connections came to their end.
    pub closes: CloseCounts,
    /// By [`Lag`]: the present number, not a count.
    pub laggards: [u64; Lag::COUNT],
    /// CPU time the shard's thread used, ns.
    pub busy_ns: u64,
}

impl ShardStats {
    pub(super) fn new() -> ShardStats {
        let batch = Histogram::new_with_bounds(1, BATCH_ENTRIES as u64, 2);
        ShardStats {
            turn: latency_histogram(),
            batch: batch.expect("constant bounds are valid"),
            handshake: latency_histogram(),
            closes: CloseCounts::default(),
            laggards: [0; Lag::COUNT],
            busy_ns: 0,
        }
    }

    /// Empties it, keeping the present numbers of `current`.
    pub(super) fn clear_like(&mut self, current: &ShardStats) {
        self.turn.reset();
        self.batch.reset();
        self.handshake.reset();
        (self.closes, self.busy_ns) = (CloseCounts::default(), 0);
        self.laggards = current.laggards;
    }

    /// Adds the counts; the caller adds up the present numbers.
    pub(super) fn absorb(&mut self, new: &ShardStats) {
        merge(&mut self.turn, &new.turn);
        merge(&mut self.batch, &new.batch);
        merge(&mut self.handshake, &new.handshake);
        self.closes.add(&new.closes);
        self.busy_ns += new.busy_ns;
    }
}
