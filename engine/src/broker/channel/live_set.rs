//! The subscribers of a channel that have kept up, and the sweep over them.
//!
//! During a sweep the set is two regions: done `[0..swept)` and pending `[swept..)`. A sweep's
//! range is fixed at its start. Joining and leaving keep every member in the region it belongs to,
//! so no member is missed or served twice (a plain swap-remove does both).

use crate::types::LivePosition;
use crate::types::Seq;

/// A member that now stands elsewhere: its subscription must learn the new position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moved {
    pub(crate) connection: u32,
    pub(crate) position: LivePosition,
}

/// Dense set of connection indices.
#[derive(Debug, Default)]
pub(crate) struct LiveSet {
    members: Vec<u32>,
    swept: usize,
    /// Pending members have been handed everything up to here.
    delivered: Seq,
    /// Done members have been handed everything up to here; equals `delivered` between sweeps.
    target: Seq,
}

impl LiveSet {
    /// An empty set whose members start after `head`.
    pub(crate) fn new(head: Seq) -> LiveSet {
        LiveSet { delivered: head, target: head, ..LiveSet::default() }
    }

    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    pub(crate) fn is_sweeping(&self) -> bool {
        self.target != self.delivered
    }

    /// What every member has: the sweep in progress does not count.
    pub(crate) fn delivered(&self) -> Seq {
        self.delivered
    }

    /// Last position of the sweep in progress, or what all members have.
    pub(crate) fn target(&self) -> Seq {
        self.target
    }

    /// What the member at `position` has been handed (or skipped, if its gate is shut).
    pub(crate) fn handed(&self, LivePosition(position): LivePosition) -> Seq {
        if (position as usize) < self.swept { self.target } else { self.delivered }
    }

    /// Starts a sweep of everything up to `target`.
    pub(crate) fn start(&mut self, target: Seq) {
        debug_assert!(!self.is_sweeping() && target > self.delivered);
        self.target = target;
    }

    /// The members not swept yet.
    pub(crate) fn pending(&self) -> &[u32] {
        &self.members[self.swept..]
    }

    /// The next `n` pending members are done. Returns whether the sweep is over.
    pub(crate) fn advance(&mut self, n: usize) -> bool {
        self.skip(n);
        let over = self.swept == self.members.len();
        if over {
            self.end();
        }
        over
    }

    /// The next `n` pending members are done; the sweep goes on until it is ended.
    pub(crate) fn skip(&mut self, n: usize) {
        self.swept += n;
        debug_assert!(self.swept <= self.members.len());
    }

    /// Every member is done.
    pub(crate) fn end(&mut self) {
        (self.swept, self.delivered) = (0, self.target);
    }

    /// Skips ahead: the set is empty.
    pub(crate) fn skip_to(&mut self, head: Seq) {
        debug_assert!(self.members.is_empty());
        (self.swept, self.delivered, self.target) = (0, head, head);
    }

    /// Adds a member at the head: it gets what comes after the sweep in progress.
    pub(crate) fn insert(&mut self, connection: u32) -> (LivePosition, Option<Moved>) {
        let last = self.members.len();
        self.members.push(connection);
        if !self.is_sweeping() {
            return (LivePosition(last as u32), None);
        }
        let position = self.swept;
        self.swept += 1;
        self.members.swap(position, last);
        let moved = (position != last).then(|| self.moved_to(last));
        (LivePosition(position as u32), moved)
    }

    /// Removes the member at `position`. A sweep without a pending member ends with the next
    /// `advance`.
    pub(crate) fn remove(&mut self, LivePosition(position): LivePosition) -> [Option<Moved>; 2] {
        let mut hole = position as usize;
        let mut moves = [None, None];
        if hole < self.swept {
            self.swept -= 1;
            moves[0] = self.fill(hole, self.swept);
            hole = self.swept;
        }
        moves[1] = self.fill(hole, self.members.len() - 1);
        self.members.pop();
        moves
    }

    fn fill(&mut self, hole: usize, from: usize) -> Option<Moved> {
        if hole == from {
            return None;
        }
        self.members[hole] = self.members[from];
        Some(self.moved_to(hole))
    }

    fn moved_to(&self, place: usize) -> Moved {
        Moved { connection: self.members[place], position: LivePosition(place as u32) }
    }

    #[cfg(test)]
    pub(crate) fn members(&self) -> &[u32] {
        &self.members
    }
}

#[cfg(test)]
mod tests;
