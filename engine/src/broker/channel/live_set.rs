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
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Operation {
        Publish,
        Slice(usize),
        Join,
        Leave(usize),
    }

    fn operation() -> impl Strategy<Value = Operation> {
        prop_oneof![
            3 => Just(Operation::Publish),
            6 => (1..6usize).prop_map(Operation::Slice),
            3 => Just(Operation::Join),
            3 => any::<prop::sample::Index>().prop_map(|i| Operation::Leave(i.index(1 << 16))),
        ]
    }

    fn apply(places: &mut HashMap<u32, LivePosition>, moved: Option<Moved>) {
        if let Some(moved) = moved {
            places.insert(moved.connection, moved.position);
        }
    }

    proptest! {
        /// Every member sees every message since it joined, once, in order, however sweeps are
        /// cut into slices and whichever members join or leave between them.
        #[test]
        fn a_sliced_sweep_serves_every_member_once(
            ops in prop::collection::vec(operation(), 1..400),
        ) {
            let mut set = LiveSet::new(Seq(0));
            let mut head = 0;
            let mut seen: HashMap<u32, u64> = HashMap::new();
            let mut places: HashMap<u32, LivePosition> = HashMap::new();
            let mut next = 0;
            for op in ops {
                match op {
                    Operation::Publish => head += 1,
                    Operation::Slice(n) => {
                        if !set.is_sweeping() && head > set.delivered().0 {
                            set.start(Seq(head));
                        }
                        if set.is_sweeping() {
                            let n = n.min(set.pending().len());
                            for connection in &set.pending()[..n] {
                                let seen = seen.get_mut(connection).unwrap();
                                prop_assert_eq!(*seen, set.delivered().0);
                                *seen = set.target().0;
                            }
                            set.advance(n);
                        }
                    }
                    Operation::Join => {
                        let (place, moved) = set.insert(next);
                        apply(&mut places, moved);
                        places.insert(next, place);
                        seen.insert(next, set.handed(place).0);
                        next += 1;
                    }
                    Operation::Leave(i) if !set.is_empty() => {
                        let connection = set.members()[i % set.len()];
                        for moved in set.remove(places[&connection]) {
                            apply(&mut places, moved);
                        }
                        places.remove(&connection);
                        seen.remove(&connection);
                    }
                    Operation::Leave(_) => {}
                }
                prop_assert_eq!(places.len(), set.len());
                for (connection, place) in &places {
                    prop_assert_eq!(set.members()[place.0 as usize], *connection);
                    prop_assert_eq!(set.handed(*place).0, seen[connection]);
                }
            }
        }
    }
}
