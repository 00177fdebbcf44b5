//! One stream as this node knows it.

mod appearances;
mod auditing;
mod audits;
mod channels;
mod coverage;
mod going_on;
mod life;
mod stream_questions;

use std::sync::Arc;
use std::time::Duration;

use audits::Audits;
use channels::Channels;
use coverage::Coverage;
use going_on::Inherited;
use life::Life;
use stream_questions::Questions;
pub(crate) use stream_questions::{Answer, Question, QuestionId, StreamInfo};

use crate::cluster::chain::{Chain, Message, Step};
use crate::cluster::watched::Watched;
use crate::limits::{AUDIT_MARGIN, STREAM_CHANNELS};

/// What has happened to the stream's channels, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// The stream is in this life; all channels begin again.
    Epoch(u64),
    /// A channel's chain has decided something.
    Channel { channel: Arc<str>, step: Step },
}

/// What a stream keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    /// How long it keeps a message.
    pub(crate) age: Duration,
    /// So many messages of a channel.
    pub(crate) messages: usize,
}

/// What was counted since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Messages that came before those in front of them.
    pub(crate) holes: u64,
    /// Reads that brought missing messages.
    pub(crate) fills: u64,
    /// Gaps that were told.
    pub(crate) gaps: u64,
    /// Audits that came to their end.
    pub(crate) audits: u64,
    /// Channels of which an audit found a message that had not arrived.
    pub(crate) finds: u64,
    /// Answers of replicas that were behind.
    pub(crate) stale: u64,
    /// Lives of the stream after the first.
    pub(crate) restarts: u64,
    /// Messages that were read because nothing of them had come, for patterns.
    pub(crate) missed: u64,
    /// Times that a channel was not followed for want of room.
    pub(crate) refused: u64,
}

/// The stream's channels that this node follows, each by its chain, and the audits that find what
/// no later message reveals.
///
/// It reads no clock and does no I/O. `handle_*` takes what has happened, with the time since any
/// fixed moment; then, in this order, [`StreamView::poll_event`] says what subscribers are to get,
/// [`StreamView::poll_question`] what the stream is to be asked, each until there is none, and
/// [`StreamView::next_due`] when to poll again if nothing happens before.
#[derive(Debug)]
pub(crate) struct StreamView {
    kept: Kept,
    life: Option<Life>,
    /// The newest position that the stream is known to have. Answers of replicas with less are not
    /// believed.
    floor: u64,
    /// Messages may have been missed, which the next audit is to find.
    was_out_of_touch: bool,
    channels: Channels,
    questions: Questions,
    audits: Audits,
    /// The channels that patterns want.
    watched: Arc<Watched>,
    /// What was seen of the stream, while there are some.
    coverage: Coverage,
    /// Of a process that has handed its channels over.
    inherited: Inherited,
}

impl StreamView {
    /// A stream of which nothing is known yet.
    pub(crate) fn new(kept: Kept) -> StreamView {
        StreamView {
            kept,
            life: None,
            floor: 0,
            was_out_of_touch: false,
            channels: Channels::new(STREAM_CHANNELS),
            questions: Questions::default(),
            audits: Audits::default(),
            watched: Arc::default(),
            coverage: Coverage::default(),
            inherited: Inherited::default(),
        }
    }

    /// Follows a channel: [`Step::Begin`] says from where on. Of a process that has handed its
    /// channels over, any may be one that patterns want, until those are known. Returns whether
    /// there is room for it.
    pub(crate) fn join(&mut self, channel: &Arc<str>) -> bool {
        // What patterns are to have of it begins here.
        let seen = match self.wants(channel) {
            true => Some(self.coverage.seen()),
            false => self.inherited.seen,
        };
        let chain = seen.map_or_else(|| Chain::joining(self.floor), Chain::joining_behind);
        self.channels.join(Arc::clone(channel), chain)
    }

    /// Follows a channel no longer, unless a pattern wants what is yet to come of it.
    pub(crate) fn leave(&mut self, channel: &str) {
        let chain = self.channels.chain(channel);
        if !(self.wants(channel) && chain.is_some_and(|chain| chain.want().is_some())) {
            self.channels.leave(channel);
        }
    }

    /// A message arrives as it is published.
    pub(crate) fn handle_live(&mut self, now: Duration, channel: &str, message: Message) {
        let is_late = self.doubt_if_late(now);
        if self.life.as_ref().is_some_and(|life| life.is_older(message.time)) {
            return;
        }
        if let Some(life) = &mut self.life
            && life.handle_live(message.seq, message.time)
        {
            self.audits.schedule(now);
        }
        self.floor = self.floor.max(message.seq);
        self.appear_live(channel, &message);
        let mut is_hole = false;
        self.channels.change(channel, |chain, steps| {
            chain.doubt_if(is_late);
            let was_level = chain.want().is_none();
            chain.handle_live(message, steps);
            is_hole = was_level && chain.want().is_some();
        });
        self.channels.counts.holes += u64::from(is_hole);
    }

    /// The stream has acknowledged a message.
    pub(crate) fn handle_acknowledged(&mut self, seq: u64) {
        self.floor = self.floor.max(seq);
    }

    /// Messages may have been lost: the connection was, or they came faster than they were taken.
    pub(crate) fn handle_out_of_touch(&mut self, now: Duration) {
        self.life.iter_mut().for_each(Life::doubt);
        self.was_out_of_touch = true;
        self.channels.change_all(|chain| chain.handle_out_of_touch());
        self.audits.restart(now);
    }

    /// Whether the stream may have dropped messages that it stored after the last audit.
    fn is_late(&self, now: Duration) -> bool {
        let Some(verified) = self.audits.verified else { return false };
        now - verified.at + AUDIT_MARGIN >= self.kept.age
    }

    /// Once no audit has come to its end for so long, `prev = 0` proves nothing. Nor does it to
    /// chains that begin or go on meanwhile: they are doubted with each thing that comes. Returns
    /// whether it is so.
    fn doubt_if_late(&mut self, now: Duration) -> bool {
        let is_late = self.is_late(now);
        if is_late && !self.was_out_of_touch {
            self.handle_out_of_touch(now);
        }
        is_late
    }

    /// The stream has elected a leader.
    pub(crate) fn handle_election(&mut self, now: Duration) {
        self.life.iter_mut().for_each(Life::doubt);
        self.audits.handle_election(now);
    }

    /// What has happened to the channels.
    pub(crate) fn poll_event(&mut self) -> Option<Event> {
        self.channels.events.pop_front()
    }

    /// What the stream is to be asked now.
    pub(crate) fn poll_question(&mut self, now: Duration) -> Option<(QuestionId, Question)> {
        self.doubt_if_late(now);
        if !self.questions.has_room() {
            return None;
        }
        let epoch = self.life.as_ref().map(Life::epoch);
        if let Some(audit) = self.audits.due(now) {
            let id = self.questions.ask(audit.question(epoch));
            audit.asked = Some(id);
            return Some((id, self.questions.get(id)));
        }
        // Without the stream's life and its newest position no answer can be judged.
        epoch?;
        if let Some(question) = self.coverage_question(now) {
            let id = self.questions.ask(question);
            self.coverage.set_asked(id);
            return Some((id, self.questions.get(id)));
        }
        let id = self.channels.next_question(now, &mut self.questions)?;
        Some((id, self.questions.get(id)))
    }

    /// When there is something to ask, unless something happens before; the time may be over.
    pub(crate) fn next_due(&self) -> Option<Duration> {
        if !self.questions.has_room() {
            return None;
        }
        let channels = self.life.as_ref().and_then(|_| self.channels.next_due());
        let coverage = self.coverage.next_due().filter(|_| self.covers());
        [self.audits.next_due(), channels, coverage].into_iter().flatten().min()
    }

    /// A question is answered.
    pub(crate) fn handle_answer(&mut self, now: Duration, id: QuestionId, answer: Answer) {
        let Some(question) = self.questions.take(id) else { return };
        if let Answer::Newest { up_to, .. } = &answer {
            self.floor = self.floor.max(*up_to);
        }
        if let Some(audit) = self.audits.current.take_if(|audit| audit.asked == Some(id)) {
            return self.handle_audit(now, audit, answer);
        }
        if self.coverage.take_asked(id) {
            return self.handle_coverage(now, &question, answer);
        }
        let asked = (id, now);
        match (question, answer) {
            (Question::Messages { channel, from }, Answer::Messages(messages)) => {
                let is_late = self.is_late(now);
                self.channels.change(&channel, |chain, _| chain.doubt_if(is_late));
                let messages = (messages, self.kept.messages);
                self.channels.handle_messages(asked, (&channel, from), messages);
            }
            (Question::Newest { channels }, Answer::Newest { newest, up_to }) => {
                for channel in channels {
                    let newest = newest.get(&channel).copied();
                    self.channels.handle_newest(asked, &channel, (newest, up_to));
                }
            }
            (Question::Messages { channel, .. }, _) => {
                self.channels.handle_failure(asked, &channel);
            }
            (Question::NewestTo { channels, up_to }, Answer::Newest { newest, .. }) => {
                for channel in channels {
                    let newest = newest.get(&channel).copied();
                    self.channels.handle_newest_to(asked, &channel, (newest, up_to));
                }
            }
            (Question::Newest { channels } | Question::NewestTo { channels, .. }, _) => {
                channels.iter().for_each(|channel| self.channels.handle_failure(asked, channel));
            }
            // Only audits ask these, and what is seen of the whole stream.
            (Question::Info | Question::TimeAt { .. } | Question::NextEpoch { .. }, _)
            | (Question::Stored { .. }, _) => {}
        }
    }

    /// When the stream was made, as far as is known: nanoseconds since 1970-01-01 UTC.
    pub(crate) fn created(&self) -> u64 {
        self.life.as_ref().map_or(0, Life::created)
    }

    /// The newest position that the stream is known to have.
    pub(crate) fn floor(&self) -> u64 {
        self.floor
    }

    /// The position up to which a channel's subscribers were served; 0 where it is not followed.
    pub(crate) fn last(&self, channel: &str) -> u64 {
        self.channels.chain(channel).map_or(0, Chain::last)
    }

    /// Whether a channel is followed, or about to be.
    pub(crate) fn follows(&self, channel: &str) -> bool {
        self.channels.has(channel)
    }

    /// Whether a channel is followed and its beginning is known.
    pub(crate) fn has_begun(&self, channel: &str) -> bool {
        self.channels.chain(channel).is_some_and(Chain::has_begun)
    }

    /// Channels that are followed.
    pub(crate) fn channels(&self) -> usize {
        self.channels.len()
    }

    /// Of those, how many have messages missing, or have not begun. It looks at all of them.
    pub(crate) fn behind(&self) -> usize {
        self.channels.behind()
    }

    /// Bytes of messages that wait for those in front of them.
    pub(crate) fn held_bytes(&self) -> usize {
        self.channels.held_bytes()
    }

    /// What was counted.
    pub(crate) fn counts(&self) -> Counts {
        self.channels.counts
    }
}

#[cfg(test)]
mod tests;
