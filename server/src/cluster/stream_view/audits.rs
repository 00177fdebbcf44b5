//! When a stream is audited, and how far the audit under way has come.

use std::sync::Arc;
use std::time::Duration;

use super::life::Anchor;
use super::stream_questions::{Question, QuestionId};
use crate::limits::{AUDIT_INTERVAL, ELECTION_AUDITS, NEWEST_CHANNELS};

/// What an audit asks next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// What the leader has.
    Info,
    /// Whether the stream is in the life that is known.
    Life(Anchor),
    /// The newest message of each channel, some at a time.
    Channels,
    /// The stream is to begin another life.
    NextEpoch,
}

/// An audit under way: it compares each channel's newest message with what was delivered.
#[derive(Debug)]
pub(super) struct Audit {
    pub(super) stage: Stage,
    pub(super) started: Duration,
    /// What a replica must have for its answer to count.
    pub(super) floor: u64,
    /// Messages that this node has not seen may have been dropped since the audit before.
    pub(super) is_late: bool,
    /// Channels that are still to be asked about; the last [`NEWEST_CHANNELS`] are next.
    pub(super) channels: Vec<Arc<str>>,
    pub(super) asked: Option<QuestionId>,
    /// When to ask again after an answer that does not count, and how often that was.
    pub(super) retry: Option<(Duration, u32)>,
}

impl Audit {
    fn new(started: Duration) -> Audit {
        Audit {
            stage: Stage::Info,
            started,
            floor: 0,
            is_late: false,
            channels: Vec::new(),
            asked: None,
            retry: None,
        }
    }

    /// The question that is due.
    pub(super) fn question(&self, epoch: Option<u64>) -> Question {
        match &self.stage {
            Stage::Info => Question::Info,
            Stage::Life(anchor) => Question::TimeAt { seq: anchor.seq },
            Stage::Channels => {
                let first = self.channels.len().saturating_sub(NEWEST_CHANNELS);
                Question::Newest { channels: self.channels[first..].to_vec() }
            }
            Stage::NextEpoch => Question::NextEpoch { known: epoch.unwrap_or(0) },
        }
    }

    /// Whether its question may be asked now.
    pub(super) fn is_due(&self, now: Duration) -> bool {
        self.asked.is_none() && self.retry.is_none_or(|(due, _)| due <= now)
    }
}

/// An audit that came to its end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Verified {
    /// Every message up to here was seen, or is known to be missing.
    pub(super) floor: u64,
    /// When it began.
    pub(super) at: Duration,
}

/// Starts audits: after doubt at once, and every [`AUDIT_INTERVAL`].
#[derive(Debug, Default)]
pub(super) struct Audits {
    pub(super) current: Option<Audit>,
    pub(super) verified: Option<Verified>,
    /// When the next one is due without a reason.
    rolling: Duration,
    /// When further ones are due; those of two elections at most, which are as good as more.
    due: Vec<Duration>,
}

impl Audits {
    /// Begins an audit then, or as soon as the one that is under way is done.
    pub(super) fn schedule(&mut self, at: Duration) {
        if !self.due.contains(&at) && self.due.len() < 2 * ELECTION_AUDITS.len() {
            self.due.push(at);
        }
    }

    /// Begins anew: what is under way says nothing any more.
    pub(super) fn restart(&mut self, now: Duration) {
        self.current = None;
        self.rolling = now;
    }

    /// The stream has elected a leader.
    pub(super) fn handle_election(&mut self, now: Duration) {
        let after = ELECTION_AUDITS.map(Duration::from_secs);
        after.iter().for_each(|after| self.schedule(now + *after));
    }

    /// The next time at which there is something to do, unless an answer comes before.
    pub(super) fn next_due(&self) -> Option<Duration> {
        match &self.current {
            Some(audit) if audit.asked.is_some() => None,
            Some(audit) => Some(audit.retry.map_or(Duration::ZERO, |(due, _)| due)),
            None => self.due.iter().copied().chain([self.rolling]).min(),
        }
    }

    /// The audit, if its question is due; begun if it is time.
    pub(super) fn due(&mut self, now: Duration) -> Option<&mut Audit> {
        if self.current.is_none() && self.next_due().is_some_and(|due| due <= now) {
            self.due.retain(|due| *due > now);
            self.current = Some(Audit::new(now));
        }
        self.current.as_mut().filter(|audit| audit.is_due(now))
    }

    /// The audit is done; the next one is due after the interval. Returns what the stream had.
    pub(super) fn finish(&mut self) -> Option<u64> {
        let audit = self.current.take()?;
        self.verified = Some(Verified { floor: audit.floor, at: audit.started });
        self.rolling = audit.started + AUDIT_INTERVAL;
        Some(audit.floor)
    }
}
