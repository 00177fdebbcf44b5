//! When the subscribers of one broadcast had it: the first, the last, and any rank between.

use serde::{Deserialize, Serialize};

/// Ranks that are remembered of one thread: each stands for so many that its own is off by at
/// most one part in so many.
const RANKS: u32 = 64;

/// Times of receipt, in the order they are recorded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Receipts {
    /// One in so many is remembered.
    every: u32,
    count: u32,
    last: u64,
    /// Ascending, as one thread's clock is.
    kept: Vec<u64>,
}

impl Receipts {
    /// For about so many receipts: of up to 64 each is remembered.
    pub(crate) fn expecting(count: u32) -> Self {
        Self { every: count.div_ceil(RANKS).max(1), ..Self::default() }
    }

    pub(crate) fn record(&mut self, at: u64) {
        if self.count.is_multiple_of(self.every) {
            self.kept.push(at);
        }
        self.count += 1;
        self.last = self.last.max(at);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }
}

/// The first, the median and the last time of receipts by several threads. `missing` are those
/// that never came: they count as later than all, at `end`. `None` if there is not one.
pub(crate) fn first_median_last(threads: &[Receipts], missing: u64, end: u64) -> Option<[u64; 3]> {
    let received: u64 = threads.iter().map(|thread| u64::from(thread.count)).sum();
    let all = received + missing;
    if all == 0 {
        return None;
    }
    let mut ranked: Vec<(u64, u64)> = Vec::new();
    for thread in threads {
        let (every, count) = (u64::from(thread.every), u64::from(thread.count));
        for (rank, at) in thread.kept.iter().enumerate() {
            ranked.push((*at, every.min(count - rank as u64 * every)));
        }
    }
    ranked.sort_unstable();
    let first = ranked.first().map_or(end, |(at, _)| *at);
    // The ⌈n/2⌉-th of n.
    let mut before = 0;
    let median = ranked.iter().find(|(_, stands_for)| {
        before += stands_for;
        before >= all.div_ceil(2)
    });
    let last = threads.iter().map(|thread| thread.last).max().unwrap_or(0);
    let last = if missing > 0 { last.max(end) } else { last };
    Some([first, median.map_or(end, |(at, _)| *at), last])
}

#[cfg(test)]
mod tests;
