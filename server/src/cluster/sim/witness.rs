//! What one channel of one node has decided, compared with the stream.

use std::sync::Arc;
use std::time::Duration;

use super::stream::{Branch, Cause, Stored, Stream};
use crate::cluster::chain::{Message, Step};

/// A subscriber of a channel at a node.
#[derive(Debug)]
pub(super) struct Witness {
    channel: Arc<str>,
    last: Option<u64>,
    delivered: Option<Message>,
    /// When it began: what had been dropped by then is older than that.
    began: Duration,
    /// The branches of the stream that a message may be of: this one and those behind it.
    branch: usize,
}

/// What a step has brought.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    pub(super) deliveries: u64,
    /// Gaps, and the messages in them that were stored.
    pub(super) gaps: u64,
    pub(super) missed: u64,
}

impl Witness {
    pub(super) fn new(channel: &Arc<str>, branch: usize) -> Witness {
        Witness {
            channel: Arc::clone(channel),
            last: None,
            delivered: None,
            began: Duration::ZERO,
            branch,
        }
    }

    /// The position up to which the subscriber has everything, once it has begun.
    pub(super) fn last(&self) -> Option<u64> {
        self.last
    }

    /// The node has begun another life of the stream.
    pub(super) fn handle_epoch(&mut self, branch: usize) {
        (self.last, self.delivered, self.branch) = (None, None, branch);
    }

    pub(super) fn handle(&mut self, step: &Step, now: Duration, stream: &Stream) -> Seen {
        let mut seen = Seen::default();
        match step {
            Step::Begin { head } => {
                assert!(self.last.is_none(), "{} begins again at {head}", self.channel);
                (self.last, self.began) = (Some(*head), now);
            }
            Step::Gap { after, to } => {
                let last = self.last.expect("begun");
                assert!(*to > last, "{}: a gap to {to} behind {last}", self.channel);
                assert_eq!(*after, last, "{}: a gap to {to}", self.channel);
                let branch = &stream.branches[self.branch];
                (seen.gaps, seen.missed) = (1, self.between(branch, last, to + 1).count() as u64);
                self.last = Some(*to);
            }
            Step::Deliver { prev, message } => {
                seen.deliveries = 1;
                let last = self.last.expect("begun");
                let what = format!("{}: {} behind {last}", self.channel, message.seq);
                assert_eq!(*prev, last, "{what}: said to be behind {prev}");
                assert!(message.seq > last, "{what}: not in order");
                let is_this = |branch: &&Branch| {
                    let stored = branch.get(&message.seq);
                    stored.is_some_and(|stored| {
                        stored.channel == self.channel && stored.message.data == message.data
                    })
                };
                let mut branches = stream.branches[self.branch..].iter();
                let place = branches.position(|branch| is_this(&branch));
                let place = place.unwrap_or_else(|| panic!("{what}: no message of the stream"));
                // One of a branch behind this is in order by chance: a new life is noticed soon.
                if place == 0 {
                    let branch = &stream.branches[self.branch];
                    let missing = self.between(branch, last, message.seq);
                    let missing: Vec<_> = missing.filter_map(|one| self.misses(one)).collect();
                    assert!(missing.is_empty(), "{what}: without {missing:?}");
                }
                self.last = Some(message.seq);
                self.delivered = Some(message.clone());
            }
        }
        seen
    }

    fn between<'a>(
        &'a self,
        branch: &'a Branch,
        after: u64,
        before: u64,
    ) -> impl Iterator<Item = &'a Stored> {
        let range = branch.range((after + 1).min(before)..before);
        range.map(|(_, stored)| stored).filter(|stored| stored.channel == self.channel)
    }

    /// At the end, when the stream is at rest and was audited: nothing may be missing.
    pub(super) fn finish(&self, stream: &Stream) {
        let last = self.last.unwrap_or_else(|| panic!("{} has not begun", self.channel));
        if let Some(message) = &self.delivered {
            let is = stream.branch().get(&message.seq).map(|stored| &stored.message.data);
            let what = &self.channel;
            assert_eq!(is, Some(&message.data), "{what}: {} is another life's", message.seq);
        }
        let missing = self.between(stream.branch(), last, u64::MAX);
        let missing: Vec<_> = missing.filter_map(|stored| self.misses(stored)).collect();
        assert!(missing.is_empty(), "{}: at the end {last}, without {missing:?}", self.channel);
    }

    /// The position of a message that may not be missing. What an operator drops may never have
    /// been seen by a node that had not got it: no later message and no audit can reveal it.
    fn misses(&self, stored: &Stored) -> Option<u64> {
        let is_excused = match stored.dropped {
            Some((at, cause)) => cause == Cause::Operator || at <= self.began,
            None => false,
        };
        (!is_excused).then_some(stored.message.seq)
    }
}
