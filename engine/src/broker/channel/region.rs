//! A part of a live set: members that a sweep has served, then those it has still to serve.

use super::since::Since;
use crate::types::LivePosition;

/// A member that now stands elsewhere: its subscription must learn the new position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moved {
    pub(crate) connection: u32,
    pub(crate) position: LivePosition,
}

/// Dense list of connection indices: done `[0..swept)` and pending `[swept..)`.
#[derive(Debug, Default)]
pub(super) struct Region {
    members: Vec<u32>,
    /// Of each member; empty where no member negotiated compression.
    since: Vec<Since>,
    /// Members that follow the channel's context.
    followers: usize,
    swept: usize,
}

impl Region {
    pub(super) fn members(&self) -> &[u32] {
        &self.members
    }

    pub(super) fn swept(&self) -> usize {
        self.swept
    }

    pub(super) fn pending(&self) -> &[u32] {
        &self.members[self.swept..]
    }

    /// The pending members with what they have of the channel's context.
    pub(super) fn pending_since(&mut self) -> (&[u32], &mut [Since]) {
        (&self.members[self.swept..], &mut self.since[self.swept..])
    }

    /// Members that follow the channel's context.
    pub(super) fn followers(&self) -> usize {
        self.followers
    }

    /// Sets what a member has of the channel's context, and whether it follows it.
    pub(super) fn set_since(&mut self, place: usize, since: Since) {
        let before = std::mem::replace(&mut self.since[place], since);
        self.followers -= usize::from(before.follows());
        self.followers += usize::from(since.follows());
    }

    /// The same without a change of whether it follows it.
    pub(super) fn since_mut(&mut self, place: usize) -> &mut Since {
        &mut self.since[place]
    }

    pub(super) fn since(&self, place: usize) -> Since {
        self.since[place]
    }

    pub(super) fn skip(&mut self, n: usize) {
        self.swept += n;
        debug_assert!(self.swept <= self.members.len());
    }

    pub(super) fn restart(&mut self) {
        self.swept = 0;
    }

    /// Adds a member, as done while a sweep is under way.
    pub(super) fn insert(
        &mut self,
        connection: u32,
        since: Option<Since>,
        sweeping: bool,
    ) -> (LivePosition, Option<Moved>) {
        let last = self.members.len();
        self.members.push(connection);
        self.since.extend(since);
        self.followers += usize::from(since.is_some_and(Since::follows));
        if !sweeping {
            return (LivePosition(last as u32), None);
        }
        let position = self.swept;
        self.swept += 1;
        self.members.swap(position, last);
        if since.is_some() {
            self.since.swap(position, last);
        }
        let moved = (position != last).then(|| self.moved_to(last));
        (LivePosition(position as u32), moved)
    }

    /// Removes the member at a place.
    pub(super) fn remove(&mut self, place: usize) -> [Option<Moved>; 2] {
        let since = self.since.get(place).copied();
        self.followers -= usize::from(since.is_some_and(Since::follows));
        let mut hole = place;
        let mut moves = [None, None];
        if hole < self.swept {
            self.swept -= 1;
            moves[0] = self.fill(hole, self.swept);
            hole = self.swept;
        }
        moves[1] = self.fill(hole, self.members.len() - 1);
        self.members.pop();
        self.since.pop();
        moves
    }

    fn fill(&mut self, hole: usize, from: usize) -> Option<Moved> {
        if hole == from {
            return None;
        }
        self.members[hole] = self.members[from];
        if !self.since.is_empty() {
            self.since[hole] = self.since[from];
        }
        Some(self.moved_to(hole))
    }

    fn moved_to(&self, place: usize) -> Moved {
        Moved { connection: self.members[place], position: LivePosition(place as u32) }
    }
}
