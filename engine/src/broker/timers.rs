//! Deadlines of connections, and the ticks in which everything is looked at once. No task and no
//! timer per connection: dense tables are walked a twentieth at a time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::ops::Range;

use crate::limits::DUE_PER_CONNECTION;
use crate::types::{ConnectionKey, Time};

/// Ticks in which every connection and channel is looked at once: with `limits::TICK`, a second.
pub(super) const ROUND: usize = 20;

/// A shard's deadlines and its place in the round.
#[derive(Debug, Default)]
pub(super) struct Timers {
    /// The earliest first; among them some that are no longer needed.
    deadlines: BinaryHeap<Reverse<(Time, ConnectionKey, Timer)>>,
    tick: usize,
}

/// What a connection is to do, or is to be given, by some time; each at most once at a time
/// but where it says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// The peer must have sent its first frame, where that must show a token.
    FirstFrame,
    /// A pause of receiving ends.
    Resume,
    /// What the peer sent before its close frame or FIN must have been handled.
    Backlog,
    /// The slot of a client that was told to reconnect ends. A second one may be set.
    Reconnect,
    /// The peer must have sent its close frame and its FIN.
    Close,
    /// What is owed to a peer that has ended its side must be written.
    FlushDeadline,
}

impl Timers {
    pub(super) fn set(&mut self, at: Time, key: ConnectionKey, timer: Timer) {
        self.deadlines.push(Reverse((at, key, timer)));
    }

    /// The next timer that is due.
    pub(super) fn next_expired(&mut self, now: Time) -> Option<(ConnectionKey, Timer)> {
        let next = self.deadlines.peek_mut().filter(|next| next.0.0 <= now)?;
        let Reverse((_, key, timer)) = PeekMut::pop(next);
        Some((key, timer))
    }

    /// Clears those away that are not needed, when they are many for so many connections
    /// (invariant 3).
    pub(super) fn prune(
        &mut self,
        connections: usize,
        is_needed: impl Fn(ConnectionKey, Timer) -> bool,
    ) {
        if self.deadlines.len() > DUE_PER_CONNECTION * (connections + 1) {
            self.deadlines.retain(|Reverse((_, key, timer))| is_needed(*key, *timer));
        }
    }

    /// Clears all of one kind away, to be set anew.
    pub(super) fn clear(&mut self, timer: Timer) {
        self.deadlines.retain(|Reverse((_, _, of))| *of != timer);
    }

    /// All deadlines, in no order.
    pub(super) fn all(&self) -> impl Iterator<Item = (Time, ConnectionKey, Timer)> {
        self.deadlines.iter().map(|Reverse(deadline)| *deadline)
    }

    /// Begins a tick. Returns whether a round begins with it.
    pub(super) fn begin_tick(&mut self) -> bool {
        self.tick = (self.tick + 1) % ROUND;
        self.tick == 0
    }

    /// This tick's part of `0 .. len`.
    pub(super) fn part(&self, len: usize) -> Range<u32> {
        part(self.tick, len)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.deadlines.len()
    }
}

/// The `n`th of `ROUND` parts of `0 .. len`.
pub(super) fn part(n: usize, len: usize) -> Range<u32> {
    (n * len / ROUND) as u32..((n + 1) * len / ROUND) as u32
}

#[cfg(test)]
mod tests;
