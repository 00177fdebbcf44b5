//! Loss, duplicates and order at one subscriber, and the last receipt of a message.

use std::collections::VecDeque;

/// Most messages of one publisher that may be incomplete before the oldest is given up:
/// 16 MiB at 16 bytes each.
const WINDOW: u64 = 1 << 20;

/// How many of the newest messages a subscriber remembers one by one.
const REMEMBERED: u64 = 64;

/// What a delivery is, seen against the earlier ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// The next one, or one further on with this many left out before it.
    New {
        /// Messages left out before it.
        skipped: u64,
    },
    /// One that had been left out: it was overtaken.
    Late,
    /// One that had come before.
    Duplicate,
}

/// One subscriber's view of one publisher on its channel: the next index expected and a bit for
/// each of the last 64.
#[derive(Debug, Clone, Copy, Default)]
pub struct OrderCheck {
    next: u64,
    /// Bit k: message `next - 1 - k` was seen.
    seen: u64,
}

impl OrderCheck {
    /// For one that joins and is due the messages from `index` on.
    pub fn starting_at(index: u64) -> Self {
        Self { next: index, seen: 0 }
    }

    /// The index behind the newest message received.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// `index` counts this publisher's messages on this channel from 0. One older than the
    /// remembered ones counts as late.
    pub fn record(&mut self, index: u64) -> Arrival {
        if index >= self.next {
            let skipped = index - self.next;
            let moved = u32::try_from(skipped + 1).unwrap_or(u32::MAX);
            self.seen = self.seen.checked_shl(moved).unwrap_or(0) | 1;
            self.next = index + 1;
            return Arrival::New { skipped };
        }
        let age = self.next - 1 - index;
        if age >= REMEMBERED {
            return Arrival::Late;
        }
        let bit = 1 << age;
        if self.seen & bit != 0 {
            return Arrival::Duplicate;
        }
        self.seen |= bit;
        Arrival::Late
    }
}

/// Counts each message of one publisher down to its last receiver.
#[derive(Debug, Default)]
pub struct Window {
    /// The sequence of the first entry.
    first: u64,
    entries: VecDeque<Entry>,
}

#[derive(Debug)]
struct Entry {
    left: u32,
    latest: u64,
}

impl Window {
    /// One more receiver has `sequence`, at this time. `needed` is how many receivers a
    /// sequence has in all. Returns the latest time once all have it.
    pub fn receive(&mut self, sequence: u64, at: u64, needed: impl Fn(u64) -> u32) -> Option<u64> {
        let place = sequence.checked_sub(self.first)?;
        if place >= WINDOW {
            let given_up = place - WINDOW + 1;
            self.entries.drain(..given_up.min(self.entries.len() as u64) as usize);
            self.first += given_up;
        }
        let place = (sequence - self.first) as usize;
        while self.entries.len() <= place {
            let left = needed(self.first + self.entries.len() as u64);
            self.entries.push_back(Entry { left, latest: 0 });
        }
        let entry = &mut self.entries[place];
        entry.left = entry.left.checked_sub(1)?;
        entry.latest = entry.latest.max(at);
        let complete = (entry.left == 0).then_some(entry.latest);
        while self.entries.front().is_some_and(|entry| entry.left == 0) {
            self.entries.pop_front();
            self.first += 1;
        }
        complete
    }

    /// Forgets the messages before `end`, of which `needed` receivers each were due. Returns how
    /// many receipts were missing.
    pub fn discard_before(&mut self, end: u64, needed: impl Fn(u64) -> u32) -> u64 {
        let unseen = self.first + self.entries.len() as u64..end;
        let missing = self.entries.drain(..).map(|entry| entry.left).chain(unseen.map(needed));
        let missing = missing.map(u64::from).sum();
        self.first = self.first.max(end);
        missing
    }
}

#[cfg(test)]
mod tests;
