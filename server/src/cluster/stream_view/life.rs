//! Which life of a stream positions belong to.

use std::time::Duration;

use super::StreamInfo;
use crate::limits::{ROLLBACK_PATIENCE, SERVER_CLOCKS};

/// A position and when the message there was stored: a stream has one time for each position, in
/// each of its lives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Anchor {
    pub(super) seq: u64,
    /// Nanoseconds since 1970-01-01 UTC.
    pub(super) time: u64,
}

/// What the stream's leader says of it, compared with what is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The same life, with all that is known.
    Same,
    /// The same, but less than is known: an old leader, or a disk that was rolled back.
    Behind,
    /// The same, and for so long less than is known that it was rolled back.
    RolledBack,
    /// Another life.
    Other,
}

/// One life of a stream, from its making, or from a roll-back, to its end.
#[derive(Debug)]
pub(super) struct Life {
    epoch: u64,
    /// When the stream was made: nanoseconds since 1970-01-01 UTC.
    created: u64,
    /// The newest message that arrived as it was published.
    newest: Anchor,
    /// What the next audit compares, where there was a reason for doubt.
    doubted: Option<Anchor>,
    behind_since: Option<Duration>,
}

impl Life {
    pub(super) fn new(info: &StreamInfo) -> Life {
        let StreamInfo { epoch, created, .. } = *info;
        Life { epoch, created, newest: Anchor::default(), doubted: None, behind_since: None }
    }

    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// When the stream was made: nanoseconds since 1970-01-01 UTC.
    pub(super) fn created(&self) -> u64 {
        self.created
    }

    /// Whether a message is of a stream before this one, and was long on its way.
    pub(super) fn is_older(&self, time: u64) -> bool {
        time < self.created
    }

    /// A message arrives as it is published. Returns whether it may be one of another life.
    pub(super) fn handle_live(&mut self, seq: u64, time: u64) -> bool {
        if seq > self.newest.seq {
            self.newest = Anchor { seq, time };
            return false;
        }
        let is_odd = time > self.newest.time.saturating_add(SERVER_CLOCKS.as_nanos() as u64);
        if is_odd {
            self.doubt();
        }
        is_odd
    }

    /// The stream may have begun another life: what is known now is what is compared.
    pub(super) fn doubt(&mut self) {
        if self.newest.seq > 0 {
            self.doubted.get_or_insert(self.newest);
        }
    }

    /// What an audit is to compare with the stream.
    pub(super) fn anchor(&self) -> Option<Anchor> {
        self.doubted.or(Some(self.newest)).filter(|anchor| anchor.seq > 0)
    }

    /// The stream has the anchor as it was known, or has it no more.
    pub(super) fn confirm(&mut self, anchor: Anchor) {
        self.doubted = self.doubted.filter(|doubted| *doubted != anchor);
    }

    /// The leader has not answered: nothing is known of the time since it was asked before.
    pub(super) fn forget_behind(&mut self) {
        self.behind_since = None;
    }

    pub(super) fn compare(&mut self, info: &StreamInfo, floor: u64, now: Duration) -> Verdict {
        if info.epoch != self.epoch {
            return Verdict::Other;
        }
        if info.last_seq >= floor {
            self.behind_since = None;
            return Verdict::Same;
        }
        let since = *self.behind_since.get_or_insert(now);
        if now - since >= ROLLBACK_PATIENCE { Verdict::RolledBack } else { Verdict::Behind }
    }
}
