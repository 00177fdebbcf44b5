//! One stream of the cluster, with the channels in it that this node serves.

mod taking_over;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use uringcast_engine::{
    ChannelName, Epoch, FeedItem, FollowRequest, Followed, PublishError, PublishRequest,
    ReadRequest, Reply, Seq, Unavailable,
};

use super::chain::Step;
use super::delivery_lag::DeliveryLag;
use super::names::{Names, position};
use super::older_messages::{Backlog, first_of};
use super::outbox::{Ended, Outbox};
use super::stored_publications;
use super::stream_view::{Event, Kept, StreamView};
use super::subjects::Subjects;
use crate::limits::{FOLLOW_HELD, HEADER_BYTES};

/// A channel that the engine follows.
#[derive(Debug)]
struct Interest {
    channel: ChannelName,
    state: State,
}

#[derive(Debug)]
enum State {
    /// It is not known yet where it begins.
    Joining(Vec<FollowRequest>),
    /// Older messages are read: what comes meanwhile is delivered behind them.
    Reading(Vec<FeedItem>),
    /// What comes is delivered.
    Followed,
    /// The same, behind this position, though the engine has not asked: a pattern wants it.
    Unasked(Seq),
}

/// Older messages that are to be read.
#[derive(Debug)]
pub(super) enum Reading {
    /// For a follower, that goes on behind `head`.
    Follow { request: FollowRequest, head: Seq },
    /// For a reader.
    Page(ReadRequest),
}

/// A read that is to be made: of which channel, from where, by a replica that has so much.
#[derive(Debug)]
pub(super) struct ReadJob {
    pub(super) channel: Arc<str>,
    pub(super) from: u64,
    pub(super) floor: u64,
    pub(super) of: Reading,
}

/// What was counted since the start, beside what the view counts.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PartitionCounts {
    pub(super) delivered: u64,
    pub(super) lag: DeliveryLag,
    /// Messages that another program has stored.
    pub(super) foreign: u64,
    pub(super) unknown_outcomes: u64,
}

/// One stream, and what passes between it and the engine.
#[derive(Debug)]
pub(super) struct Partition {
    pub(super) subjects: Arc<Subjects>,
    pub(super) view: StreamView,
    pub(super) outbox: Outbox<Reply<Result<Seq, PublishError>>>,
    /// The life of this stream, as the view knows it.
    pub(super) life: u64,
    /// Since when it takes nothing.
    pub(super) failing_since: Option<Duration>,
    pub(super) counts: PartitionCounts,
    interests: HashMap<Arc<str>, Interest>,
}

impl Partition {
    pub(super) fn new(subjects: Subjects, node: Box<str>, life: u64, kept: Kept) -> Partition {
        Partition {
            subjects: Arc::new(subjects),
            view: StreamView::new(kept),
            outbox: Outbox::new(node),
            life,
            failing_since: None,
            counts: PartitionCounts::default(),
            interests: HashMap::new(),
        }
    }

    /// A publication of this node; the server takes messages of so many bytes.
    pub(super) fn publish(
        &mut self,
        now: Duration,
        (tokens, largest): (&Arc<str>, usize),
        request: PublishRequest,
    ) {
        let PublishRequest { publication, id, reply } = request;
        let Ok(entry) = stored_publications::entry(&publication) else {
            return reply.answer(Err(PublishError::Unavailable));
        };
        if entry.len() + HEADER_BYTES > largest {
            return reply.answer(Err(PublishError::TooLarge));
        }
        if let Err(reply) = self.outbox.push(now, tokens, (entry, id.as_deref()), reply) {
            reply.answer(Err(PublishError::Saturated));
        }
    }

    /// A channel is of interest. Returns what is to be read for it.
    pub(super) fn follow(
        &mut self,
        (tokens, epoch): (Arc<str>, Epoch),
        request: FollowRequest,
    ) -> Option<ReadJob> {
        if self.goes_on((&tokens, epoch), &request) {
            return self.begin_with((&tokens, epoch), request);
        }
        let interest = self.interests.entry(Arc::clone(&tokens)).or_insert_with(|| Interest {
            channel: request.channel.clone(),
            state: State::Joining(Vec::new()),
        });
        if let State::Joining(waiting) = &mut interest.state {
            waiting.push(request);
            if !self.view.join(&tokens) {
                self.give_up(&tokens);
            }
            return None;
        }
        let mut head = position(self.view.last(&tokens));
        if let State::Unasked(after) = interest.state {
            interest.state = State::Followed;
            // What it was delivered unasked counts as delivered behind the answer.
            head = after;
            if request.last == 0 && request.since.is_some_and(|since| since >= after) {
                let followed = Followed { epoch, head, after, messages: Vec::new() };
                request.reply.answer(Ok(followed));
                return None;
            }
        }
        self.answer_or_read(&tokens, (epoch, head), request)
    }

    /// Answers a follower that wants nothing older; for another one, what is to be read.
    fn answer_or_read(
        &self,
        tokens: &Arc<str>,
        (epoch, head): (Epoch, Seq),
        request: FollowRequest,
    ) -> Option<ReadJob> {
        if request.since.is_none_or(|since| since == head) && request.last == 0 {
            let followed = Followed { epoch, head, after: head, messages: Vec::new() };
            request.reply.answer(Ok(followed));
            return None;
        }
        let from = first_of(&request);
        let floor = self.view.floor().max(from);
        let of = Reading::Follow { request, head };
        Some(ReadJob { channel: Arc::clone(tokens), from, floor, of })
    }

    /// Older messages of a channel are to be read.
    pub(super) fn read(&self, channel: Arc<str>, request: ReadRequest) -> ReadJob {
        let of = Reading::Page(request);
        ReadJob { channel, from: 0, floor: self.view.floor(), of }
    }

    /// A channel is of no interest any more.
    pub(super) fn unfollow(&mut self, tokens: &str) {
        self.view.leave(tokens);
        match self.interests.get_mut(tokens) {
            // A pattern wants what is yet to come of it.
            Some(interest) if self.view.has_begun(tokens) => {
                interest.state = State::Unasked(position(self.view.last(tokens)));
            }
            _ => _ = self.interests.remove(tokens),
        }
    }

    /// The engine is to ask again for a channel, of which it was delivered everything up to
    /// `after`. Returns what is to be delivered now: that of patterns, which does not wait for it.
    fn let_go(&mut self, tokens: &str, after: Seq, held: Vec<FeedItem>) -> Vec<FeedItem> {
        match self.interests.get_mut(tokens).filter(|_| self.view.wants(tokens)) {
            Some(interest) => {
                interest.state = State::Unasked(after);
                held
            }
            None => {
                self.unfollow(tokens);
                Vec::new()
            }
        }
    }

    /// All begin again: the engine asks for what it follows anew.
    pub(super) fn forget_all(&mut self) {
        self.interests.keys().for_each(|tokens| self.view.leave(tokens));
        self.interests.clear();
    }

    /// Nothing is known of a channel: the requests that wait for it fail.
    fn give_up(&mut self, tokens: &str) {
        if let Some(Interest { state: State::Joining(waiting), .. }) = self.interests.remove(tokens)
        {
            waiting.into_iter().for_each(|request| request.reply.answer(Err(Unavailable)));
        }
        self.view.leave(tokens);
    }

    /// Older messages were read, or could not be. Returns what is to be delivered now.
    pub(super) fn handle_backlog(
        &mut self,
        (names, epoch): (&Names, Epoch),
        (tokens, of): (Arc<str>, Reading),
        backlog: Option<Backlog>,
    ) -> Vec<FeedItem> {
        let (request, head) = match of {
            Reading::Follow { request, head } => (request, head),
            Reading::Page(request) => {
                let page = backlog.map(|backlog| backlog.page(names, epoch, &request));
                request.reply.answer(page.ok_or(Unavailable));
                return Vec::new();
            }
        };
        let known = self.interests.get_mut(&tokens);
        let Some((interest, backlog)) = known.zip(backlog) else {
            request.reply.answer(Err(Unavailable));
            let held = self.interests.get_mut(&tokens).and_then(Interest::take_held);
            return held.map_or(Vec::new(), |held| self.let_go(&tokens, head, held));
        };
        let followed = backlog.followed(names, (epoch, head), &request);
        request.reply.answer(Ok(followed));
        match std::mem::replace(&mut interest.state, State::Followed) {
            State::Reading(held) => held,
            before => {
                interest.state = before;
                Vec::new()
            }
        }
    }

    /// What the view has decided. Returns what is to be delivered now.
    pub(super) fn handle_step(
        &mut self,
        (names, epoch): (&Names, Epoch),
        tokens: &Arc<str>,
        step: Step,
        jobs: &mut Vec<ReadJob>,
    ) -> Vec<FeedItem> {
        if let Step::Begin { head } = step
            && !self.interests.contains_key(tokens)
        {
            self.appear(names, tokens, position(head));
            return Vec::new();
        }
        let Some(interest) = self.interests.get_mut(tokens) else { return Vec::new() };
        let channel = &interest.channel;
        let items = match step {
            Step::Begin { head } => {
                self.begin(tokens, (epoch, position(head)), jobs);
                return Vec::new();
            }
            // At once: no message may ever come behind it that says so.
            Step::Gap { after, to } => {
                let (channel, after, to) = (channel.clone(), position(after), position(to));
                vec![FeedItem::Gap { channel, after, to }]
            }
            Step::Deliver { prev, message } => {
                let prev = position(prev);
                let Some(all) = names.sequenced(epoch.0, channel, prev, &message) else {
                    self.counts.foreign += 1;
                    return Vec::new();
                };
                self.counts.delivered += all.len() as u64;
                all.into_iter().map(FeedItem::Message).collect()
            }
        };
        match &mut interest.state {
            State::Followed | State::Unasked(_) => return items,
            State::Reading(held) if held.len() + items.len() <= FOLLOW_HELD => held.extend(items),
            // Its read finds that nothing waits for it, and the engine asks again.
            State::Reading(held) => {
                let mut held = std::mem::take(held);
                held.extend(items);
                let after = held.first().map_or(Seq(0), FeedItem::after);
                return self.let_go(tokens, after, held);
            }
            State::Joining(_) => self.unfollow(tokens),
        }
        Vec::new()
    }

    /// A channel that the engine has not asked for begins behind this position: a pattern wants it.
    fn appear(&mut self, names: &Names, tokens: &Arc<str>, after: Seq) {
        if !self.view.follows(tokens) {
            return;
        }
        match names.channel(tokens) {
            Some(channel) => {
                let interest = Interest { channel, state: State::Unasked(after) };
                self.interests.insert(Arc::clone(tokens), interest);
            }
            // Another program has stored it.
            None => self.view.leave(tokens),
        }
    }

    /// It is known where a channel begins: the requests that wait are answered, or older messages
    /// read.
    fn begin(&mut self, tokens: &Arc<str>, head: (Epoch, Seq), jobs: &mut Vec<ReadJob>) {
        let Some(interest) = self.interests.get_mut(tokens) else { return };
        let State::Joining(waiting) = std::mem::replace(&mut interest.state, State::Followed)
        else {
            return;
        };
        let count = waiting.len();
        let answer = |request| self.answer_or_read(tokens, head, request);
        let reads: Vec<_> = waiting.into_iter().filter_map(answer).collect();
        // One that was answered gets what comes already.
        if reads.len() == count
            && let Some(interest) = self.interests.get_mut(tokens)
        {
            interest.state = State::Reading(Vec::new());
        }
        jobs.extend(reads);
    }

    /// Tells publishers what has become of their publications.
    pub(super) fn answer_publishers(&mut self) {
        while let Some((reply, ended)) = self.outbox.poll_ended() {
            reply.answer(match ended {
                Ended::Stored(seq) => Ok(Seq(seq)),
                Ended::NotStored => Err(PublishError::Unavailable),
                Ended::Unknown => {
                    self.counts.unknown_outcomes += 1;
                    Err(PublishError::Unknown)
                }
            });
        }
    }

    /// The next thing that the view has decided.
    pub(super) fn poll_event(&mut self) -> Option<Event> {
        self.view.poll_event()
    }
}

impl Interest {
    /// What waits for older messages, if they are read.
    fn take_held(&mut self) -> Option<Vec<FeedItem>> {
        match &mut self.state {
            State::Reading(held) => Some(std::mem::take(held)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
