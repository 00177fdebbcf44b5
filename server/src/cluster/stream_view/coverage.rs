//! How much of a stream this node has seen whole, whatever its channels.

use std::time::Duration;

use super::channels::retry_after;
use super::stream_questions::{Question, QuestionId};
use crate::limits::{AUDIT_TRIES, COVERAGE_RETRY};

/// The part of a stream of which every message was seen, as it was stored or by a read.
///
/// A stream numbers its messages without holes: where a number is missing, one was lost on its way,
/// perhaps the first of a channel that this node has not heard of. What is missing is read.
#[derive(Debug, Default)]
pub(super) struct Coverage {
    /// Everything up to here was seen, or is no matter.
    seen: u64,
    /// Of a hole everything up to here was read, as far as it was still there: beyond `seen` until
    /// the hole is closed, as a channel may have lost messages before they were read.
    read: u64,
    /// The messages that were seen without a hole behind the hole, the first and the last.
    beyond: Option<(u64, u64)>,
    /// There are messages up to here, as an audit has found.
    known: u64,
    asked: Option<QuestionId>,
    /// When to ask again.
    retry: Option<Duration>,
    /// Answers in a row that had nothing.
    empty: u32,
}

/// What a message that comes as it was stored is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// The next one.
    Next,
    /// Others are missing in front of it.
    Early,
    /// Seen before.
    Known,
}

impl Coverage {
    /// What is missing up to here is no matter.
    pub(super) fn begin(seen: u64) -> Coverage {
        Coverage { seen, read: seen, ..Coverage::default() }
    }

    /// Everything up to here was seen.
    pub(super) fn seen(&self) -> u64 {
        self.seen
    }

    /// Nothing up to here is yet to be read.
    pub(super) fn read(&self) -> u64 {
        self.read
    }

    /// A message comes as it was stored.
    pub(super) fn handle_live(&mut self, seq: u64) -> Arrival {
        if seq <= self.read {
            return Arrival::Known;
        }
        if seq == self.read + 1 {
            self.advance(seq);
            return Arrival::Next;
        }
        self.beyond = match self.beyond {
            Some((first, last)) if seq == last + 1 => Some((first, seq)),
            Some((first, last)) if seq <= last => Some((first, last)),
            // A second hole: what is between the two is read with them.
            _ => Some((seq, seq)),
        };
        Arrival::Early
    }

    /// The stream has messages up to here.
    pub(super) fn handle_known(&mut self, last: u64) {
        self.known = self.known.max(last);
    }

    fn advance(&mut self, read: u64) {
        self.read = self.read.max(read);
        self.empty = 0;
        if let Some((first, last)) = self.beyond
            && first <= self.read + 1
        {
            self.read = self.read.max(last);
            self.beyond = None;
        }
        if self.hole_to().is_none() {
            self.seen = self.read;
        }
    }

    /// The last position that is missing, if any is.
    fn hole_to(&self) -> Option<u64> {
        let to = self.beyond.map_or(0, |(first, _)| first - 1).max(self.known);
        (to > self.read).then_some(to)
    }

    /// When it has something to ask; the time may be over.
    pub(super) fn next_due(&self) -> Option<Duration> {
        self.hole_to().filter(|_| self.asked.is_none())?;
        Some(self.retry.unwrap_or(Duration::ZERO))
    }

    /// What is to be asked now.
    pub(super) fn question(&self, now: Duration) -> Option<Question> {
        self.next_due().filter(|due| *due <= now)?;
        Some(Question::Stored { from: self.read + 1 })
    }

    pub(super) fn set_asked(&mut self, id: QuestionId) {
        self.asked = Some(id);
    }

    /// A question is answered. Returns whether it is the one that was asked here.
    pub(super) fn take_asked(&mut self, id: QuestionId) -> bool {
        self.asked.take_if(|asked| *asked == id).is_some()
    }

    /// A replica has these behind what was read, up to `last`; or nothing.
    pub(super) fn handle_stored(&mut self, now: Duration, last: Option<u64>) {
        self.retry = None;
        match (last, self.hole_to()) {
            (Some(last), _) => self.advance(last),
            // All of them are behind what is known to be there, or it is no longer there.
            (None, Some(to)) if self.empty >= AUDIT_TRIES => self.advance(to),
            (None, _) => {
                self.retry = Some(now + retry_after(self.empty));
                self.empty += 1;
            }
        }
    }

    /// No replica has answered.
    pub(super) fn handle_failure(&mut self, now: Duration) {
        self.retry = Some(now + COVERAGE_RETRY);
    }
}

#[cfg(test)]
mod tests;
