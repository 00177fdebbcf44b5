//! Presence: the members of the channels of a class that keeps it. Every shard reports its
//! connections to a channel's home; the home keeps the roster, and what changes in it becomes
//! events of the channel's log.

mod handover;
mod reports;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::sync::Arc;

use slab::Slab;
use uuid::Uuid;

use self::reports::Reports;
pub(super) use self::reports::Untold;
use crate::config::PresenceReport;
use crate::limits::{PRESENCE_LINGER, PRESENCE_QUESTIONS, per_lane};
use crate::roster::{Roster, RosterChange};
use crate::types::{
    ChannelName, ConnectionKey, Epoch, Member, PresenceEnd, PresenceList, RequestId, Seq, ShardId,
    Time,
};

/// A shard's part in presence: what it tells, and the rosters of channels homed here.
#[derive(Debug)]
pub(super) struct Presence {
    reports: Reports,
    asks: Slab<Ask>,
    /// Of each connection that asks, how many questions are not answered.
    asking: HashMap<ConnectionKey, u32>,
    rosters: HashMap<ChannelName, Kept>,
    /// Connections in all of them.
    connections: usize,
    /// Channels with subscribers that may have to be notified, each once.
    changed: VecDeque<ChannelName>,
    /// Members that have left, each once, by the time at which they are looked at.
    lingering: BinaryHeap<Reverse<(Time, ChannelName, Member)>>,
    /// Channels with members to be counted, each once, in the order in which their time comes.
    counting: VecDeque<(Time, ChannelName)>,
    /// Whether an iteration had no time for all that was to be told.
    has_more: bool,
    /// Homes that have not answered the last reports, by shard.
    reporting: Vec<bool>,
    /// Questions that a home has not answered, by shard.
    open: Vec<usize>,
    /// What an external order was told or asked for channels homed here and has not answered.
    open_outside: usize,
    /// The saboteur of the simulation: now and then a home is not notified of a member that left.
    #[cfg(test)]
    pub(super) forgetful: bool,
}

#[derive(Debug, Default)]
struct Kept {
    roster: Roster,
    is_changed: bool,
    is_counting: bool,
}

/// A client that is to get the list of members.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) key: ConnectionKey,
    pub(super) channel: ChannelName,
    /// The request that it answers, with its correlation; `None`: it is an event of its own.
    pub(super) request: Option<Option<Box<str>>>,
}

impl Presence {
    pub(super) fn new(shards: usize) -> Presence {
        Presence {
            reports: Reports::new(shards),
            asks: Slab::new(),
            asking: HashMap::new(),
            rosters: HashMap::new(),
            connections: 0,
            changed: VecDeque::new(),
            lingering: BinaryHeap::new(),
            counting: VecDeque::new(),
            has_more: false,
            reporting: vec![false; shards],
            open: vec![0; shards],
            open_outside: 0,
            #[cfg(test)]
            forgetful: false,
        }
    }

    // The shard of a subscriber.

    /// A connection has subscribed by name to a channel of a class that keeps presence.
    pub(super) fn enter(
        &mut self,
        home: ShardId,
        subscription: (ConnectionKey, ChannelName),
        connection: Uuid,
        user: Option<Arc<str>>,
    ) {
        self.reports.enter(home, subscription, connection, user);
    }

    /// A connection counts no more.
    pub(super) fn leave(
        &mut self,
        home: ShardId,
        subscription: (ConnectionKey, ChannelName),
        why: PresenceEnd,
    ) {
        self.reports.leave(home, subscription, why);
    }

    /// Whether nothing is to be told of anybody.
    pub(super) fn is_unused(&self) -> bool {
        self.reports.is_empty() && self.asks.is_empty() && self.rosters.is_empty()
    }

    /// Whether no connection of this shard counts anywhere.
    pub(super) fn has_none(&self) -> bool {
        self.reports.is_empty()
    }

    /// A client asks for the members.
    pub(super) fn ask(&mut self, home: ShardId, ask: Ask) {
        *self.asking.entry(ask.key).or_default() += 1;
        let channel = ask.channel.clone();
        let id = RequestId(self.asks.insert(ask) as u32);
        self.reports.ask(home, id, channel);
    }

    /// The answer to a question says nothing: it is asked anew.
    pub(super) fn ask_again(&mut self, home: ShardId, id: RequestId) {
        let channel = self.asks[id.index()].channel.clone();
        self.reports.ask(home, id, channel);
    }

    /// Whether a connection has asked and is not answered: what it sends waits, so that what it
    /// asks is bounded.
    pub(super) fn is_asking(&self, key: ConnectionKey) -> bool {
        self.asking.contains_key(&key)
    }

    /// The connection is on its way out.
    pub(super) fn forget(&mut self, key: ConnectionKey) {
        self.asking.remove(&key);
    }

    /// A question was answered.
    pub(super) fn answered(&mut self, id: RequestId) -> Ask {
        let ask = self.asks.remove(id.index());
        if let Some(asking) = self.asking.get_mut(&ask.key) {
            *asking -= 1;
            if *asking == 0 {
                self.asking.remove(&ask.key);
            }
        }
        ask
    }

    /// Whether a home is to be told something, and knows what it was told before.
    pub(super) fn may_report(&self, home: ShardId) -> bool {
        self.reports.has(home) && !self.reporting[home.index()]
    }

    /// A home is being told something, or knows it now.
    pub(super) fn set_reporting(&mut self, home: ShardId, reporting: bool) {
        self.reporting[home.index()] = reporting;
    }

    /// How many questions a home may be asked now.
    pub(super) fn room(&self, home: ShardId) -> usize {
        per_lane(PRESENCE_QUESTIONS, self.open.len()) - self.open[home.index()]
    }

    /// What a home is to be told next, and asked behind that: at most so many questions.
    pub(super) fn take(&mut self, home: ShardId, questions: usize) -> Untold {
        let untold = self.reports.take(home, questions);
        self.open[home.index()] += untold.questions.len();
        #[cfg(test)]
        if self.forgetful {
            let mut untold = untold;
            untold.reports.retain(|report| match report {
                PresenceReport::Left { connection, .. } => connection.as_bytes()[15] % 4 > 0,
                PresenceReport::Entered { .. } => true,
            });
            return untold;
        }
        untold
    }

    /// A home has answered a question, or cannot.
    pub(super) fn end_question(&mut self, home: ShardId) {
        self.open[home.index()] -= 1;
    }

    // The home of a channel.

    /// An external order is told or asked something.
    pub(super) fn wait_outside(&mut self) {
        self.open_outside += 1;
    }

    /// It has answered.
    pub(super) fn answered_outside(&mut self) {
        self.open_outside -= 1;
    }

    /// Whether this shard, or another one, waits for the external order.
    pub(super) fn awaits_upstream(&self) -> bool {
        self.open_outside > 0
    }

    /// A shard has told something of its subscribers.
    pub(super) fn handle(&mut self, reports: Vec<PresenceReport>, now: Time) {
        for report in reports {
            match report {
                PresenceReport::Entered { channel, connection, user } => {
                    let kept = self.rosters.entry(channel.clone()).or_default();
                    self.connections += usize::from(kept.roster.enter(connection, user));
                    self.note(channel);
                }
                // What is told here from now on is for those that stay behind.
                PresenceReport::Left { why: PresenceEnd::HandedOver, .. } => {}
                PresenceReport::Left { channel, connection, why } => {
                    let Some(kept) = self.rosters.get_mut(&channel) else { continue };
                    let until = now + PRESENCE_LINGER;
                    self.connections -= usize::from(kept.roster.has(connection));
                    let ended = why == PresenceEnd::Ended;
                    if let Some(member) = kept.roster.leave(connection, ended, until) {
                        self.lingering.push(Reverse((until, channel.clone(), member)));
                    }
                    self.note(channel);
                }
            }
        }
    }

    fn note(&mut self, channel: ChannelName) {
        let Some(kept) = self.rosters.get_mut(&channel) else { return };
        if !std::mem::replace(&mut kept.is_changed, true) {
            self.changed.push_back(channel);
        }
    }

    /// Times of members have come, and those of channels to be counted.
    pub(super) fn expire(&mut self, now: Time) {
        while self.lingering.peek().is_some_and(|Reverse((at, ..))| *at <= now)
            && let Some(Reverse((_, channel, member))) = self.lingering.pop()
        {
            let Some(kept) = self.rosters.get_mut(&channel) else { continue };
            match kept.roster.expire(&member, now) {
                Some(again) => self.lingering.push(Reverse((again, channel, member))),
                None => self.note(channel),
            }
        }
        while self.counting.front().is_some_and(|(at, _)| *at <= now)
            && let Some((_, channel)) = self.counting.pop_front()
        {
            if let Some(kept) = self.rosters.get_mut(&channel) {
                kept.is_counting = false;
            }
            self.note(channel);
        }
    }

    /// The next channel with subscribers that may have to be notified.
    pub(super) fn next_changed(&mut self) -> Option<ChannelName> {
        self.changed.pop_front()
    }

    /// Whether there is more to tell than one iteration could.
    pub(super) fn has_more(&self) -> bool {
        self.has_more
    }

    pub(super) fn set_more(&mut self, has_more: bool) {
        self.has_more = has_more;
    }

    /// Its subscribers cannot be told now: it is asked again.
    pub(super) fn put_back(&mut self, channel: ChannelName) {
        self.changed.push_front(channel);
    }

    /// The next thing to tell a channel's subscribers.
    pub(super) fn next_change(&mut self, channel: &ChannelName, now: Time) -> Option<RosterChange> {
        let kept = self.rosters.get_mut(channel)?;
        if let Some(change) = kept.roster.next_change(now) {
            return Some(change);
        }
        kept.is_changed = false;
        if let Some(at) = kept.roster.next_count().filter(|_| !kept.is_counting) {
            kept.is_counting = true;
            self.counting.push_back((at, channel.clone()));
        }
        if kept.roster.is_empty() {
            self.rosters.remove(channel);
        }
        None
    }

    /// The members, as a channel's subscribers were told until this position.
    pub(super) fn list(&self, channel: &ChannelName, epoch: Epoch, seq: Seq) -> PresenceList {
        let Some(Kept { roster, .. }) = self.rosters.get(channel) else {
            return PresenceList {
                epoch,
                seq,
                count: 0,
                connections: 0,
                members: Some(Vec::new()),
            };
        };
        roster.list(epoch, seq)
    }

    /// Subscribed connections in the rosters of channels homed here.
    pub(super) fn connections(&self) -> usize {
        self.connections
    }

    /// Subscriptions of this shard's connections that count.
    pub(super) fn subscriptions(&self) -> usize {
        self.reports.len()
    }
}

#[cfg(test)]
mod presence_invariants;
