//! Channels that patterns want: those that appear are followed unasked, from their first message.

use std::sync::Arc;
use std::time::Duration;

use super::coverage::{Arrival, Coverage};
use super::{Answer, Question, StreamView};
use crate::cluster::chain::{Chain, Message};
use crate::cluster::watched::Watched;

impl StreamView {
    /// From now on these channels are followed as soon as something is published to them. Each
    /// begins with a [`Step::Begin`](crate::cluster::chain::Step::Begin).
    pub(crate) fn watch(&mut self, watched: Arc<Watched>) {
        let seen = self.inherited.seen.take().unwrap_or(self.floor);
        if self.watched.is_empty() {
            self.coverage = Coverage::begin(seen);
            self.coverage.handle_known(self.floor);
        }
        self.watched = watched;
        // What is missed of others is not looked for.
        let (floor, watched) = (self.floor, &self.watched);
        self.channels.join_all_anew(floor, |channel| !watched.matches(channel));
        self.begin_watched();
    }

    /// Whether nothing is missed of them.
    pub(crate) fn is_watching(&self) -> bool {
        self.life.is_some()
    }

    /// Those that are asked for and have not begun do so no later than here. Before patterns that
    /// were handed over are known, any channel may be theirs.
    pub(super) fn begin_watched(&mut self) {
        if self.covers() {
            let (seen, watched) = (self.coverage.seen(), &self.watched);
            self.channels.join_all_behind(seen, |channel| watched.matches(channel));
        } else if let Some(seen) = self.inherited.seen {
            self.channels.join_all_behind(seen, |_| true);
        }
    }

    /// Whether all of the stream is to be seen.
    pub(super) fn covers(&self) -> bool {
        self.life.is_some() && !self.watched.is_empty()
    }

    /// Whether a pattern wants a channel.
    pub(crate) fn wants(&self, channel: &str) -> bool {
        self.covers() && self.watched.matches(channel)
    }

    /// A message comes as it was stored: its channel is followed if a pattern wants it.
    pub(super) fn appear_live(&mut self, channel: &str, message: &Message) {
        if !self.covers() {
            return;
        }
        let seen = self.coverage.seen();
        let arrival = self.coverage.handle_live(message.seq);
        if arrival == Arrival::Known || self.channels.has(channel) || !self.watched.matches(channel)
        {
            return;
        }
        let prev = message.prev;
        // Behind a hole, that nothing was before it may be no longer so only.
        if prev <= seen && (arrival == Arrival::Next || prev > 0) {
            self.channels.insert(channel.into(), |steps| Chain::begun(prev, steps));
        } else {
            self.channels.insert(channel.into(), |_| Chain::joining_behind(seen));
        }
    }

    /// What is to be read of what was missed.
    pub(super) fn coverage_question(&self, now: Duration) -> Option<Question> {
        if self.covers() { self.coverage.question(now) } else { None }
    }

    /// What was missed is read, as far as one read goes.
    pub(super) fn handle_coverage(&mut self, now: Duration, question: &Question, answer: Answer) {
        let (Question::Stored { .. }, Answer::Stored(stored)) = (question, answer) else {
            return self.coverage.handle_failure(now);
        };
        let seen = self.coverage.seen();
        for (channel, seq) in &stored {
            if !self.channels.has(channel) && self.wants(channel) {
                // Others of it may have been dropped before what was missed in front was read.
                self.channels.insert(Arc::clone(channel), |_| Chain::joining_behind(seen));
            }
            self.channels.change(channel, |chain, _| chain.handle_found(*seq));
        }
        self.channels.counts.missed += stored.len() as u64;
        self.coverage.handle_stored(now, stored.last().map(|(_, seq)| *seq));
    }
}
