//! Channels with an external order: what their homes ask of it, and get from it.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use super::{Call, Channel, Channels, Exchange};
use crate::broker::channel::replica::Readiness;
use crate::broker::channel::upstream::{Need, Upstream, Waiting};
use crate::broker::channel::{Served, Start};
use crate::broker::context::Context;
use crate::broker::shard_messages::{JoinRequest, Notice};
#[cfg(test)]
use crate::broker::upstream_faults::UpstreamFault;
use crate::broker::upstream_messages::{Older, UpstreamRequest};
use crate::config::Followed;
use crate::limits::INTEREST_LINGER;
use crate::shared_frame::Frame;
use crate::types::{ChannelIndex, ChannelName, ChannelRefusal, JoinToken, Seq, Sequenced, ShardId};
use crate::wire::encoder::Stamp;

/// What the external order is to be asked, in this order.
#[derive(Debug, Default)]
pub(super) struct UpstreamQuestions(VecDeque<Question>);

#[derive(Debug)]
enum Question {
    Follow(ChannelIndex),
    Unfollow(ChannelName),
}

impl UpstreamQuestions {
    /// The question of this channel is to be asked.
    pub(super) fn ask(&mut self, index: ChannelIndex) {
        self.0.push_back(Question::Follow(index));
    }
}

/// The operations and joins that go on once the external order has answered, or has not.
#[derive(Debug)]
pub(crate) struct UpstreamAnswer {
    pub(in crate::broker) waiting: Waiting,
    /// Whether everything comes that is published.
    pub(in crate::broker) is_followed: bool,
    /// Whether older messages are here that were wanted, as far as there are any.
    pub(in crate::broker) is_whole: bool,
}

impl Channels {
    /// The next thing to ask the external order.
    pub(in crate::broker) fn next_upstream_request(
        &mut self,
        cx: &Context,
    ) -> Option<UpstreamRequest> {
        loop {
            let index = match self.upstream.0.pop_front()? {
                Question::Unfollow(name) => return Some(UpstreamRequest::Unfollow { name }),
                Question::Follow(index) => index,
            };
            if self.table.get(index).is_none() {
                continue;
            }
            if let Some(request) = self.source_request(cx, index) {
                return Some(request);
            }
            let channel = &mut self.table[index];
            let is_heard = !channel.is_alone();
            let Some(upstream) = &mut channel.upstream else { continue };
            let is_heard = is_heard || upstream.is_followed();
            let Some((token, lack)) = upstream.ask(cx.time()) else { continue };
            let (kept, head) = (&channel.class.retention, channel.log.head());
            // Subscribers that are here go on where they are, whatever others ask for.
            let since = match is_heard {
                true => Some(lack.since.map_or(head, |since| since.min(head))),
                false => lack.since,
            };
            let last = lack.last;
            let wanted = Older { since, last, messages: kept.frames, bytes: kept.bytes };
            let taken_over = upstream.is_taken_over().then_some((cx.epoch, head));
            let name = channel.name.clone();
            let channel = index;
            return Some(UpstreamRequest::Follow { channel, token, name, wanted, taken_over });
        }
    }

    /// What a subscriber that begins there needs of a channel homed here.
    pub(super) fn prepare_home(&mut self, index: ChannelIndex, start: Start) -> Readiness {
        self.follow_source(index);
        let Channel { log, class, upstream, .. } = &mut self.table[index];
        let need = Need::of(start, log);
        upstream.as_mut().map_or(Readiness::Live, |upstream| upstream.prepare(log, class, need))
    }

    /// Another shard joins anew. Returns its join that waits for the external order, if one does:
    /// carried out later than this one, it would have the shard served in its name again.
    pub(in crate::broker) fn supersede_join(
        &mut self,
        name: &ChannelName,
        from: ShardId,
    ) -> Option<JoinRequest> {
        let index = self.table.find(name)?;
        self.table[index].upstream.as_mut()?.supersede_join(from)
    }

    /// Whether another shard is answered later: the external order must be asked first.
    pub(super) fn must_wait_to_join(&mut self, index: ChannelIndex, join: JoinRequest) -> bool {
        self.follow_source(index);
        let Channel { log, class, upstream, .. } = &mut self.table[index];
        let Some(upstream) = upstream else { return false };
        let wanted = join.wanted;
        let need = Need::of_join(wanted.since, wanted.last, wanted.latest);
        let readiness = upstream.prepare(log, class, need);
        if readiness == Readiness::Live {
            return false;
        }
        upstream.wait_to_join(join);
        if readiness == Readiness::MustJoin {
            self.upstream.ask(index);
        }
        true
    }

    /// A shard that has waited joins now, and has what it wanted if that `is_whole`. Returns the
    /// answer.
    pub(in crate::broker) fn join_after_waiting(
        &mut self,
        cx: &mut Context,
        index: ChannelIndex,
        (join, is_whole): (JoinRequest, bool),
    ) -> (ShardId, Notice) {
        let mut answer = Exchange::add_shard(cx, &mut self.table[index], join);
        if let Notice::Joined { joined, .. } = &mut answer {
            joined.is_whole = is_whole;
        }
        (join.from, answer)
    }

    /// Why a subscriber that has waited for a channel cannot begin there, if it cannot.
    pub(in crate::broker) fn refusal(
        &self,
        index: ChannelIndex,
        (served, start): (Served, Start),
    ) -> Option<ChannelRefusal> {
        served.refusal(start, &self.table[index].log, self.oldest(index))
    }

    /// The channel that a message is for, if its home waits for what is published there.
    pub(in crate::broker) fn followed(&self, name: &ChannelName) -> Option<ChannelIndex> {
        let index = self.table.find(name)?;
        let upstream = self.table[index].upstream.as_ref();
        upstream.is_some_and(|upstream| upstream.is_followed()).then_some(index)
    }

    /// Something comes of a channel that is not followed, behind a position: it is from now on.
    ///
    /// # Errors
    /// The limit that it would pass.
    pub(in crate::broker) fn appear_outside(
        &mut self,
        cx: &mut Context,
        name: &ChannelName,
        after: Seq,
    ) -> Result<ChannelIndex, ChannelRefusal> {
        let index = self.find_or_add(cx, name, None)?;
        self.pass_unseen(cx, index, after);
        let upstream = self.table[index].upstream.as_mut();
        if upstream.is_some_and(|upstream| upstream.appear()) {
            self.upstream.ask(index);
        }
        Ok(index)
    }

    /// A hole that no subscriber has seen is no gap: the log begins anew behind it.
    fn pass_unseen(&mut self, cx: &mut Context, index: ChannelIndex, after: Seq) {
        let channel = &self.table[index];
        if after > channel.log.head() && channel.is_alone() {
            let begin = (cx.epoch, after);
            Exchange::begin_at(cx, &mut self.table, &mut self.retention, index, begin);
        }
    }

    /// Whether the external order is being asked for a channel that it may tell of already.
    pub(in crate::broker) fn is_asked_outside(&self, name: &ChannelName) -> bool {
        let upstream = self.table.find(name).and_then(|index| self.table[index].upstream.as_ref());
        upstream.is_some_and(|upstream| upstream.is_asking())
    }

    /// No subscriber wants what has come of a channel.
    pub(in crate::broker) fn decline_outside(&mut self, name: &ChannelName) {
        self.upstream.0.push_back(Question::Unfollow(name.clone()));
    }

    /// Logs a message that the external order has given its place; in front of it a gap, where
    /// something is missing. Returns `false` if it was there already.
    pub(in crate::broker) fn take_sequenced(
        &mut self,
        cx: &mut Context,
        index: ChannelIndex,
        message: &Sequenced,
    ) -> bool {
        let head = self.table[index].log.head();
        if message.seq <= head {
            return false;
        }
        // What an order tells of presence is of its own: it is not what was published.
        let is_published = !message.publication.event.is_reserved();
        if is_published {
            self.keep(index);
        }
        let is_hole = message.prev > head && message.prev < message.seq;
        #[cfg(test)]
        let is_hole = is_hole && !UpstreamFault::SilentHole.is_present();
        if is_hole {
            self.pass_over(cx, index, message.prev);
        }
        let channel = &mut self.table[index];
        let bytes = encode(cx, message);
        if is_published {
            let class = channel.classify(&mut cx.recorder);
            cx.recorder.published_to(class, index.slot());
        }
        let key = message.publication.key.clone();
        let frame = self.contexts.frame(cx, channel, (bytes, key), message.seq);
        let frame = Rc::new(frame.spanning(channel.log.head().next()));
        if is_published {
            // Messages alone are no use of it: it would be followed for as long as some come.
            if !channel.is_unheard_everywhere() {
                channel.used_at = cx.time();
            }
            self.statuses.remember(channel, &frame);
        }
        self.broadcast(cx, index, frame);
        true
    }

    /// What the external order has no more, up to a position, is missing.
    pub(in crate::broker) fn take_gap(&mut self, cx: &mut Context, index: ChannelIndex, to: Seq) {
        if to > self.table[index].log.head() {
            self.pass_over(cx, index, to);
        }
    }

    /// Logs a gap up to a position.
    fn pass_over(&mut self, cx: &mut Context, index: ChannelIndex, to: Seq) {
        Exchange::append_gap(cx, &mut self.table, &mut self.retention, index, to);
        self.exchange.mark_unsent(&mut self.table[index], index);
        self.mark_dirty(cx, index);
    }

    /// The external order has answered that a channel is followed. Returns what has waited for it.
    pub(in crate::broker) fn take_followed(
        &mut self,
        cx: &mut Context,
        index: ChannelIndex,
        token: JoinToken,
        Followed { head, after, messages, .. }: Followed,
    ) -> Option<UpstreamAnswer> {
        self.upstream_awaiting(index, token)?;
        // Where presence is kept, that may be all that there is.
        let is_published = |message: &Sequenced| !message.publication.event.is_reserved();
        let has_presence = self.table[index].class.presence;
        if head > Seq(0) && (!has_presence || messages.iter().any(is_published)) {
            self.keep(index);
        }
        self.pass_unseen(cx, index, after);
        let known = self.table[index].log.head();
        let count = messages.len();
        let (older, newer): (Vec<_>, Vec<_>) =
            messages.into_iter().partition(|message| message.seq <= known);
        let mut prev = after;
        let frame = |message: &Sequenced| {
            let bytes = encode(cx, message);
            let key = message.publication.key.clone();
            let frame = Frame::with_key(bytes, key, message.seq, cx.time(), 0);
            Rc::new(frame.spanning(std::mem::replace(&mut prev, message.seq).next()))
        };
        let older: Vec<Rc<Frame>> = older.iter().map(frame).collect();
        self.retention.prepend(cx, &mut self.table, index, &older);
        #[cfg(test)]
        let newer = if UpstreamFault::HalfAnswer.is_present() { Vec::new() } else { newer };
        for message in &newer {
            self.take_sequenced(cx, index, message);
        }
        if self.table[index].log.head() < head {
            self.pass_over(cx, index, head);
        }
        let channel = &mut self.table[index];
        channel.used_at = cx.time();
        self.retention.skip_unheard(cx, channel);
        let waiting = channel.upstream.as_mut()?.answered(after, count);
        self.note_left(index);
        Some(UpstreamAnswer { waiting, is_followed: true, is_whole: true })
    }

    /// The external order does not answer, or cannot: no operation or join waits any longer.
    pub(in crate::broker) fn give_up_following(
        &mut self,
        index: ChannelIndex,
        token: Option<JoinToken>,
    ) -> Option<UpstreamAnswer> {
        match token {
            Some(token) => self.upstream_awaiting(index, token)?,
            None => _ = self.table.get(index)?,
        }
        let channel = &mut self.table[index];
        let upstream = channel.tie_mut()?;
        let (waiting, is_followed) = (upstream.unanswered(), upstream.is_followed());
        if !is_followed {
            // It may follow the channel yet.
            self.upstream.0.push_back(Question::Unfollow(channel.name.clone()));
        }
        self.note_left(index);
        Some(UpstreamAnswer { waiting, is_followed, is_whole: false })
    }

    /// Whether a channel waits for this answer of the external order and its log goes on with it:
    /// it has members, or other shards have.
    pub(in crate::broker) fn goes_on_with(&self, index: ChannelIndex, token: JoinToken) -> bool {
        self.upstream_awaiting(index, token).is_some() && !self.table[index].is_alone()
    }

    /// Whether the external order's answer is the one that a channel waits for.
    fn upstream_awaiting(&self, index: ChannelIndex, token: JoinToken) -> Option<()> {
        let tie = self.table.get(index)?.tie()?;
        tie.awaits(token).then_some(())
    }

    /// A forgotten channel is followed no more.
    pub(super) fn unfollow(&mut self, channel: &Channel) {
        if channel.tie().is_some_and(Upstream::is_followed) {
            self.upstream.0.push_back(Question::Unfollow(channel.name.clone()));
        }
    }

    /// Ends the interest in a channel that was without subscribers for a while, or asks again for
    /// one that has some.
    pub(super) fn tend_upstream(
        &mut self,
        cx: &Context,
        index: ChannelIndex,
        unused: Duration,
    ) -> Option<Call> {
        let channel = &mut self.table[index];
        let (is_unheard, is_periodic) = (channel.is_unheard_everywhere(), channel.is_periodic);
        let upstream = channel.tie_mut()?;
        if upstream.is_late(cx.time()) {
            return Some(Call::GiveUp(index));
        }
        if is_unheard
            && !upstream.is_asking()
            && upstream.is_followed()
            && unused >= INTEREST_LINGER
        {
            upstream.unfollow();
            self.upstream.0.push_back(Question::Unfollow(channel.name.clone()));
            if !is_periodic {
                // It says nothing any more about what was published last.
                self.statuses.forget_event(&mut self.table[index]);
            }
        } else if !is_unheard && upstream.must_follow() {
            self.upstream.ask(index);
        }
        None
    }
}

pub(super) fn encode(cx: &mut Context, message: &Sequenced) -> Box<[u8]> {
    let Sequenced { publication, seq, prev, id, unix_us } = message;
    let prev = (prev.next() != *seq).then_some(*prev);
    cx.encoder.broadcast(Stamp { id: *id, unix_us: *unix_us }, publication, *seq, prev)
}
