//! The subscribers of a channel that have kept up, and the sweep over them.
//!
//! A sweep's range is fixed at its start, and it goes through the members of one encoding after
//! those of another. Of each, some are done and the others pending: no member is missed or served
//! twice, whichever join or leave meanwhile.

use super::members::{Members, Shifted};
use super::since::Since;
use crate::types::{Encoding, LivePosition, Seq};

/// A member that now stands elsewhere: its subscription must learn the new position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moved {
    pub(crate) connection: u32,
    pub(crate) position: LivePosition,
}

/// The members of a channel, by encoding.
#[derive(Debug, Default)]
pub(crate) struct LiveSet {
    plain: Members,
    /// Of the other encodings, in their order, once there was one.
    others: Option<Box<[Members; Encoding::COUNT - 1]>>,
    /// Pending members have been handed everything up to here.
    delivered: Seq,
    /// Done members have been handed everything up to here; equals `delivered` between sweeps.
    target: Seq,
}

impl LiveSet {
    /// An empty set: its members start after `head`.
    pub(crate) fn new(head: Seq) -> LiveSet {
        LiveSet { delivered: head, target: head, ..LiveSet::default() }
    }

    fn of(&self, encoding: Encoding) -> Option<&Members> {
        match (encoding as usize).checked_sub(1) {
            None => Some(&self.plain),
            Some(place) => self.others.as_deref().map(|others| &others[place]),
        }
    }

    fn of_mut(&mut self, encoding: Encoding) -> &mut Members {
        match (encoding as usize).checked_sub(1) {
            None => &mut self.plain,
            Some(place) => &mut self.others.get_or_insert_default()[place],
        }
    }

    fn all(&self) -> impl Iterator<Item = &Members> {
        std::iter::once(&self.plain).chain(self.others.iter().flat_map(|others| others.iter()))
    }

    pub(crate) fn len(&self) -> usize {
        self.all().map(Members::len).sum()
    }

    /// Members that follow the channel's context.
    pub(crate) fn followers(&self) -> usize {
        self.of(Encoding::Deflating).map_or(0, Members::followers)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
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
    pub(crate) fn handed(&self, position: LivePosition) -> Seq {
        let members = self.of(position.encoding());
        let is_done = members.is_some_and(|members| members.is_done(position.place()));
        if is_done { self.target } else { self.delivered }
    }

    /// Starts a sweep of everything up to `target`.
    pub(crate) fn start(&mut self, target: Seq) {
        debug_assert!(!self.is_sweeping() && target > self.delivered);
        self.target = target;
    }

    /// The members with an encoding that are not swept yet.
    pub(crate) fn pending(&self, encoding: Encoding) -> &[u32] {
        self.of(encoding).map_or(&[], Members::pending)
    }

    /// Pending members that negotiated compression, with what they have of the channel's context.
    pub(crate) fn pending_since(&mut self) -> (&[u32], &mut [Since]) {
        self.of_mut(Encoding::Deflating).pending_since()
    }

    /// What the member at `position` has of the channel's context; `None` without compression.
    pub(crate) fn since(&self, position: LivePosition) -> Option<Since> {
        self.of(position.encoding())?.since(position.place())
    }

    /// The same, to be changed without a change of whether it follows it.
    pub(crate) fn since_mut(&mut self, position: LivePosition) -> Option<&mut Since> {
        self.of_mut(position.encoding()).since_mut(position.place())
    }

    /// Sets what the member at `position` has of it.
    pub(crate) fn set_since(&mut self, position: LivePosition, since: Since) {
        self.of_mut(position.encoding()).set_since(position.place(), since);
    }

    /// The encodings of the members that are not swept yet.
    pub(crate) fn pending_encodings(&self) -> impl Iterator<Item = Encoding> {
        let known = if self.others.is_some() { Encoding::COUNT } else { 1 };
        let known = Encoding::ALL.into_iter().take(known);
        known.filter(|encoding| !self.pending(*encoding).is_empty())
    }

    /// The next `n` pending members with an encoding are done. Returns whether the sweep is over.
    pub(crate) fn advance(&mut self, encoding: Encoding, n: usize) -> bool {
        self.skip(encoding, n);
        let over = self.all().all(|members| members.pending().is_empty());
        if over {
            self.end();
        }
        over
    }

    /// The next `n` pending members with an encoding are done; the sweep goes on until it is ended.
    pub(crate) fn skip(&mut self, encoding: Encoding, n: usize) {
        self.of_mut(encoding).skip(n);
    }

    /// Every member is done.
    pub(crate) fn end(&mut self) {
        self.plain.reset();
        self.others.iter_mut().flat_map(|others| others.iter_mut()).for_each(Members::reset);
        self.delivered = self.target;
    }

    /// Skips ahead: the set is empty.
    pub(crate) fn skip_to(&mut self, head: Seq) {
        debug_assert!(self.is_empty());
        self.target = head;
        self.end();
    }

    /// Adds a member at the head: it gets what comes after the sweep in progress. `since`: of one
    /// that negotiated compression.
    pub(crate) fn insert(
        &mut self,
        connection: u32,
        (encoding, since): (Encoding, Option<Since>),
    ) -> (LivePosition, Option<Moved>) {
        let done = self.is_sweeping();
        let (place, shifted) = self.of_mut(encoding).insert(connection, since, done);
        (LivePosition::new(encoding, place), moved(encoding, shifted))
    }

    /// Removes the member at `position`. A sweep without a pending member ends with the next
    /// `advance`.
    pub(crate) fn remove(&mut self, position: LivePosition) -> [Option<Moved>; 2] {
        let encoding = position.encoding();
        let shifted = self.of_mut(encoding).remove(position.place());
        shifted.map(|shifted| moved(encoding, shifted))
    }

    /// All members with an encoding.
    pub(crate) fn members(&self, encoding: Encoding) -> &[u32] {
        self.of(encoding).map_or(&[], Members::as_slice)
    }
}

fn moved(encoding: Encoding, shifted: Shifted) -> Option<Moved> {
    let (connection, place) = shifted?;
    Some(Moved { connection, position: LivePosition::new(encoding, place) })
}

#[cfg(test)]
mod tests;
