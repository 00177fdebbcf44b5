//! The members of one channel, and what was reported of them to its subscribers.

mod change;
mod handover;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use uuid::Uuid;

pub use self::change::RosterChange;
use crate::limits::{PRESENCE_COUNTS, PRESENCE_NAMED};
use crate::types::{Epoch, Member, PresenceList, Present, Seq, Time};

/// The members of a channel, and what was reported of them to its subscribers. The channel's home
/// or the external order keeps it, passes it what happens, and publishes the changes. Few members
/// are named one by one; many are counted.
#[derive(Debug)]
pub struct Roster {
    of_connection: HashMap<Uuid, Member>,
    members: BTreeMap<Member, Standing>,
    /// Members that may have to be reported to subscribers, each once.
    changed: VecDeque<Member>,
    /// How many members were told of that are there still, for subscribers.
    told: usize,
    /// Whether subscribers are told of each.
    named: bool,
    /// When the members were counted last, and whether their number has changed since.
    counted: Option<Time>,
    recount: bool,
}

/// How a member stands.
#[derive(Debug, Default)]
struct Standing {
    connections: u32,
    /// Whether subscribers were told that it is there.
    told: bool,
    /// Whether it is listed as changed.
    changed: bool,
    /// It is not there any more once this time has come, unless it comes back.
    until: Option<Time>,
    /// Whether it is looked at when its time comes.
    awaited: bool,
}

impl Default for Roster {
    fn default() -> Roster {
        Roster {
            of_connection: HashMap::new(),
            members: BTreeMap::new(),
            changed: VecDeque::new(),
            told: 0,
            named: true,
            counted: None,
            recount: false,
        }
    }
}

impl Roster {
    /// A connection has subscribed, as this user. Returns whether it had not before. One that is
    /// another member from now on must leave first.
    pub fn enter(&mut self, connection: Uuid, user: Option<Arc<str>>) -> bool {
        let member = user.map_or(Member::Connection(connection), Member::User);
        if let Some(before) = self.of_connection.insert(connection, member.clone()) {
            debug_assert_eq!(before, member, "a connection enters once");
            return false;
        }
        let standing = self.members.entry(member.clone()).or_default();
        standing.connections += 1;
        standing.until = None;
        self.note(member);
        true
    }

    /// Whether a connection is subscribed.
    #[must_use]
    pub fn has(&self, connection: Uuid) -> bool {
        self.of_connection.contains_key(&connection)
    }

    /// The member that a connection is.
    #[must_use]
    pub fn member(&self, connection: Uuid) -> Option<&Member> {
        self.of_connection.get(&connection)
    }

    /// A connection has unsubscribed, or has `ended`. If it was the last one of a member that may
    /// come back, returns that member, to be looked at when `until` has come, unless a look is
    /// planned already. If it does not come back, it is there until then.
    pub fn leave(&mut self, connection: Uuid, ended: bool, until: Time) -> Option<Member> {
        let member = self.of_connection.remove(&connection)?;
        let standing = self.members.get_mut(&member)?;
        standing.connections -= 1;
        if standing.connections > 0 {
            return None;
        }
        // A connection that has ended is never the same member again.
        let may_come_back = standing.told && (matches!(member, Member::User(_)) || !ended);
        standing.until = may_come_back.then_some(until);
        if !may_come_back {
            self.note(member);
            return None;
        }
        (!std::mem::replace(&mut standing.awaited, true)).then_some(member)
    }

    /// The time of a member that has left may have come. Returns when to look again, if it has left
    /// again meanwhile.
    pub fn expire(&mut self, member: &Member, now: Time) -> Option<Time> {
        let standing = self.members.get_mut(member)?;
        standing.awaited = standing.until.is_some_and(|until| until > now);
        if standing.awaited {
            return standing.until;
        }
        if standing.until.take().is_some() {
            self.note(member.clone());
        }
        None
    }

    fn note(&mut self, member: Member) {
        let Some(standing) = self.members.get_mut(&member) else { return };
        if !std::mem::replace(&mut standing.changed, true) {
            self.changed.push_back(member);
        }
    }

    /// The next thing to tell subscribers, if there is one now.
    pub fn next_change(&mut self, now: Time) -> Option<RosterChange> {
        if self.named && self.members.len() > PRESENCE_NAMED {
            (self.named, self.counted) = (false, None);
        }
        while let Some(member) = self.changed.pop_front() {
            let change = self.take_change(member);
            if self.named && change.is_some() {
                return change;
            }
            self.recount |= change.is_some();
        }
        if self.named {
            return None;
        }
        if self.members.len() <= PRESENCE_NAMED / 2 {
            (self.named, self.recount) = (true, false);
            return Some(RosterChange::List);
        }
        let is_due = self.counted.is_none_or(|at| now >= at + PRESENCE_COUNTS);
        (self.recount && is_due).then(|| {
            (self.recount, self.counted) = (false, Some(now));
            RosterChange::Count
        })
    }

    /// Whether a member has come or gone since subscribers were told last; they count as told now.
    fn take_change(&mut self, member: Member) -> Option<RosterChange> {
        let standing = self.members.get_mut(&member)?;
        standing.changed = false;
        let is_there = standing.connections > 0 || standing.until.is_some();
        let was_there = std::mem::replace(&mut standing.told, is_there);
        if !is_there {
            self.members.remove(&member);
        }
        match (was_there, is_there) {
            (false, true) => {
                self.told += 1;
                Some(RosterChange::Join(member))
            }
            (true, false) => {
                self.told -= 1;
                Some(RosterChange::Leave(member))
            }
            _ => None,
        }
    }

    /// It is not known any more what was reported to subscribers: they get the members, as the list
    /// then has them.
    pub fn tell_anew(&mut self) -> RosterChange {
        self.changed.clear();
        let is_there = |standing: &Standing| standing.connections > 0 || standing.until.is_some();
        self.members.retain(|_, standing| {
            (standing.told, standing.changed) = (true, false);
            is_there(standing)
        });
        self.told = self.members.len();
        self.named = self.told <= PRESENCE_NAMED;
        (self.recount, self.counted) = (false, None);
        RosterChange::List
    }

    /// When it must be asked again for a change: its members are to be counted then.
    #[must_use]
    pub fn next_count(&self) -> Option<Time> {
        self.counted.filter(|_| self.recount && !self.named).map(|at| at + PRESENCE_COUNTS)
    }

    /// Whether no member is there or may come back, and that was reported to all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Members that subscribers were told of.
    #[must_use]
    pub fn count(&self) -> usize {
        self.told
    }

    /// Their subscribed connections.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.of_connection.len()
    }

    /// The members that subscribers were told of, unless they are too many.
    #[must_use]
    pub fn members(&self) -> Option<Vec<Present>> {
        let told = self.members.iter().filter(|(_, standing)| standing.told);
        let one = |(member, standing): (&Member, &Standing)| Present {
            member: member.clone(),
            connections: standing.connections,
        };
        self.named.then(|| told.map(one).collect())
    }

    /// The members, as reported to subscribers until a position.
    #[must_use]
    pub fn list(&self, epoch: Epoch, seq: Seq) -> PresenceList {
        let (count, connections) = (self.count(), self.connections());
        PresenceList { epoch, seq, count, connections, members: self.members() }
    }
}

#[cfg(test)]
impl Roster {
    /// The member of each subscribed connection.
    pub(crate) fn of_connections(&self) -> &HashMap<Uuid, Member> {
        &self.of_connection
    }
}

#[cfg(test)]
mod tests;
