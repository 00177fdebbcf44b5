//! The channels of a stream that this node follows.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::stream_questions::{Question, QuestionId, Questions};
use super::{Counts, Event};
use crate::cluster::chain::{Chain, Message, Step, Want};
use crate::limits::{
    AUDIT_TRIES, NEWEST_CHANNELS, QUESTION_RETRY, QUESTION_RETRY_MAX, READ_MESSAGES,
    STREAM_HELD_BYTES,
};

/// How long to wait before a question is asked for the `tries`-th time.
pub(super) fn retry_after(tries: u32) -> Duration {
    QUESTION_RETRY.saturating_mul(1 << tries.min(10)).min(QUESTION_RETRY_MAX)
}

#[derive(Debug)]
struct Entry {
    chain: Chain,
    asked: Option<QuestionId>,
    /// Questions in a row that brought nothing.
    tries: u32,
    /// Whether it stands in a queue.
    is_queued: bool,
}

/// Channels by what they want to know, each in one of these at most.
#[derive(Debug, Default)]
struct Queues {
    /// Messages.
    readers: VecDeque<Arc<str>>,
    /// Their newest position.
    provers: VecDeque<Arc<str>>,
    /// The same as of an earlier position of the stream.
    seekers: VecDeque<Arc<str>>,
}

/// Chains by channel, and the order in which they ask.
#[derive(Debug)]
pub(super) struct Channels {
    /// Most channels.
    pub(super) room: usize,
    entries: HashMap<Arc<str>, Entry>,
    queues: Queues,
    /// Those that wait before they ask again.
    waiting: BinaryHeap<Reverse<(Duration, Arc<str>)>>,
    held_bytes: usize,
    steps: Vec<Step>,
    pub(super) events: VecDeque<Event>,
    pub(super) counts: Counts,
}

impl Channels {
    /// None yet, and room for so many.
    pub(super) fn new(room: usize) -> Channels {
        Channels {
            room,
            entries: HashMap::new(),
            queues: Queues::default(),
            waiting: BinaryHeap::new(),
            held_bytes: 0,
            steps: Vec::new(),
            events: VecDeque::new(),
            counts: Counts::default(),
        }
    }

    /// Follows a channel, as this chain if it is a new one. Returns whether there is room for it.
    pub(super) fn join(&mut self, channel: Arc<str>, chain: Chain) -> bool {
        self.has(&channel) || self.insert(channel, |_| chain)
    }

    /// Follows a channel that is not followed, as this chain. Returns whether there is room for it.
    pub(super) fn insert(
        &mut self,
        channel: Arc<str>,
        chain: impl FnOnce(&mut Vec<Step>) -> Chain,
    ) -> bool {
        if self.entries.len() >= self.room {
            self.counts.refused += 1;
            return false;
        }
        let chain = chain(&mut self.steps);
        let entry = Entry { chain, asked: None, tries: 0, is_queued: false };
        self.entries.insert(Arc::clone(&channel), entry);
        self.change(&channel, |_, _| {});
        true
    }

    pub(super) fn leave(&mut self, channel: &str) {
        if let Some(entry) = self.entries.remove(channel) {
            self.held_bytes -= entry.chain.held_bytes();
        }
    }

    pub(super) fn chain(&self, channel: &str) -> Option<&Chain> {
        self.entries.get(channel).map(|entry| &entry.chain)
    }

    pub(super) fn has(&self, channel: &str) -> bool {
        self.entries.contains_key(channel)
    }

    /// Those of these that have not begun begin no later than behind this position.
    pub(super) fn join_all_behind(&mut self, up_to: u64, is_meant: impl Fn(&str) -> bool) {
        self.change_those(is_meant, |chain| chain.join_behind(up_to));
    }

    /// The same, but behind their newest messages.
    pub(super) fn join_all_anew(&mut self, floor: u64, is_meant: impl Fn(&str) -> bool) {
        self.change_those(is_meant, |chain| chain.join_anew(floor));
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    /// Channels with messages missing.
    pub(super) fn behind(&self) -> usize {
        self.entries.values().filter(|entry| entry.chain.want().is_some()).count()
    }

    /// The position up to which everything that is known of was delivered, in those of these
    /// channels that are behind.
    pub(super) fn served(&self, is_meant: impl Fn(&str) -> bool) -> Option<u64> {
        let meant = self.entries.iter().filter(|(channel, _)| is_meant(channel));
        meant.filter_map(|(_, entry)| entry.chain.behind()).min()
    }

    /// Those that audits can compare.
    pub(super) fn begun(&self) -> Vec<Arc<str>> {
        let begun = self.entries.iter().filter(|(_, entry)| entry.chain.has_begun());
        begun.map(|(channel, _)| Arc::clone(channel)).collect()
    }

    /// Changes a channel's chain; what that decides becomes events, what it wants is asked.
    pub(super) fn change(
        &mut self,
        channel: &str,
        change: impl FnOnce(&mut Chain, &mut Vec<Step>),
    ) {
        let Some((name, _)) = self.entries.get_key_value(channel) else { return };
        let name = Arc::clone(name);
        let Some(entry) = self.entries.get_mut(channel) else { return };
        let held = entry.chain.held_bytes();
        change(&mut entry.chain, &mut self.steps);
        self.held_bytes = self.held_bytes + entry.chain.held_bytes() - held;
        if self.held_bytes > STREAM_HELD_BYTES {
            self.held_bytes -= entry.chain.held_bytes();
            entry.chain.drop_held();
        }
        for step in self.steps.drain(..) {
            self.counts.gaps += u64::from(matches!(step, Step::Gap { .. }));
            self.events.push_back(Event::Channel { channel: Arc::clone(&name), step });
        }
        if !entry.is_queued && entry.asked.is_none() {
            Channels::queue(entry, name, &mut self.queues);
        }
    }

    pub(super) fn change_all(&mut self, change: impl Fn(&mut Chain)) {
        self.change_those(|_| true, change);
    }

    fn change_those(&mut self, is_meant: impl Fn(&str) -> bool, change: impl Fn(&mut Chain)) {
        let meant = self.entries.keys().filter(|channel| is_meant(channel));
        let meant: Vec<_> = meant.cloned().collect();
        meant.iter().for_each(|channel| self.change(channel, |chain, _| change(chain)));
    }

    /// All begin again, behind what a replica has that has the stream up to `floor`.
    pub(super) fn restart(&mut self, floor: u64) {
        for entry in self.entries.values_mut() {
            (entry.asked, entry.tries) = (None, 0);
        }
        self.change_all(|chain| chain.restart(floor));
    }

    fn queue(entry: &mut Entry, name: Arc<str>, queues: &mut Queues) {
        match entry.chain.want() {
            Some(Want::Messages { .. }) => queues.readers.push_back(name),
            Some(Want::Newest { .. }) => queues.provers.push_back(name),
            Some(Want::NewestTo { .. }) => queues.seekers.push_back(name),
            None => return,
        }
        entry.is_queued = true;
    }

    /// The next question that a channel has, or some channels have.
    pub(super) fn next_question(
        &mut self,
        now: Duration,
        to: &mut Questions,
    ) -> Option<QuestionId> {
        while self.waiting.peek().is_some_and(|Reverse((due, _))| *due <= now) {
            let Some(Reverse((_, name))) = self.waiting.pop() else { break };
            if let Some(entry) = self.entries.get_mut(&name) {
                entry.is_queued = false;
                Channels::queue(entry, name, &mut self.queues);
            }
        }
        while let Some(name) = self.queues.readers.pop_front() {
            let Some(entry) = self.entries.get_mut(&name) else { continue };
            entry.is_queued = false;
            if let Some(Want::Messages { from }) = entry.chain.want() {
                let id = to.ask(Question::Messages { channel: name, from });
                entry.asked = Some(id);
                return Some(id);
            }
            Channels::queue(entry, name, &mut self.queues);
        }
        let question = self.newest_to().or_else(|| self.newest())?;
        let (Question::Newest { channels } | Question::NewestTo { channels, .. }) = &question
        else {
            return None;
        };
        let id = to.ask(question.clone());
        let asked = |name| self.entries.get_mut(name).map(|entry| entry.asked = Some(id));
        channels.iter().filter_map(asked).count();
        Some(id)
    }

    /// The question of those that want to know their newest position.
    fn newest(&mut self) -> Option<Question> {
        let mut channels = Vec::new();
        while channels.len() < NEWEST_CHANNELS
            && let Some(name) = self.queues.provers.pop_front()
        {
            let Some(entry) = self.entries.get_mut(&name) else { continue };
            entry.is_queued = false;
            match entry.chain.want() {
                Some(Want::Newest { .. }) => channels.push(name),
                _ => Channels::queue(entry, name, &mut self.queues),
            }
        }
        (!channels.is_empty()).then_some(Question::Newest { channels })
    }

    /// The same as of an earlier position, which is the same for all of a question.
    fn newest_to(&mut self) -> Option<Question> {
        let (mut channels, mut of_all) = (Vec::new(), None);
        while channels.len() < NEWEST_CHANNELS
            && let Some(name) = self.queues.seekers.pop_front()
        {
            let Some(entry) = self.entries.get_mut(&name) else { continue };
            match entry.chain.want() {
                Some(Want::NewestTo { up_to }) if of_all.is_none_or(|of_all| of_all == up_to) => {
                    entry.is_queued = false;
                    of_all = Some(up_to);
                    channels.push(name);
                }
                Some(Want::NewestTo { .. }) => {
                    self.queues.seekers.push_front(name);
                    break;
                }
                _ => {
                    entry.is_queued = false;
                    Channels::queue(entry, name, &mut self.queues);
                }
            }
        }
        of_all.map(|up_to| Question::NewestTo { channels, up_to })
    }

    /// When the next question is due that waits.
    pub(super) fn next_due(&self) -> Option<Duration> {
        let Queues { readers, provers, seekers } = &self.queues;
        if !(readers.is_empty() && provers.is_empty() && seekers.is_empty()) {
            return Some(Duration::ZERO);
        }
        self.waiting.peek().map(|Reverse((due, _))| *due)
    }

    /// A channel's question was answered with messages. The stream keeps so many of a channel.
    pub(super) fn handle_messages(
        &mut self,
        asked: (QuestionId, Duration),
        (channel, from): (&str, u64),
        (messages, kept): (Vec<Message>, usize),
    ) {
        // They were asked for a moment ago, and what was found missing is not much older.
        let is_fresh = self.entries.get(channel).is_some_and(|entry| entry.tries < AUDIT_TRIES);
        let whole = is_fresh && messages.len() < kept.min(READ_MESSAGES);
        let is_fill = self.handle_answer(asked, channel, |chain, steps| {
            chain.handle_messages((from, whole), messages, steps)
        });
        self.counts.fills += u64::from(is_fill);
    }

    /// A channel's question was answered with its newest position.
    pub(super) fn handle_newest(
        &mut self,
        asked: (QuestionId, Duration),
        channel: &str,
        (newest, up_to): (Option<u64>, u64),
    ) {
        let is_believed = self.handle_answer(asked, channel, |chain, steps| {
            chain.handle_newest(newest, up_to, steps)
        });
        self.counts.stale += u64::from(!is_believed);
    }

    /// A channel's question was answered with its newest position up to an earlier one.
    pub(super) fn handle_newest_to(
        &mut self,
        asked: (QuestionId, Duration),
        channel: &str,
        newest: (Option<u64>, u64),
    ) {
        self.handle_answer(asked, channel, |chain, steps| chain.handle_newest_to(newest, steps));
    }

    /// A channel's question was not answered.
    pub(super) fn handle_failure(&mut self, asked: (QuestionId, Duration), channel: &str) {
        self.handle_answer(asked, channel, |_, _| false);
    }

    /// Gives a channel its answer, unless it awaits another one. After one that brings nothing it
    /// waits before it asks again. Returns whether it has brought something.
    fn handle_answer(
        &mut self,
        (id, now): (QuestionId, Duration),
        channel: &str,
        answer: impl FnOnce(&mut Chain, &mut Vec<Step>) -> bool,
    ) -> bool {
        if self.entries.get(channel).is_none_or(|entry| entry.asked != Some(id)) {
            return true;
        }
        let mut is_good = false;
        // It counts as asking meanwhile, so that it is in no queue.
        self.change(channel, |chain, steps| is_good = answer(chain, steps));
        let Some((name, _)) = self.entries.get_key_value(channel) else { return is_good };
        let name = Arc::clone(name);
        let Some(entry) = self.entries.get_mut(channel) else { return is_good };
        entry.asked = None;
        if is_good {
            entry.tries = 0;
            Channels::queue(entry, name, &mut self.queues);
        } else {
            entry.is_queued = true;
            self.waiting.push(Reverse((now + retry_after(entry.tries), name)));
            entry.tries += 1;
        }
        is_good
    }
}
