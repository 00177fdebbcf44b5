//! The tie of a channel's home to the external order: whether everything comes that is published,
//! and the question for older messages that is under way.

use super::log::Log;
use super::replica::{Readiness, oldest};
use super::subscription_start::Start;
use crate::broker::shard_messages::JoinRequest;
#[cfg(test)]
use crate::broker::upstream_faults::UpstreamFault;
use crate::config::ChannelClass;
use crate::limits::UPSTREAM_PATIENCE;
use crate::types::{JoinToken, OperationId, Seq, ShardId, Time};

/// What a channel's home has of an external order, and what it waits for.
#[derive(Debug, Default)]
pub(super) struct Upstream {
    /// Every message behind the log's head comes.
    followed: bool,
    /// It does because a pattern wants it: the order is asked until it answers that it will go on.
    unasked: bool,
    /// Everything up to the log's head came to another process, which has handed the channel over,
    /// and nothing since.
    taken_over: bool,
    question: Option<Question>,
    /// Of the last question.
    token: JoinToken,
    /// The order had nothing before this position when it was asked for that.
    floor: Seq,
    waiting: Waiting,
}

/// The operations and joins that wait for the answer to a question.
#[derive(Debug, Default)]
pub(in crate::broker) struct Waiting {
    /// Orders of this shard's clients.
    pub(in crate::broker) operations: Vec<OperationId>,
    /// Joins of other shards.
    pub(in crate::broker) joins: Vec<JoinRequest>,
}

/// Something that the order was asked, or is about to be.
#[derive(Debug)]
struct Question {
    lacks: Lack,
    /// Whether it stands in the list of those to be asked.
    listed: bool,
    /// Since it was asked first: when the wait for the answer ends.
    until: Option<Time>,
}

impl Question {
    fn new(lacks: Lack) -> Question {
        Question { lacks, listed: true, until: None }
    }
}

/// Messages that are wanted and not here, beside those that are published from now on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Lack {
    /// All behind this position.
    pub(super) since: Option<Seq>,
    /// So many of the newest.
    pub(super) last: usize,
}

/// What a subscription or a join needs of a channel's log.
#[derive(Clone, Copy, Debug)]
pub(super) struct Need {
    /// Everything behind this position; `None` if nothing but what comes.
    since: Option<Seq>,
    last: u64,
    /// As much as may be kept.
    all: bool,
}

impl Need {
    /// Of a subscriber that begins there.
    pub(super) fn of(start: Start, log: &Log) -> Need {
        let none = Need { since: None, last: 0, all: false };
        match start {
            Start::Live => none,
            Start::Since { epoch, seq, .. } if epoch == log.epoch() => {
                Need { since: Some(seq), ..none }
            }
            Start::Since { whole, .. } => Need { all: !whole, ..none },
            Start::Last(n) => Need { last: n, ..none },
            Start::Latest => Need { all: true, ..none },
        }
    }

    /// Of another shard that joins.
    pub(super) fn of_join(since: Option<Seq>, last: u64, all: bool) -> Need {
        Need { since, last, all }
    }
}

impl Lack {
    /// Whether what the other one lacks is among it.
    fn covers(self, other: Lack) -> bool {
        let reaches = other.since.is_none_or(|b| self.since.is_some_and(|a| a <= b));
        reaches && other.last <= self.last
    }
}

impl Upstream {
    /// Of a channel that another process has handed over. It may have followed it.
    pub(super) fn taken_over(is_followed: bool) -> Upstream {
        Upstream { taken_over: is_followed, ..Upstream::default() }
    }

    /// Whether everything up to the log's head came to another process, and nothing since.
    pub(super) fn is_taken_over(&self) -> bool {
        self.taken_over
    }

    /// Whether other shards wait for an answer.
    pub(super) fn has_joins(&self) -> bool {
        !self.waiting.joins.is_empty()
    }

    /// Whether every message behind the log's head comes.
    pub(super) fn is_followed(&self) -> bool {
        self.followed
    }

    /// Whether an answer is waited for.
    pub(super) fn is_asking(&self) -> bool {
        self.question.is_some()
    }

    /// The position before which there is nothing, as far as is known.
    pub(super) fn floor(&self) -> Seq {
        self.floor.max(Seq(1))
    }

    /// What is not here of what is needed; `None` if nothing.
    fn lack(&self, log: &Log, class: &ChannelClass, need: Need) -> Option<Lack> {
        let (first, before) = (log.first(), |seq: Seq| Seq(seq.0.saturating_sub(1)));
        let has_room = log.len() < class.retention.frames;
        let since = match need.since {
            // Another engine may have delivered more than this one.
            Some(since) if since > log.head() => Some(since),
            Some(since) if since.next() < first && self.floor() < first => {
                Some(since.max(before(self.floor())))
            }
            Some(since) if !self.followed => Some(since),
            None if need.all && (!self.followed || has_room && self.floor() < first) => {
                Some(before(self.floor()))
            }
            _ => None,
        };
        let last = usize::try_from(need.last).unwrap_or(usize::MAX).min(class.retention.frames);
        let has_last = self.followed && (log.len() >= last || self.floor() >= first);
        let last = if has_last { 0 } else { last };
        let lack = Lack { since, last };
        #[cfg(test)]
        let lack = if UpstreamFault::Unasked.is_present() { Lack::default() } else { lack };
        (!self.followed || lack != Lack::default()).then_some(lack)
    }

    /// Whether the log has what is needed, and if not, whether the order must be asked.
    pub(super) fn prepare(&mut self, log: &Log, class: &ChannelClass, need: Need) -> Readiness {
        let Some(lack) = self.lack(log, class, need) else { return Readiness::Live };
        let Some(question) = &mut self.question else {
            self.question = Some(Question::new(lack));
            return Readiness::MustJoin;
        };
        let is_listed = question.listed || question.lacks.covers(lack);
        let Lack { since, last } = question.lacks;
        question.lacks = Lack { since: oldest(since, lack.since), last: last.max(lack.last) };
        if is_listed {
            return Readiness::Waiting;
        }
        question.listed = true;
        Readiness::MustJoin
    }

    /// Whether the order has not said yet that everything comes from now on.
    pub(super) fn is_unconfirmed(&self) -> bool {
        !self.followed || self.unasked
    }

    /// Everything that is published is needed. Returns whether the order must be asked for it.
    pub(super) fn must_follow(&mut self) -> bool {
        let must = self.is_unconfirmed() && self.question.is_none();
        if must {
            self.question = Some(Question::new(Lack::default()));
        }
        must
    }

    /// The channel has appeared: what comes of it is taken as if it were followed. Returns whether
    /// the order must be asked to go on with it.
    pub(super) fn appear(&mut self) -> bool {
        (self.followed, self.unasked, self.taken_over) = (true, true, false);
        self.must_follow()
    }

    /// Everything behind the head of a log is needed that another process has followed so far.
    pub(super) fn follow_on(&mut self, head: Seq) {
        self.question = Some(Question::new(Lack { since: Some(head), last: 0 }));
    }

    /// The question to be asked now: an answer to an earlier one is stale.
    pub(super) fn ask(&mut self, now: Time) -> Option<(JoinToken, Lack)> {
        let question = self.question.as_mut()?;
        question.listed = false;
        question.until.get_or_insert(now + UPSTREAM_PATIENCE);
        self.token = self.token.next();
        Some((self.token, question.lacks))
    }

    /// Whether this is the answer to the question under way.
    pub(super) fn awaits(&self, token: JoinToken) -> bool {
        self.token == token && self.question.as_ref().is_some_and(|question| !question.listed)
    }

    /// Whether the answer has not come in time.
    pub(super) fn is_late(&self, now: Time) -> bool {
        let until = self.question.as_ref().and_then(|question| question.until);
        until.is_some_and(|until| until <= now)
    }

    pub(super) fn wait(&mut self, operation: OperationId) {
        self.waiting.operations.push(operation);
    }

    pub(super) fn wait_to_join(&mut self, join: JoinRequest) {
        self.waiting.joins.push(join);
    }

    /// A shard joins anew: an earlier join of it waits for nothing any more. There is one at most.
    pub(super) fn supersede_join(&mut self, from: ShardId) -> Option<JoinRequest> {
        let joins = &mut self.waiting.joins;
        let place = joins.iter().position(|join| join.from == from)?;
        Some(joins.remove(place))
    }

    /// The order has answered: everything behind the log's head comes. It gave so many messages
    /// behind `after`, which may be less than was asked for.
    pub(super) fn answered(&mut self, after: Seq, messages: usize) -> Waiting {
        (self.followed, self.unasked, self.taken_over) = (true, false, false);
        let lacks = self.question.take().map(|question| question.lacks).unwrap_or_default();
        let has_less = lacks.since.is_some_and(|since| since < after);
        if has_less || lacks.last > messages {
            self.floor = after.next();
        }
        std::mem::take(&mut self.waiting)
    }

    /// The order has not answered, or cannot.
    pub(super) fn unanswered(&mut self) -> Waiting {
        self.question = None;
        std::mem::take(&mut self.waiting)
    }

    /// The log begins anew: what was asked by position is asked for no more. Returns whether an
    /// operation or a join waits, so that the order must be asked again.
    pub(super) fn begin_epoch(&mut self) -> bool {
        self.unfollow();
        let is_awaited = !(self.waiting.operations.is_empty() && self.waiting.joins.is_empty());
        let was_listed = self.question.as_ref().is_some_and(|question| question.listed);
        self.question = is_awaited.then(|| Question::new(Lack::default()));
        is_awaited && !was_listed
    }

    /// Nothing comes any more.
    pub(super) fn unfollow(&mut self) {
        (self.followed, self.unasked, self.taken_over) = (false, false, false);
        self.floor = Seq(0);
    }
}

#[cfg(test)]
mod tests;
