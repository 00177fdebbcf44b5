//! The subscribers of a channel that have kept up, and the sweep over them.
//!
//! During a sweep a set is two regions: done `[0..swept)` and pending `[swept..)`. A sweep's
//! range is fixed at its start. Joining and leaving keep every member in the region it belongs to,
//! so no member is missed or served twice (a plain swap-remove does both).
//!
//! Members that negotiated compression stand in a list of their own, where there are any: a sweep
//! goes through the others first.

use super::region::{Moved, Region};
use super::since::Since;
use crate::types::LivePosition;
use crate::types::Seq;

/// Dense set of connection indices.
#[derive(Debug, Default)]
pub(crate) struct LiveSet {
    plain: Region,
    /// Those that negotiated compression.
    deflating: Option<Box<Region>>,
    /// Pending members have been handed everything up to here.
    delivered: Seq,
    /// Done members have been handed everything up to here; equals `delivered` between sweeps.
    target: Seq,
}

/// Bit of a position in the list of those that negotiated compression.
const DEFLATING: u32 = 1 << 31;

fn place_of(LivePosition(position): LivePosition) -> usize {
    (position & !DEFLATING) as usize
}

fn is_deflating(LivePosition(position): LivePosition) -> bool {
    position & DEFLATING != 0
}

fn deflating(LivePosition(position): LivePosition) -> LivePosition {
    LivePosition(position | DEFLATING)
}

fn deflating_move(Moved { connection, position }: Moved) -> Moved {
    Moved { connection, position: deflating(position) }
}

impl LiveSet {
    /// An empty set whose members start after `head`.
    pub(crate) fn new(head: Seq) -> LiveSet {
        LiveSet { delivered: head, target: head, ..LiveSet::default() }
    }

    pub(crate) fn len(&self) -> usize {
        self.plain.members().len() + self.deflating()
    }

    /// Members that negotiated compression.
    pub(crate) fn deflating(&self) -> usize {
        self.deflating.as_ref().map_or(0, |region| region.members().len())
    }

    /// Members that follow the channel's context.
    pub(crate) fn followers(&self) -> usize {
        self.deflating.as_ref().map_or(0, |region| region.followers())
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
        let is_done = place_of(position) < self.region(position).swept();
        if is_done { self.target } else { self.delivered }
    }

    fn region(&self, position: LivePosition) -> &Region {
        match &self.deflating {
            Some(region) if is_deflating(position) => region,
            _ => &self.plain,
        }
    }

    /// Starts a sweep of everything up to `target`.
    pub(crate) fn start(&mut self, target: Seq) {
        debug_assert!(!self.is_sweeping() && target > self.delivered);
        self.target = target;
    }

    /// The members without compression that are not swept yet.
    pub(crate) fn pending(&self) -> &[u32] {
        self.plain.pending()
    }

    /// The members with compression that are not swept yet.
    pub(crate) fn deflating_pending(&self) -> &[u32] {
        self.deflating.as_ref().map_or(&[], |region| region.pending())
    }

    /// The same, with what they have of the channel's context.
    pub(crate) fn deflating_since(&mut self) -> (&[u32], &mut [Since]) {
        match &mut self.deflating {
            Some(region) => region.pending_since(),
            None => (&[], &mut []),
        }
    }

    /// What the member at `position` has of the channel's context, to be changed without a change
    /// of whether it follows it; `None` without compression.
    pub(crate) fn since_mut(&mut self, position: LivePosition) -> Option<&mut Since> {
        if !is_deflating(position) {
            return None;
        }
        Some(self.deflating.as_mut()?.since_mut(place_of(position)))
    }

    /// Sets what the member at `position`, which negotiated compression, has of it.
    pub(crate) fn set_since(&mut self, position: LivePosition, since: Since) {
        if let Some(region) = self.deflating.as_mut().filter(|_| is_deflating(position)) {
            region.set_since(place_of(position), since);
        }
    }

    /// What the member at `position` has of it.
    pub(crate) fn since(&self, position: LivePosition) -> Option<Since> {
        if !is_deflating(position) {
            return None;
        }
        Some(self.deflating.as_ref()?.since(place_of(position)))
    }

    /// The next `n` pending members without compression are done. Returns whether the sweep is
    /// over.
    pub(crate) fn advance(&mut self, n: usize) -> bool {
        self.skip(n);
        self.end_if_over()
    }

    /// The next `n` pending members with compression are done. Returns whether the sweep is over.
    pub(crate) fn advance_deflating(&mut self, n: usize) -> bool {
        self.skip_deflating(n);
        self.end_if_over()
    }

    fn end_if_over(&mut self) -> bool {
        let over = self.pending().is_empty() && self.deflating_pending().is_empty();
        if over {
            self.end();
        }
        over
    }

    /// The next `n` pending members are done; the sweep goes on until it is ended.
    pub(crate) fn skip(&mut self, n: usize) {
        self.plain.skip(n);
    }

    /// The same of those with compression.
    pub(crate) fn skip_deflating(&mut self, n: usize) {
        if let Some(region) = &mut self.deflating {
            region.skip(n);
        }
    }

    /// Every member is done.
    pub(crate) fn end(&mut self) {
        self.plain.restart();
        self.deflating.iter_mut().for_each(|region| region.restart());
        self.delivered = self.target;
    }

    /// Skips ahead: the set is empty.
    pub(crate) fn skip_to(&mut self, head: Seq) {
        debug_assert!(self.is_empty());
        self.target = head;
        self.end();
    }

    /// Adds a member at the head: it gets what comes after the sweep in progress. `since`: where it
    /// negotiated compression.
    pub(crate) fn insert(
        &mut self,
        connection: u32,
        since: Option<Since>,
    ) -> (LivePosition, Option<Moved>) {
        let sweeping = self.is_sweeping();
        if since.is_none() {
            return self.plain.insert(connection, None, sweeping);
        }
        let region = self.deflating.get_or_insert_default();
        let (position, moved) = region.insert(connection, since, sweeping);
        (deflating(position), moved.map(deflating_move))
    }

    /// Removes the member at `position`. A sweep without a pending member ends with the next
    /// `advance`.
    pub(crate) fn remove(&mut self, position: LivePosition) -> [Option<Moved>; 2] {
        if !is_deflating(position) {
            return self.plain.remove(place_of(position));
        }
        let Some(region) = &mut self.deflating else { return [None, None] };
        let moves = region.remove(place_of(position));
        if region.members().is_empty() {
            self.deflating = None;
        }
        moves.map(|moved| moved.map(deflating_move))
    }

    #[cfg(test)]
    pub(crate) fn member(&self, position: LivePosition) -> u32 {
        self.region(position).members()[place_of(position)]
    }

    #[cfg(test)]
    pub(crate) fn members(&self) -> Vec<u32> {
        let deflating = self.deflating.iter().flat_map(|region| region.members());
        self.plain.members().iter().chain(deflating).copied().collect()
    }
}

#[cfg(test)]
mod tests;
