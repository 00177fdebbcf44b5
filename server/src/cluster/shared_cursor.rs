//! How far a node has read a stream that it reads whole.

use std::time::Duration;

use super::stream_positions::SharedPosition;
use crate::limits::ROLLBACK_PATIENCE;

/// The part of a stream that was read: everything up to a position that was still there.
///
/// A stream numbers its messages without holes, and some are gone when they are read: others have
/// taken their places, or their time is over. So a message that comes as it is stored is the next
/// one only if its number is; a read brings those that are left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct SharedCursor {
    /// The life of the stream.
    life: u64,
    /// Everything up to here was read.
    read: u64,
    /// The newest that was ever read.
    newest: u64,
    /// Since when the stream has less than was read.
    lacks_since: Option<Duration>,
}

/// What the stream is, by what its leader says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// The one that was read.
    Same,
    /// Another one, or one that has lost what was read: it is read from its beginning.
    Other,
    /// It has less than was read: a new leader may have yet to learn of it.
    Lacking,
}

/// What a message that comes as it is stored is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// The next one.
    Next,
    /// Read before.
    Known,
    /// Others are missing in front of it.
    Early,
}

impl SharedCursor {
    /// The leader says which life of the stream this is, and the last position that it has given.
    pub(super) fn begin(&mut self, now: Duration, life: u64, last: u64) -> Found {
        let is_same = self.life == life;
        if is_same && last >= self.newest {
            self.lacks_since = None;
            return Found::Same;
        }
        if is_same && now < *self.lacks_since.get_or_insert(now) + ROLLBACK_PATIENCE {
            return Found::Lacking;
        }
        // What it has now may have been read before it lost the rest.
        let newest = if is_same { last } else { 0 };
        *self = SharedCursor { life, read: 0, newest, lacks_since: None };
        Found::Other
    }

    /// The leader does not answer: nothing is known of the time since it was asked before.
    pub(super) fn handle_silence(&mut self) {
        self.lacks_since = None;
    }

    /// Goes on where another process stood in the same life.
    pub(super) fn go_on(&mut self, position: SharedPosition) {
        if self.life == position.life {
            (self.read, self.newest) = (position.read, position.read);
        }
    }

    /// Reads from the beginning again.
    pub(super) fn rewind(&mut self) {
        self.read = 0;
    }

    /// Where the next read begins.
    pub(super) fn next(&self) -> u64 {
        self.read + 1
    }

    pub(super) fn arrival(&self, seq: u64) -> Arrival {
        match seq {
            seq if seq == self.read + 1 => Arrival::Next,
            seq if seq <= self.read => Arrival::Known,
            _ => Arrival::Early,
        }
    }

    /// A message was read. Returns whether that is the first time.
    pub(super) fn advance(&mut self, seq: u64) -> bool {
        self.read = self.read.max(seq);
        let is_new = seq > self.newest;
        self.newest = self.newest.max(seq);
        is_new
    }
}

#[cfg(test)]
mod tests;
