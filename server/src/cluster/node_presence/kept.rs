//! The roster of one channel at its home, and what is known of what its subscribers were told.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use uringcast_engine::{Epoch, Member, PresenceList, Roster, RosterChange, Seq, Time};
use uuid::Uuid;

use super::peer_nodes::NodeId;
use crate::cluster::subjects::fnv1a;
use crate::limits::{PRESENCE_LIST_BYTES, PRESENCE_RETRY};

/// One channel.
#[derive(Debug)]
pub(super) struct Kept {
    /// Of its tokens.
    pub(super) hash: u64,
    pub(super) roster: Roster,
    /// Each connection with the node that has told of it: both where it was handed over, as what
    /// the node before has told may come late.
    told_by: BTreeSet<(Uuid, NodeId)>,
    /// Whether it is known what subscribers were sent: if not, they are sent the list anew.
    is_told: bool,
    /// Events without a known outcome yet, and whether that of one was bad.
    under_way: usize,
    has_failed: bool,
    /// In which they were published.
    epoch: u64,
    /// The position of the last one that is known to be published.
    pub(super) seq: Seq,
    /// Nothing is told before.
    again_at: Duration,
    /// Whether it is listed as changed.
    pub(super) is_changed: bool,
    /// Whether it is looked at again later.
    pub(super) is_later: bool,
    /// Nodes that ask, each once: answered with what is published next, or now where nothing is.
    asked: Vec<(NodeId, u64)>,
    /// Nodes to be answered with the outcome of what is under way.
    answering: Vec<(NodeId, u64)>,
}

impl Kept {
    pub(super) fn new(tokens: &str) -> Kept {
        Kept {
            hash: fnv1a(tokens.bytes()),
            roster: Roster::default(),
            told_by: BTreeSet::new(),
            is_told: false,
            under_way: 0,
            has_failed: false,
            epoch: 0,
            seq: Seq(0),
            again_at: Duration::ZERO,
            is_changed: false,
            is_later: false,
            asked: Vec::new(),
            answering: Vec::new(),
        }
    }

    /// Whether a connection was another member until now.
    pub(super) fn was_other(&self, connection: Uuid, user: Option<&Arc<str>>) -> bool {
        let is = |member: &Member| match member {
            Member::User(known) => user == Some(known),
            Member::Connection(_) => user.is_none(),
        };
        self.roster.member(connection).is_some_and(|member| !is(member))
    }

    /// A connection of a node has subscribed. Returns whether it is new.
    pub(super) fn enter(&mut self, from: NodeId, connection: Uuid, user: Option<Arc<str>>) -> bool {
        self.told_by.insert((connection, from));
        self.roster.enter(connection, user)
    }

    /// A connection has subscribed no more. Returns a member to be looked at when `until` has come.
    pub(super) fn leave(&mut self, connection: Uuid, ended: bool, until: Time) -> Option<Member> {
        self.told_by.extract_if(of_connection(connection), |_| true).for_each(drop);
        self.roster.leave(connection, ended, until)
    }

    /// Whether this node has told of a connection.
    pub(super) fn is_of(&self, connection: Uuid, node: NodeId) -> bool {
        self.told_by.contains(&(connection, node))
    }

    pub(super) fn has_of(&self, node: NodeId) -> bool {
        self.told_by.iter().any(|(_, by)| *by == node)
    }

    /// What a node has told counts no more. Returns the connections that no other has told of.
    pub(super) fn forget(&mut self, node: NodeId) -> Vec<Uuid> {
        let of_node = self.told_by.extract_if(.., |(_, by)| *by == node);
        let mut gone: Vec<_> = of_node.map(|(connection, _)| connection).collect();
        gone.retain(|connection| self.told_by.range(of_connection(*connection)).next().is_none());
        gone
    }

    /// A node asks for the members, in the place of what it has asked before.
    pub(super) fn ask(&mut self, from: NodeId, ask: u64) {
        self.asked.retain(|(node, _)| *node != from);
        self.answering.retain(|(node, _)| *node != from);
        self.asked.push((from, ask));
    }

    /// It is not known any more what subscribers were told.
    pub(super) fn lose_sight(&mut self) {
        self.is_told = false;
        self.has_failed = self.under_way > 0;
    }

    pub(super) fn is_under_way(&self) -> bool {
        self.under_way > 0
    }

    /// Whether subscribers know the members, but for what is still to be published.
    pub(super) fn is_told(&self) -> bool {
        self.is_told && self.under_way == 0
    }

    /// What subscribers are to be told now.
    pub(super) fn changes(&mut self, now: Duration) -> Vec<RosterChange> {
        if now < self.again_at {
            return Vec::new();
        }
        if !self.is_told {
            return vec![self.roster.tell_anew()];
        }
        std::iter::from_fn(|| self.roster.next_change(time(now))).collect()
    }

    /// So many events are being published.
    pub(super) fn begin(&mut self, events: usize, epoch: u64) {
        (self.is_told, self.under_way, self.epoch) = (true, events, epoch);
        self.answering.append(&mut self.asked);
    }

    /// One of them has ended: at a position, if it is published. Returns whether it was the last.
    pub(super) fn end(&mut self, now: Duration, seq: Option<Seq>, epoch: u64) -> bool {
        self.under_way = self.under_way.saturating_sub(1);
        match seq.filter(|_| self.epoch == epoch) {
            Some(seq) => self.seq = self.seq.max(seq),
            None => self.has_failed = true,
        }
        let is_last = self.under_way == 0;
        if is_last && std::mem::take(&mut self.has_failed) {
            (self.is_told, self.again_at) = (false, now + PRESENCE_RETRY);
            self.asked.append(&mut self.answering);
        }
        is_last
    }

    /// When it is to be looked at again: members are to be counted, or told again.
    pub(super) fn next_look(&self) -> Option<Duration> {
        let counts = self.roster.next_count().map(|at| Duration::from_nanos(at.0));
        counts.or_else(|| (!self.is_told).then_some(self.again_at))
    }

    pub(super) fn take_asked(&mut self) -> Vec<(NodeId, u64)> {
        std::mem::take(&mut self.asked)
    }

    pub(super) fn take_answering(&mut self) -> Vec<(NodeId, u64)> {
        std::mem::take(&mut self.answering)
    }

    /// The members, as subscribers were notified of them. Where all names together are too long, no
    /// member is named.
    pub(super) fn list(&self, epoch: Epoch) -> PresenceList {
        let mut list = self.roster.list(epoch, self.seq);
        let bytes = |member: &Member| match member {
            Member::User(user) => user.len(),
            Member::Connection(_) => 0,
        };
        let all = list.members.iter().flatten();
        if all.map(|present| bytes(&present.member)).sum::<usize>() > PRESENCE_LIST_BYTES {
            list.members = None;
        }
        list
    }
}

/// What nodes have told of a connection.
fn of_connection(connection: Uuid) -> RangeInclusive<(Uuid, NodeId)> {
    (connection, NodeId(u64::MIN))..=(connection, NodeId(u64::MAX))
}

/// As rosters have it.
pub(super) fn time(now: Duration) -> Time {
    Time(u64::try_from(now.as_nanos()).unwrap_or(u64::MAX))
}
