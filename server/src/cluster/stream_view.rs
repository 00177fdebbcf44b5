//! One stream as this node knows it.

mod audits;
mod channels;
mod life;
mod stream_questions;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use audits::{Audit, Audits, Stage, Verified};
use channels::{Channels, retry_after};
use life::{Life, Verdict};
use stream_questions::Questions;
pub(crate) use stream_questions::{Answer, Question, QuestionId, StreamInfo};

use crate::cluster::chain::{Chain, Message, Step};
use crate::limits::{AUDIT_MARGIN, AUDIT_TRIES, NEWEST_CHANNELS};

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
}

impl StreamView {
    /// A stream of which nothing is known yet.
    pub(crate) fn new(kept: Kept) -> StreamView {
        StreamView {
            kept,
            life: None,
            floor: 0,
            was_out_of_touch: false,
            channels: Channels::default(),
            questions: Questions::default(),
            audits: Audits::default(),
        }
    }

    /// Follows a channel: [`Step::Begin`] says from where on. Returns whether there is room for it.
    pub(crate) fn join(&mut self, channel: &Arc<str>) -> bool {
        self.channels.join(Arc::clone(channel), self.floor)
    }

    /// Follows a channel no longer.
    pub(crate) fn leave(&mut self, channel: &str) {
        self.channels.leave(channel);
    }

    /// A message arrives as it is published.
    pub(crate) fn handle_live(&mut self, now: Duration, channel: &str, message: Message) {
        self.doubt_if_late(now);
        if self.life.as_ref().is_some_and(|life| life.is_older(message.time)) {
            return;
        }
        if let Some(life) = &mut self.life
            && life.handle_live(message.seq, message.time)
        {
            self.audits.schedule(now);
        }
        self.floor = self.floor.max(message.seq);
        let mut is_hole = false;
        self.channels.change(channel, |chain, steps| {
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

    /// Once no audit has come to its end for so long, `prev = 0` proves nothing.
    fn doubt_if_late(&mut self, now: Duration) {
        if !self.was_out_of_touch && self.is_late(now) {
            self.handle_out_of_touch(now);
        }
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
        let id = self.channels.next_question(now, &mut self.questions)?;
        Some((id, self.questions.get(id)))
    }

    /// When there is something to ask, unless something happens before; the time may be over.
    pub(crate) fn next_due(&self) -> Option<Duration> {
        if !self.questions.has_room() {
            return None;
        }
        let channels = self.life.as_ref().and_then(|_| self.channels.next_due());
        [self.audits.next_due(), channels].into_iter().flatten().min()
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
        let asked = (id, now);
        match (question, answer) {
            (Question::Messages { channel, from }, Answer::Messages(messages)) => {
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
            (Question::Newest { channels }, _) => {
                channels.iter().for_each(|channel| self.channels.handle_failure(asked, channel));
            }
            // Only audits ask these.
            (Question::Info | Question::TimeAt { .. } | Question::NextEpoch { .. }, _) => {}
        }
    }

    /// An audit's question is answered: it goes a step on, or asks again later.
    fn handle_audit(&mut self, now: Duration, mut audit: Audit, answer: Answer) {
        audit.asked = None;
        let retry = audit.retry.take();
        let is_done = match (&audit.stage, answer) {
            (Stage::Info | Stage::NextEpoch, Answer::Info(info)) => {
                if self.handle_info(now, &mut audit, info) {
                    return;
                }
                // Behind: an old leader, perhaps; ask again.
                audit.stage != Stage::Info
            }
            (Stage::Life(anchor), Answer::TimeAt(time)) => {
                let is_same = time.is_none_or(|time| time == anchor.time);
                if let Some(life) = self.life.as_mut().filter(|_| is_same) {
                    life.confirm(*anchor);
                }
                audit.stage = if is_same { Stage::Channels } else { Stage::NextEpoch };
                true
            }
            // What was behind then may be level now, or again.
            (Stage::Info, _) => {
                self.life.iter_mut().for_each(Life::forget_behind);
                false
            }
            (Stage::Channels, _) if self.is_late(now) && !audit.is_late => {
                return self.audits.restart(now);
            }
            (Stage::Channels, Answer::Newest { newest, up_to }) => {
                let is_believed = up_to >= audit.floor;
                self.channels.counts.stale += u64::from(!is_believed);
                if is_believed {
                    self.compare(&mut audit, &newest);
                }
                is_believed
            }
            _ => false,
        };
        if !is_done {
            let tries = retry.map_or(0, |(_, tries)| tries);
            if tries >= AUDIT_TRIES && audit.stage != Stage::Info {
                // No replica has what was known: the leader is asked again what there is.
                return self.audits.restart(now);
            }
            audit.retry = Some((now + retry_after(tries), tries + 1));
        }
        let is_finished = audit.stage == Stage::Channels && audit.channels.is_empty();
        self.audits.current = Some(audit);
        if is_finished {
            self.was_out_of_touch = false;
            self.channels.counts.audits += 1;
            self.audits.finish();
        }
    }

    /// What the leader says of the stream. Returns whether the audit has ended by it.
    fn handle_info(&mut self, now: Duration, audit: &mut Audit, info: StreamInfo) -> bool {
        let floor = self.floor;
        let verdict = match &mut self.life {
            None => Verdict::Other,
            Some(life) => life.compare(&info, floor, now),
        };
        match verdict {
            Verdict::Other => {
                self.begin_life(now, info);
                self.audits.restart(now);
                return true;
            }
            Verdict::Behind => audit.stage = Stage::Info,
            Verdict::RolledBack => audit.stage = Stage::NextEpoch,
            Verdict::Same => self.compare_channels(now, audit, info),
        }
        false
    }

    /// The stream is in the life that is known: its channels are compared next.
    fn compare_channels(&mut self, now: Duration, audit: &mut Audit, info: StreamInfo) {
        self.floor = self.floor.max(info.last_seq);
        audit.floor = self.floor;
        let verified = self.audits.verified;
        let is_dropped = verified.is_some_and(|verified| info.first_seq > verified.floor + 1);
        audit.is_late = is_dropped || self.is_late(now);
        audit.channels = self.channels.begun();
        // An audit compares only those.
        self.channels.change_all(|chain| chain.raise_floor(audit.floor));
        let anchor = self.life.as_ref().and_then(Life::anchor);
        audit.stage = anchor.map_or(Stage::Channels, Stage::Life);
    }

    fn begin_life(&mut self, now: Duration, info: StreamInfo) {
        self.channels.counts.restarts += u64::from(self.life.is_some());
        self.life = Some(Life::new(&info));
        self.floor = info.last_seq;
        self.audits.verified = Some(Verified { floor: info.last_seq, at: now });
        self.was_out_of_touch = false;
        self.questions.forget_all();
        self.channels.events.push_back(Event::Epoch(info.epoch));
        self.channels.restart(self.floor);
    }

    /// Compares the newest positions of those channels that were asked about last.
    fn compare(&mut self, audit: &mut Audit, newest: &HashMap<Arc<str>, u64>) {
        let first = audit.channels.len().saturating_sub(NEWEST_CHANNELS);
        for channel in audit.channels.drain(first..) {
            let mut is_find = false;
            self.channels.change(&channel, |chain, steps| match newest.get(&channel) {
                Some(seq) if *seq > chain.last() => {
                    is_find = chain.want().is_none();
                    chain.handle_found(*seq);
                }
                None if audit.is_late => chain.handle_all_gone(audit.floor, steps),
                _ => chain.handle_nothing_found(),
            });
            self.channels.counts.finds += u64::from(is_find);
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
    /// What was counted.
    pub(crate) fn counts(&self) -> Counts {
        self.channels.counts
    }
}

#[cfg(test)]
mod tests;
