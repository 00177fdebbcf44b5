//! The members of a live set with one encoding: those that a sweep has served, then the others.

/// Dense list of connection indices: done `[0..swept)` and pending `[swept..)`. Joining and leaving
/// keep every member in the region it belongs to (a plain swap-remove does not).
#[derive(Debug, Default)]
pub(super) struct Members {
    of: Vec<u32>,
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
    pub(super) fn insert(&mut self, connection: u32, done: bool) -> (usize, Shifted) {
        let last = self.of.len();
        self.of.push(connection);
        if !done {
            return (last, None);
        }
        let place = self.swept;
        self.swept += 1;
        self.of.swap(place, last);
        (place, (place != last).then(|| (self.of[last], last)))
    }

    /// Removes the member at `place`.
    pub(super) fn remove(&mut self, place: usize) -> [Shifted; 2] {
        let mut hole = place;
        let mut moves = [None, None];
        if hole < self.swept {
            self.swept -= 1;
            moves[0] = self.fill(hole, self.swept);
            hole = self.swept;
        }
        moves[1] = self.fill(hole, self.of.len() - 1);
        self.of.pop();
        moves
    }

    fn fill(&mut self, hole: usize, from: usize) -> Shifted {
        if hole == from {
            return None;
        }
        self.of[hole] = self.of[from];
        Some((self.of[hole], hole))
    }

    #[cfg(test)]
    pub(super) fn as_slice(&self) -> &[u32] {
        &self.of
    }
}
