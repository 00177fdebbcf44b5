//! This node's subscribers where presence is kept, and the questions: what the homes of their
//! channels are to know.

mod asking;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use uringcast_engine::{Epoch, Seq};
use uuid::Uuid;

use super::node_message::{Message, Report};
use super::peer_nodes::{Members, NodeId};
use super::tie::{Item, Tie};
use crate::cluster::subjects::fnv1a;
use crate::limits::{PRESENCE_BATCH, PRESENCE_BATCH_BYTES};

/// The channels of this node's subscribers, by their tokens. `T` answers a question.
#[derive(Debug)]
pub(super) struct Attendance<T> {
    channels: BTreeMap<Arc<str>, Channel<T>>,
    ties: BTreeMap<NodeId, Tie>,
    /// Channels with open questions.
    asking: BTreeSet<Arc<str>>,
    sessions: u64,
    asked: u64,
    epoch: Epoch,
    #[cfg(test)]
    pub(super) forgets_moves: bool,
}

#[derive(Debug)]
struct Channel<T> {
    hash: u64,
    home: NodeId,
    subscriptions: BTreeMap<Uuid, Subscription>,
    /// The question that is under way, with the requests that wait for its answer.
    question: Option<Question<T>>,
    /// The newest event of presence that subscribers here have.
    seen: Seq,
    /// Requests that came since: the answer may lack what has happened meanwhile.
    waiting: Vec<(Duration, T)>,
}

#[derive(Debug)]
struct Question<T> {
    id: u64,
    again_at: Duration,
    of: Vec<(Duration, T)>,
}

#[derive(Debug)]
struct Subscription {
    user: Option<Arc<str>>,
    is_there: bool,
    /// Whether its connection has ended.
    ended: bool,
    /// Whether it stands in the queue of its channel's home.
    is_queued: bool,
}

impl<T> Attendance<T> {
    pub(super) fn new(me: NodeId, epoch: Epoch) -> Attendance<T> {
        Attendance {
            channels: BTreeMap::new(),
            ties: BTreeMap::from([(me, Tie::new(0, true))]),
            asking: BTreeSet::new(),
            sessions: 0,
            asked: 0,
            epoch,
            #[cfg(test)]
            forgets_moves: false,
        }
    }

    /// A connection of this node has subscribed.
    pub(super) fn enter(
        &mut self,
        members: &Members,
        channel: &Arc<str>,
        connection: Uuid,
        user: Option<Arc<str>>,
    ) {
        let of = self.channel(members, channel);
        let new = Subscription { user: None, is_there: true, ended: false, is_queued: false };
        let subscription = of.subscriptions.entry(connection).or_insert(new);
        (subscription.user, subscription.is_there) = (user, true);
        self.queue(channel, connection);
    }

    /// It has subscribed no more, or has `ended`.
    pub(super) fn leave(&mut self, channel: &Arc<str>, connection: Uuid, ended: bool) {
        let known = self.channels.get_mut(channel);
        let Some(subscription) = known.and_then(|of| of.subscriptions.get_mut(&connection)) else {
            return;
        };
        (subscription.is_there, subscription.ended) = (false, ended);
        self.queue(channel, connection);
    }

    /// A connection is another node's now, which tells its home.
    pub(super) fn hand_over(&mut self, channel: &Arc<str>, connection: Uuid) {
        let Some(of) = self.channels.get_mut(channel) else { return };
        of.subscriptions.remove(&connection);
        let home = of.home;
        self.tidy(channel);
        // What is sent again must not name it: the home may have been told by the other node.
        if self.ties.get(&home).is_some_and(|tie| tie.is_telling()) {
            self.begin_again(home);
        }
    }

    fn channel(&mut self, members: &Members, channel: &Arc<str>) -> &mut Channel<T> {
        self.channels.entry(Arc::clone(channel)).or_insert_with(|| {
            let hash = fnv1a(channel.bytes());
            let (subscriptions, waiting) = (BTreeMap::new(), Vec::new());
            let (home, seen) = (members.home(hash), Seq(0));
            Channel { hash, home, subscriptions, question: None, seen, waiting }
        })
    }

    fn queue(&mut self, channel: &Arc<str>, connection: Uuid) {
        let Some(of) = self.channels.get_mut(channel) else { return };
        let Some(subscription) = of.subscriptions.get_mut(&connection) else { return };
        if let Some(tie) = self.ties.get_mut(&of.home)
            && !std::mem::replace(&mut subscription.is_queued, true)
        {
            tie.queue.push_back(Item::Subscription(Arc::clone(channel), connection));
        }
    }

    /// Forgets a channel of which nothing is left.
    fn tidy(&mut self, channel: &Arc<str>) {
        let Some(of) = self.channels.get(channel) else { return };
        let asks = of.question.is_some() || !of.waiting.is_empty();
        if !asks {
            self.asking.remove(channel);
            if of.subscriptions.is_empty() {
                self.channels.remove(channel);
            }
        }
    }

    /// Other nodes are there than before: homes that are new are told of their channels.
    pub(super) fn rehome(&mut self, members: &Members) {
        self.ties.retain(|node, _| members.has(*node));
        for node in members.all() {
            let sessions = &mut self.sessions;
            self.ties.entry(node).or_insert_with(|| {
                *sessions += 1;
                Tie::new(*sessions, true)
            });
        }
        let mut moved = BTreeMap::new();
        for (channel, of) in &mut self.channels {
            let home = members.home(of.hash);
            let before = std::mem::replace(&mut of.home, home);
            if before != home {
                moved.insert(Arc::clone(channel), before);
            }
        }
        for tie in self.ties.values_mut() {
            tie.queue.retain(|item| !moved.contains_key(item.channel()));
        }
        #[cfg(test)]
        moved.retain(|_, _| !self.forgets_moves);
        for (channel, before) in moved {
            // If the home before is home again, subscribers that left meanwhile were not reported
            // to it.
            if let Some(tie) = self.ties.get_mut(&before) {
                tie.queue.push_back(Item::Anew(Arc::clone(&channel)));
            }
            self.tell_anew(members, &channel);
        }
    }

    /// The home of a channel is to be told of all of its subscribers, whatever it knew before.
    pub(super) fn tell_anew(&mut self, members: &Members, channel: &Arc<str>) {
        let home = members.home(fnv1a(channel.bytes()));
        let Some(tie) = self.ties.get_mut(&home) else { return };
        tie.queue.push_back(Item::Anew(Arc::clone(channel)));
        if let Some(of) = self.channels.get_mut(channel) {
            tell_all(tie, channel, of);
        }
        self.tidy(channel);
    }

    /// A home knows nothing of this node: it is told all, from the beginning.
    pub(super) fn begin_again(&mut self, home: NodeId) {
        let Some(tie) = self.ties.get_mut(&home) else { return };
        self.sessions += 1;
        *tie = Tie::new(self.sessions, false);
        let of_home = self.channels.iter_mut().filter(|(_, of)| of.home == home);
        of_home.for_each(|(channel, of)| tell_all(tie, channel, of));
    }

    /// Whether a home was told everything that it is to know while there are these nodes.
    pub(super) fn has_told(&self, home: NodeId, view: u64) -> bool {
        self.ties.get(&home).is_some_and(|tie| tie.told == Some(view) && tie.is_idle())
    }

    pub(super) fn tie(&mut self, home: NodeId) -> Option<&mut Tie> {
        self.ties.get_mut(&home)
    }

    pub(super) fn homes(&self) -> Vec<NodeId> {
        self.ties.keys().copied().collect()
    }

    /// What is to be sent to a home now: the next reports, if it knows those before, or these
    /// again. `may_be_whole`: they may be all that it is to know.
    pub(super) fn next_reports(
        &mut self,
        now: Duration,
        (me, home): (NodeId, NodeId),
        (view, may_be_whole): (u64, bool),
    ) -> Option<Message> {
        let tie = self.ties.get_mut(&home)?;
        if tie.may_send(may_be_whole.then_some(view)) {
            self.make_reports((me, home), (view, may_be_whole));
        }
        self.ties.get_mut(&home)?.take_due(now)
    }

    fn make_reports(&mut self, (me, home): (NodeId, NodeId), (view, may_be_whole): (u64, bool)) {
        let Some(tie) = self.ties.get_mut(&home) else { return };
        let (mut reports, mut bytes) = (Vec::new(), 0);
        let mut channels = Vec::new();
        while reports.len() < PRESENCE_BATCH
            && bytes < PRESENCE_BATCH_BYTES
            && let Some(item) = tie.queue.pop_front()
        {
            if let Item::Subscription(channel, _) = &item {
                channels.push(Arc::clone(channel));
            }
            let of = self.channels.get_mut(item.channel());
            if let Some(report) = report(item, of) {
                bytes += size(&report);
                reports.push(report);
            }
        }
        let whole = (tie.queue.is_empty() && may_be_whole).then_some(view);
        tie.send(me, whole, reports);
        channels.iter().for_each(|channel| self.tidy(channel));
    }
}

/// All subscribers of a channel are to be told.
fn tell_all<T>(tie: &mut Tie, channel: &Arc<str>, of: &mut Channel<T>) {
    of.subscriptions.retain(|_, subscription| subscription.is_there);
    for (connection, subscription) in &mut of.subscriptions {
        subscription.is_queued = true;
        tie.queue.push_back(Item::Subscription(Arc::clone(channel), *connection));
    }
    if let Some(question) = &of.question {
        tie.queue.push_back(Item::Ask(Arc::clone(channel), question.id));
    }
}

/// What a home is told by an item of its queue.
fn report<T>(item: Item, of: Option<&mut Channel<T>>) -> Option<Report> {
    Some(match item {
        Item::Anew(channel) => Report::Anew(channel.to_string()),
        Item::Ask(channel, id) => {
            let of = of?;
            of.question.as_ref().filter(|question| question.id == id)?;
            Report::Asked(channel.to_string(), id, of.seen.0)
        }
        Item::Subscription(channel, connection) => {
            let of = of?;
            let subscription = of.subscriptions.get_mut(&connection)?;
            subscription.is_queued = false;
            let (is_there, ended) = (subscription.is_there, subscription.ended);
            if is_there {
                let user = subscription.user.as_deref().map(Into::into);
                Report::Entered(channel.to_string(), connection, user)
            } else {
                of.subscriptions.remove(&connection);
                Report::Left(channel.to_string(), connection, ended)
            }
        }
    })
}

/// About as many bytes as it has in a message.
fn size(report: &Report) -> usize {
    let (Report::Anew(channel)
    | Report::Entered(channel, ..)
    | Report::Left(channel, ..)
    | Report::Asked(channel, ..)) = report;
    let user = match report {
        Report::Entered(_, _, Some(user)) => user.len(),
        _ => 0,
    };
    channel.len() + user + 100
}

#[cfg(test)]
impl<T> Attendance<T> {
    /// The subscriptions that count, with their users.
    pub(super) fn present(&self) -> Vec<(Arc<str>, Uuid, Option<Arc<str>>)> {
        let all = self.channels.iter();
        let of = |(channel, of): (&Arc<str>, &Channel<T>)| {
            let there = of.subscriptions.iter().filter(|(_, one)| one.is_there);
            let one =
                |(id, one): (&Uuid, &Subscription)| (Arc::clone(channel), *id, one.user.clone());
            there.map(one).collect::<Vec<_>>()
        };
        all.flat_map(of).collect()
    }
}
