//! Questions for the members of channels, until a home answers.

use std::sync::Arc;
use std::time::Duration;

use uringcast_engine::{Epoch, Seq};

use super::{Attendance, Question};
use crate::cluster::node_presence::peer_nodes::Members;
use crate::cluster::node_presence::tie::Item;
use crate::limits::{PRESENCE_ASK_PATIENCE, PRESENCE_RETRY, PRESENCE_TICK};

impl<T> Attendance<T> {
    /// The engine asks for the members of a channel.
    pub(in crate::cluster::node_presence) fn ask(
        &mut self,
        now: Duration,
        members: &Members,
        channel: &Arc<str>,
        of: T,
    ) {
        let asked = self.channel(members, channel);
        asked.waiting.push((now + PRESENCE_ASK_PATIENCE, of));
        self.asking.insert(Arc::clone(channel));
        self.ask_next(now, channel);
    }

    /// Asks for the requests that wait, unless a question is under way.
    fn ask_next(&mut self, now: Duration, channel: &Arc<str>) {
        let Some(of) = self.channels.get_mut(channel) else { return };
        if of.question.is_some() || of.waiting.is_empty() {
            return;
        }
        self.asked += 1;
        let (id, again_at) = (self.asked, now + PRESENCE_RETRY);
        of.question = Some(Question { id, again_at, of: std::mem::take(&mut of.waiting) });
        if let Some(tie) = self.ties.get_mut(&of.home) {
            tie.queue.push_back(Item::Ask(Arc::clone(channel), id));
        }
    }

    /// Subscribers here have an event of presence.
    pub(in crate::cluster::node_presence) fn saw(&mut self, channel: &str, seq: Seq) {
        if let Some(of) = self.channels.get_mut(channel) {
            of.seen = of.seen.max(seq);
        }
    }

    /// Positions of another epoch mean nothing any more.
    pub(in crate::cluster::node_presence) fn begin_epoch(&mut self, epoch: Epoch) {
        self.epoch = epoch;
        self.channels.values_mut().for_each(|of| of.seen = Seq(0));
    }

    /// A home has answered as of a position. Returns the requests to be answered.
    pub(in crate::cluster::node_presence) fn handle_list(
        &mut self,
        now: Duration,
        channel: &str,
        (ask, epoch, seq): (u64, Epoch, Seq),
    ) -> Vec<T> {
        let Some((channel, of)) = self.channels.get_key_value(channel) else { return Vec::new() };
        if of.question.as_ref().is_none_or(|question| question.id != ask) {
            return Vec::new();
        }
        let (channel, is_passed) = (Arc::clone(channel), epoch != self.epoch || of.seen > seq);
        let Some(of) = self.channels.get_mut(&channel) else { return Vec::new() };
        if is_passed {
            // An event has overtaken the list, and would be missing behind it; or the list is of
            // another epoch. Later, as the home may know no more now.
            of.question.iter_mut().for_each(|question| question.again_at = now + PRESENCE_TICK);
            return Vec::new();
        }
        let question = of.question.take();
        self.ask_next(now, &channel);
        self.tidy(&channel);
        let of = question.map_or_else(Vec::new, |question| question.of);
        of.into_iter().map(|(_, of)| of).collect()
    }

    fn ask_again(&mut self, now: Duration, channel: &Arc<str>) {
        let Some(of) = self.channels.get_mut(channel) else { return };
        let Some(question) = &mut of.question else { return };
        question.again_at = now + PRESENCE_RETRY;
        if let Some(tie) = self.ties.get_mut(&of.home) {
            tie.queue.push_back(Item::Ask(Arc::clone(channel), question.id));
        }
    }

    /// Asks again what was not answered. Returns the requests that have waited too long, or with
    /// `all` every one that waits.
    pub(in crate::cluster::node_presence) fn give_up(
        &mut self,
        now: Duration,
        all: bool,
    ) -> Vec<T> {
        let mut given_up = Vec::new();
        for channel in self.asking.clone() {
            let Some(of) = self.channels.get_mut(&channel) else { continue };
            let is_over = |one: &mut (Duration, T)| all || now >= one.0;
            given_up.extend(of.waiting.extract_if(.., is_over).map(|one| one.1));
            if let Some(question) = &mut of.question {
                given_up.extend(question.of.extract_if(.., is_over).map(|one| one.1));
                if question.of.is_empty() {
                    of.question = None;
                } else if now >= question.again_at {
                    self.ask_again(now, &channel);
                }
            }
            self.ask_next(now, &channel);
            self.tidy(&channel);
        }
        given_up
    }
}
