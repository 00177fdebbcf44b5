//! The members of a live set with one encoding: those that a sweep has served, then the others.

use super::since::Since;

/// Dense list of connection indices: done `[0..swept)` and pending `[swept..)`. Joining and leaving
/// keep every member in the region it belongs to (a plain swap-remove does not).
#[derive(Debug, Default)]
pub(super) struct Members {
    of: Vec<u32>,
    /// Of each member that negotiated compression: all members have it, or none.
    since: Vec<Since>,
    /// Members that follow the channel's context.
    followers: usize,
    swept: usize,
}

/// A member that now stands elsewhere, and where.
pub(super) type Shifted = Option<(u32, usize)>;

impl Members {
    pub(super) fn len(&self) -> usize {
        self.of.len()
    }

    pub(super) fn pending(&self) -> &[u32] {
        &self.of[self.swept..]
    }

    /// The pending members with what they have of the channel's context.
    pub(super) fn pending_since(&mut self) -> (&[u32], &mut [Since]) {
        (&self.of[self.swept..], &mut self.since[self.swept..])
    }

    /// Members that follow the channel's context.
    pub(super) fn followers(&self) -> usize {
        self.followers
    }

    /// What a member has of the channel's context; `None` without compression.
    pub(super) fn since(&self, place: usize) -> Option<Since> {
        self.since.get(place).copied()
    }

    /// The same, to be changed without a change of whether it follows it.
    pub(super) fn since_mut(&mut self, place: usize) -> Option<&mut Since> {
        self.since.get_mut(place)
    }

    /// Sets what a member has of it, and whether it follows it.
    pub(super) fn set_since(&mut self, place: usize, since: Since) {
        let Some(present) = self.since.get_mut(place) else { return };
        let before = std::mem::replace(present, since);
        self.followers -= usize::from(before.follows());
        self.followers += usize::from(since.follows());
    }

    pub(super) fn is_done(&self, place: usize) -> bool {
        place < self.swept
    }

    /// The next `n` pending members are done.
    pub(super) fn skip(&mut self, n: usize) {
        self.swept += n;
        debug_assert!(self.swept <= self.of.len());
    }

    /// All are pending for what comes next.
    pub(super) fn reset(&mut self) {
        self.swept = 0;
    }

    /// Adds a member; `done`: to those that are done. Returns its place.
    pub(super) fn insert(
        &mut self,
        connection: u32,
        since: Option<Since>,
        done: bool,
    ) -> (usize, Shifted) {
        let last = self.of.len();
        self.of.push(connection);
        self.since.extend(since);
        self.followers += usize::from(since.is_some_and(Since::follows));
        if !done {
            return (last, None);
        }
        let place = self.swept;
        self.swept += 1;
        self.of.swap(place, last);
        if since.is_some() {
            self.since.swap(place, last);
        }
        (place, (place != last).then(|| (self.of[last], last)))
    }

    /// Removes the member at `place`.
    pub(super) fn remove(&mut self, place: usize) -> [Shifted; 2] {
        self.followers -= usize::from(self.since(place).is_some_and(Since::follows));
        let mut hole = place;
        let mut moves = [None, None];
        if hole < self.swept {
            self.swept -= 1;
            moves[0] = self.fill(hole, self.swept);
            hole = self.swept;
        }
        moves[1] = self.fill(hole, self.of.len() - 1);
        self.of.pop();
        self.since.pop();
        moves
    }

    fn fill(&mut self, hole: usize, from: usize) -> Shifted {
        if hole == from {
            return None;
        }
        self.of[hole] = self.of[from];
        if !self.since.is_empty() {
            self.since[hole] = self.since[from];
        }
        Some((self.of[hole], hole))
    }

    /// All of them, in their order.
    pub(super) fn as_slice(&self) -> &[u32] {
        &self.of
    }
}
