//! Room for a bounded number of entries and of the bytes that they hold.

use super::capacity::Capacity;

/// What an entry takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// How many it counts as, at least 1.
    pub entries: usize,
    /// Bytes that it holds.
    pub bytes: usize,
}

/// What all entries take together.
#[derive(Debug, Default)]
pub(super) struct Room {
    entries: Capacity,
    bytes: Capacity,
}

impl Room {
    /// Takes all of `cost`, or nothing if then more than `limit` were in use.
    pub(super) fn try_take(&self, cost: Cost, limit: Cost) -> bool {
        if !self.entries.try_take(cost.entries, limit.entries) {
            return false;
        }
        let fits = cost.bytes == 0 || self.bytes.try_take(cost.bytes, limit.bytes);
        if !fits {
            self.entries.give_back(cost.entries);
        }
        fits
    }

    pub(super) fn give_back(&self, cost: Cost) {
        self.entries.give_back(cost.entries);
        if cost.bytes > 0 {
            self.bytes.give_back(cost.bytes);
        }
    }
    /// Entries for which room is taken.
    pub(super) fn entries(&self) -> usize {
        self.entries.used()
    }

    /// How often there was not enough since the last call.
    pub(super) fn take_refusals(&self) -> usize {
        self.entries.take_refusals() + self.bytes.take_refusals()
    }
}
