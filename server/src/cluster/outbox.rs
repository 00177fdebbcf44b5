//! What this node publishes to a stream: in order for each channel, once, and with an outcome.

mod pack;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::limits::{
    ACK_PATIENCE, ACK_PATIENCE_MAX, OUTBOX_BYTES, OUTBOX_MESSAGES, PUBLISH_PATIENCE, PUBLISH_RETRY,
    PUBLISH_RETRY_MAX,
};
use pack::{Pack, Waiting};

use super::subjects;

/// The number of an attempt to store something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct AttemptId(pub(crate) u64);

/// Something that the stream is to store now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Attempt {
    /// Echoed in the answer.
    pub(crate) id: AttemptId,
    /// Of which channel.
    pub(crate) channel: Arc<str>,
    /// By which the stream recognises what it has stored already.
    pub(crate) message_id: Arc<str>,
    /// What.
    pub(crate) data: Bytes,
}

/// What the stream says of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is stored at this position, by this attempt or an earlier one.
    Stored(u64),
    /// It is not stored, and the stream takes nothing now.
    Refused,
    /// It is being stored, by an earlier attempt; or that is not known.
    Unknown,
}

/// How a publication has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It has this position in its channel.
    Stored(u64),
    /// It is not stored.
    NotStored,
    /// It may be stored or not.
    Unknown,
}

#[derive(Debug)]
struct Channel<T> {
    waiting: VecDeque<Waiting<T>>,
    pack: Option<Pack<T>>,
    is_ready: bool,
}

/// Publications on their way to a stream, each with a `T` of its publisher.
///
/// A channel has one message without an acknowledgement at most: the stream would store two in
/// either order when one is sent again. What waits meanwhile goes together into the next message. A
/// message is sent again with the same id until the stream says that it has it, for
/// [`PUBLISH_PATIENCE`].
#[derive(Debug)]
pub(crate) struct Outbox<T> {
    /// Of this start of this node: no other has numbered what it numbers.
    node: Box<str>,
    channels: HashMap<Arc<str>, Channel<T>>,
    ready: VecDeque<Arc<str>>,
    /// Those of messages without an outcome: some for each.
    attempts: HashMap<AttemptId, Arc<str>>,
    /// When attempts are given up, and when channels may try again.
    timers: BinaryHeap<Reverse<(Duration, Arc<str>)>>,
    sent: u64,
    numbered: u64,
    messages: usize,
    bytes: usize,
    /// How long acknowledgements take, on the average of the last ones.
    took: Duration,
    ended: VecDeque<(T, Ended)>,
}

impl<T> Outbox<T> {
    /// `node` tells this start of this node from all others.
    pub(crate) fn new(node: Box<str>) -> Outbox<T> {
        Outbox {
            node,
            channels: HashMap::new(),
            ready: VecDeque::new(),
            attempts: HashMap::new(),
            timers: BinaryHeap::new(),
            sent: 0,
            numbered: 0,
            messages: 0,
            bytes: 0,
            took: Duration::ZERO,
            ended: VecDeque::new(),
        }
    }

    /// Takes a publication, which has an id if its publisher knows it by one.
    ///
    /// # Errors
    /// `of`, where too much waits.
    pub(crate) fn push(
        &mut self,
        now: Duration,
        channel: &Arc<str>,
        (data, id): (Bytes, Option<&str>),
        of: T,
    ) -> Result<(), T> {
        if self.messages >= OUTBOX_MESSAGES || self.bytes + data.len() > OUTBOX_BYTES {
            return Err(of);
        }
        (self.messages, self.bytes) = (self.messages + 1, self.bytes + data.len());
        let empty = || Channel { waiting: VecDeque::new(), pack: None, is_ready: false };
        let entry = self.channels.entry(Arc::clone(channel)).or_insert_with(empty);
        // The same id in another channel is another message.
        let id = id.map(|id| format!("{channel} {}", subjects::escape(id)).into());
        entry.waiting.push_back(Waiting { data, id, since: now, of });
        if entry.pack.is_none() && !entry.is_ready {
            entry.is_ready = true;
            self.ready.push_back(Arc::clone(channel));
        }
        Ok(())
    }

    /// Messages that wait for their outcome.
    pub(crate) fn len(&self) -> usize {
        self.messages
    }

    /// Since when the oldest message without a known outcome waits. Looks at every channel.
    pub(crate) fn oldest(&self) -> Option<Duration> {
        self.channels.values().filter_map(|channel| Some(channel.pack.as_ref()?.since)).min()
    }

    /// What is to be stored now. Call it until there is none.
    pub(crate) fn poll_attempt(&mut self, now: Duration) -> Option<Attempt> {
        self.handle_timers(now);
        while let Some(channel) = self.ready.pop_front() {
            let Some(entry) = self.channels.get_mut(&channel) else { continue };
            entry.is_ready = false;
            if entry.pack.is_none() {
                let numbered = &mut self.numbered;
                let number = || {
                    *numbered += 1;
                    format!("{} {numbered}", self.node).into()
                };
                entry.pack = Pack::take(&mut entry.waiting, now, number);
            }
            let Some(pack) = &mut entry.pack else {
                self.channels.remove(&channel);
                continue;
            };
            self.sent += 1;
            let id = AttemptId(self.sent);
            let attempt = Attempt {
                id,
                channel: Arc::clone(&channel),
                message_id: Arc::clone(&pack.message_id),
                data: pack.data.clone(),
            };
            let patience = (4 * self.took).max(ACK_PATIENCE) * (1 << pack.silences.min(10));
            (pack.attempt, pack.deadline) = (Some(id), now + patience.min(ACK_PATIENCE_MAX));
            pack.sent.get_or_insert(now);
            pack.attempts.push(id);
            self.timers.push(Reverse((pack.deadline, Arc::clone(&channel))));
            self.attempts.insert(id, channel);
            return Some(attempt);
        }
        None
    }

    /// When there is something to do if nothing happens before.
    pub(crate) fn next_due(&self) -> Option<Duration> {
        if !self.ready.is_empty() {
            return Some(Duration::ZERO);
        }
        self.timers.peek().map(|Reverse((due, _))| *due)
    }

    /// The stream has said something of an attempt. Of one that was given up only good news counts.
    pub(crate) fn handle_outcome(&mut self, now: Duration, id: AttemptId, outcome: Outcome) {
        let Some(channel) = self.attempts.remove(&id) else { return };
        let pack = self.channels.get_mut(&channel).and_then(|entry| entry.pack.as_mut());
        let Some(pack) = pack.filter(|pack| pack.is_of(id, outcome)) else { return };
        pack.may_be_stored |= outcome == Outcome::Unknown;
        match outcome {
            Outcome::Stored(seq) => {
                let took = now.saturating_sub(pack.sent.unwrap_or(now)).min(ACK_PATIENCE_MAX);
                self.took = (7 * self.took + took) / 8;
                self.end(&channel, |place, count| Ended::Stored(place_of(seq, place, count)));
            }
            Outcome::Refused | Outcome::Unknown => self.try_again(now, &channel),
        }
    }

    /// How a publication has ended.
    pub(crate) fn poll_ended(&mut self) -> Option<(T, Ended)> {
        self.ended.pop_front()
    }

    fn handle_timers(&mut self, now: Duration) {
        while self.timers.peek().is_some_and(|Reverse((due, _))| *due <= now) {
            let Some(Reverse((_, channel))) = self.timers.pop() else { break };
            let Some(entry) = self.channels.get_mut(&channel) else { continue };
            let Some(pack) = entry.pack.as_mut().filter(|pack| pack.deadline <= now) else {
                continue;
            };
            if pack.attempt.take().is_some() {
                // It was sent, and nothing has come.
                (pack.may_be_stored, pack.silences) = (true, pack.silences + 1);
                self.try_again(now, &channel);
            } else if !entry.is_ready {
                entry.is_ready = true;
                self.ready.push_back(channel);
            }
        }
    }

    /// Sends a message again after a while, or gives it up.
    fn try_again(&mut self, now: Duration, channel: &Arc<str>) {
        let Some(entry) = self.channels.get_mut(channel) else { return };
        let Some(pack) = &mut entry.pack else { return };
        if now.saturating_sub(pack.since) >= PUBLISH_PATIENCE {
            let is_unknown = pack.may_be_stored;
            return self.end(
                channel,
                |_, _| {
                    if is_unknown { Ended::Unknown } else { Ended::NotStored }
                },
            );
        }
        let wait = PUBLISH_RETRY.saturating_mul(1 << pack.tries.min(10)).min(PUBLISH_RETRY_MAX);
        (pack.attempt, pack.tries, pack.deadline) = (None, pack.tries + 1, now + wait);
        self.timers.push(Reverse((pack.deadline, Arc::clone(channel))));
    }

    /// The outcome of a channel's message is as known as it will be: the next one may go.
    fn end(&mut self, channel: &Arc<str>, ended: impl Fn(usize, usize) -> Ended) {
        let Some(entry) = self.channels.get_mut(channel) else { return };
        let Some(pack) = entry.pack.take() else { return };
        pack.attempts.iter().for_each(|id| drop(self.attempts.remove(id)));
        let count = pack.of.len();
        (self.messages, self.bytes) = (self.messages - count, self.bytes - pack.bytes);
        let places = pack.of.into_iter().enumerate();
        self.ended.extend(places.map(|(place, of)| (of, ended(place, count))));
        if entry.waiting.is_empty() {
            self.channels.remove(channel);
        } else if !entry.is_ready {
            entry.is_ready = true;
            self.ready.push_back(Arc::clone(channel));
        }
    }
}

/// The position in its channel of the publication at `place` of a message with `count`. The last
/// one has that of the message, so that what follows knows it without having seen the message.
pub(crate) fn place_of(seq: u64, place: usize, count: usize) -> u64 {
    seq * crate::limits::PACKED_MESSAGES as u64 - (count - 1 - place) as u64
}

#[cfg(test)]
mod tests;
