//! The rosters that this node keeps, and what subscribers of their channels are told.

mod received;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use uringcast_engine::{Epoch, Member, PresenceList, RosterChange, Seq, Time};

use super::kept::{Kept, time};
use super::peer_nodes::{Members, NodeId};
use crate::limits::PRESENCE_UNDER_WAY;

/// An event that is to be published.
#[derive(Debug)]
pub(crate) struct Telling {
    /// Of what its outcome is.
    pub(crate) id: u64,
    /// The tokens of its channel.
    pub(crate) channel: Arc<str>,
    pub(crate) change: RosterChange,
    /// The members that are there with it, where it lists them.
    pub(crate) list: Option<PresenceList>,
}

/// The answer to a question of a node.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) to: NodeId,
    pub(super) ask: u64,
    pub(super) channel: Arc<str>,
    pub(super) list: PresenceList,
}

/// What has become of reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Received {
    Known,
    /// They do not follow what is known.
    Unknown,
    /// They are of an earlier session.
    Stale,
}

/// How much of what a node has told is known here.
#[derive(Debug)]
struct Source {
    session: u64,
    /// The number of the next message.
    next: u64,
    /// All is known that it had to tell while there were the nodes of this view.
    whole: Option<u64>,
}

/// The rosters at their home.
#[derive(Debug, Default)]
pub(super) struct Homes {
    /// Most connections in all rosters.
    room: usize,
    rosters: BTreeMap<Arc<str>, Kept>,
    sources: BTreeMap<NodeId, Source>,
    /// Nodes that have ever told something.
    met: BTreeSet<NodeId>,
    /// Connections in all rosters.
    connections: usize,
    /// Reports that there was no room for.
    pub(super) refused: u64,
    /// Channels that may have to notify their subscribers, each once.
    changed: VecDeque<Arc<str>>,
    /// Members that have left, by the time at which they are looked at.
    lingering: BinaryHeap<Reverse<(Time, Arc<str>, Member)>>,
    /// Channels that are looked at again: members to be counted, or an event that failed.
    later: BinaryHeap<Reverse<(Duration, Arc<str>)>>,
    /// Events without a known outcome yet, with their channels.
    under_way: BTreeMap<u64, Arc<str>>,
    told: u64,
    answers: VecDeque<Answer>,
    epoch: u64,
    #[cfg(test)]
    pub(super) fault: Option<super::sim::Fault>,
}

impl Homes {
    /// None yet, and room for so many connections in all of them.
    pub(super) fn new(room: usize) -> Homes {
        Homes { room, ..Homes::default() }
    }

    // What subscribers are told.

    fn note(&mut self, channel: &Arc<str>) {
        let Some(kept) = self.rosters.get_mut(channel) else { return };
        if !std::mem::replace(&mut kept.is_changed, true) {
            self.changed.push_back(Arc::clone(channel));
        }
    }

    /// Times have come.
    pub(super) fn handle_timers(&mut self, now: Duration) {
        while self.lingering.peek().is_some_and(|Reverse((at, ..))| *at <= time(now))
            && let Some(Reverse((_, channel, member))) = self.lingering.pop()
        {
            let Some(kept) = self.rosters.get_mut(&channel) else { continue };
            match kept.roster.expire(&member, time(now)) {
                Some(again) => self.lingering.push(Reverse((again, channel, member))),
                None => self.note(&channel),
            }
        }
        while self.later.peek().is_some_and(|Reverse((at, _))| *at <= now)
            && let Some(Reverse((_, channel))) = self.later.pop()
        {
            if let Some(kept) = self.rosters.get_mut(&channel) {
                kept.is_later = false;
            }
            self.note(&channel);
        }
    }

    /// Which nodes there are is settled: rosters that others keep now are theirs.
    pub(super) fn give_up_others(&mut self, members: &Members) {
        let me = members.me();
        let mut gone = 0;
        self.rosters.retain(|_, kept| {
            let stays = members.home(kept.hash) == me || kept.is_under_way();
            gone += if stays { 0 } else { kept.roster.connections() };
            stays
        });
        self.connections -= gone;
    }

    /// The channels in the rosters here that other nodes keep.
    pub(super) fn of_others(&self, members: &Members) -> Vec<Arc<str>> {
        let me = members.me();
        let of_others = self.rosters.iter().filter(|(_, kept)| members.home(kept.hash) != me);
        of_others.map(|(channel, _)| Arc::clone(channel)).collect()
    }

    /// Whether events are under way in channels that other nodes keep.
    pub(super) fn interferes(&self, members: &Members) -> bool {
        let me = members.me();
        let of_others = |channel: &Arc<str>| {
            self.rosters.get(channel).is_some_and(|kept| members.home(kept.hash) != me)
        };
        self.under_way.values().any(of_others)
    }

    /// The next events to be published, all of one channel. Call it until there are none.
    /// `is_settled`: no node tells this one of channels that another one keeps.
    pub(super) fn poll_tellings(
        &mut self,
        now: Duration,
        members: &Members,
        is_settled: bool,
    ) -> Vec<Telling> {
        while self.under_way.len() < PRESENCE_UNDER_WAY
            && let Some(channel) = self.changed.pop_front()
        {
            let Some(kept) = self.rosters.get_mut(&channel) else { continue };
            kept.is_changed = false;
            if kept.is_under_way() {
                // It is looked at again with the outcome.
                continue;
            }
            if members.home(kept.hash) != members.me() {
                if is_settled {
                    self.remove(&channel);
                }
                continue;
            }
            let changes = kept.changes(now);
            if changes.is_empty() {
                self.settle(&channel);
                continue;
            }
            kept.begin(changes.len(), self.epoch);
            let mut tellings = Vec::with_capacity(changes.len());
            for change in changes {
                let says_all = matches!(change, RosterChange::Count | RosterChange::List);
                let list = says_all.then(|| kept.list(Epoch(self.epoch)));
                self.told += 1;
                self.under_way.insert(self.told, Arc::clone(&channel));
                let channel = Arc::clone(&channel);
                tellings.push(Telling { id: self.told, channel, change, list });
            }
            return tellings;
        }
        Vec::new()
    }

    /// Nothing is to be told of a channel now.
    fn settle(&mut self, channel: &Arc<str>) {
        let Some(kept) = self.rosters.get_mut(channel) else { return };
        if kept.is_told() {
            answer(&mut self.answers, Epoch(self.epoch), (channel, kept));
        }
        if let Some(at) = kept.next_look().filter(|_| !kept.is_later) {
            kept.is_later = true;
            self.later.push(Reverse((at, Arc::clone(channel))));
        }
        if kept.is_told() && kept.roster.is_empty() {
            self.remove(channel);
        }
    }

    fn remove(&mut self, channel: &Arc<str>) {
        let kept = self.rosters.remove(channel);
        self.connections -= kept.map_or(0, |kept| kept.roster.connections());
    }

    /// The outcome of an event: its position, if it is known to be published.
    pub(super) fn handle_told(&mut self, now: Duration, id: u64, seq: Option<Seq>) {
        let Some(channel) = self.under_way.remove(&id) else { return };
        #[cfg(test)]
        let seq = seq.or_else(|| (self.fault? == super::sim::Fault::Failures).then_some(Seq(0)));
        let Some(kept) = self.rosters.get_mut(&channel) else { return };
        if kept.end(now, seq, self.epoch) {
            if kept.is_told() {
                let asked = kept.take_answering();
                give(&mut self.answers, Epoch(self.epoch), (&channel, kept), asked);
            }
            self.note(&channel);
        }
    }

    /// Positions of another epoch mean nothing any more, and its events are gone.
    pub(super) fn begin_epoch(&mut self, epoch: Epoch) {
        self.epoch = epoch.0;
        self.rosters.values_mut().for_each(|kept| kept.seq = Seq(0));
        self.lose_sight();
    }

    /// It is not known any more what subscribers of any channel were told.
    pub(super) fn lose_sight(&mut self) {
        #[cfg(test)]
        if self.fault == Some(super::sim::Fault::Absence) {
            return;
        }
        let channels: Vec<_> = self.rosters.keys().cloned().collect();
        for channel in channels {
            if let Some(kept) = self.rosters.get_mut(&channel) {
                kept.lose_sight();
            }
            self.note(&channel);
        }
    }

    pub(super) fn poll_answer(&mut self) -> Option<Answer> {
        self.answers.pop_front()
    }
}

/// Answers all nodes that ask.
fn answer(answers: &mut VecDeque<Answer>, epoch: Epoch, (channel, kept): (&Arc<str>, &mut Kept)) {
    let asked = kept.take_asked();
    give(answers, epoch, (channel, kept), asked);
}

fn give(
    answers: &mut VecDeque<Answer>,
    epoch: Epoch,
    (channel, kept): (&Arc<str>, &Kept),
    asked: Vec<(NodeId, u64)>,
) {
    for (to, ask) in asked {
        let (channel, list) = (Arc::clone(channel), kept.list(epoch));
        answers.push_back(Answer { to, ask, channel, list });
    }
}

#[cfg(test)]
mod tests;
