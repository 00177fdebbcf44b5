//! The role of every other shard with subscribers: the channel's home serves it.

use super::log::Log;
use super::subscription_start::Start;
use crate::types::{AddressGroup, Seq, ShardId};
use crate::types::{JoinToken, OperationId};

/// A shard's tie to a channel's home.
#[derive(Debug)]
pub(super) struct Replica {
    pub(super) home: ShardId,
    /// The address of the subscriber that made it, unless that is the engine's own.
    pub(super) address: Option<AddressGroup>,
    state: ReplicaState,
    /// The current join; a notice with another one is stale.
    token: JoinToken,
    /// Oldest position a waiting subscriber asked for.
    since: Option<Seq>,
    /// Most messages up to the home's head that one asked for.
    last: u64,
    /// Whether one asked for the newest messages of keys.
    latest: bool,
    /// Whether those are here that the home's log has dropped.
    has_kept: bool,
    /// The home's log began at this position when it answered the last join.
    floor: Seq,
    /// Whether it stands in the list of channels that must ask their home.
    asked: bool,
    /// A leave was sent and not answered: frames sent before it may still come.
    parting: bool,
    /// The current join began while the home served it.
    resumes: bool,
    /// Operations to go on with once joined.
    waiting: Vec<OperationId>,
    /// Subscribers that follow the channel's context, as the home was told last.
    told: u32,
}

/// How far a shard is with a channel of another home.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReplicaState {
    /// The home sends nothing.
    Absent,
    /// A join must be sent, or is on its way.
    Joining,
    /// Every message arrives.
    Live,
    /// A leave must be sent: no subscriber is left.
    Leaving,
}

impl ReplicaState {
    /// The table of legal moves; a join may be repeated from every state.
    fn may_become(self, next: ReplicaState) -> bool {
        use ReplicaState::{Absent, Joining, Leaving, Live};
        matches!((self, next), (_, Joining) | (Joining | Leaving, Live | Absent) | (Live, Leaving))
    }
}

/// What a replica lacks for a subscriber.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Readiness {
    /// Nothing.
    Live,
    /// The answer to a join that is under way.
    Waiting,
    /// A join, from [`Replica::since`] on.
    MustJoin,
}

impl Replica {
    pub(super) fn new(home: ShardId, address: Option<AddressGroup>) -> Replica {
        Replica {
            home,
            address,
            state: ReplicaState::Absent,
            token: JoinToken::default(),
            since: None,
            last: 0,
            latest: false,
            has_kept: false,
            floor: Seq(0),
            asked: false,
            parting: false,
            resumes: false,
            waiting: Vec::new(),
            told: 0,
        }
    }

    /// One that its home serves already, by a join with this token; the home's log begins at
    /// `floor`.
    pub(super) fn served(
        (home, token): (ShardId, JoinToken),
        address: Option<AddressGroup>,
        (floor, has_kept): (Seq, bool),
    ) -> Replica {
        let state = ReplicaState::Live;
        Replica { state, token, floor, has_kept, ..Replica::new(home, address) }
    }

    pub(super) fn state(&self) -> ReplicaState {
        self.state
    }

    /// Whether nothing of the home is on its way.
    pub(super) fn is_unlinked(&self) -> bool {
        self.state == ReplicaState::Absent && !self.parting
    }

    /// Makes a legal move, or aborts: an illegal one is our own bug.
    fn become_state(&mut self, next: ReplicaState) {
        assert!(self.state.may_become(next), "{:?} -> {next:?}", self.state);
        self.state = next;
    }

    /// Whether the answer to a join is the one to the current join.
    pub(super) fn awaits(&self, token: JoinToken) -> bool {
        self.token == token && self.state == ReplicaState::Joining
    }

    /// Whether a frame or gap belongs to the current join. A leave not sent yet may be undone.
    pub(super) fn is_served(&self, token: JoinToken) -> bool {
        self.token == token && matches!(self.state, ReplicaState::Live | ReplicaState::Leaving)
    }

    pub(super) fn wait(&mut self, operation: OperationId) {
        self.waiting.push(operation);
    }

    pub(super) fn take_waiting(&mut self) -> Vec<OperationId> {
        std::mem::take(&mut self.waiting)
    }

    /// What a subscriber needs of the home that begins there. `delivered`: what the subscribers
    /// that are there have.
    pub(super) fn prepare(&mut self, log: &Log, delivered: Seq, start: Start) -> Readiness {
        let is_served = matches!(self.state, ReplicaState::Live | ReplicaState::Leaving);
        // The home is asked only for what it may have and this log has not.
        let (first, last) = match start {
            // How far the home is now is not known here.
            Start::Last(n) if !is_served && !self.resumes => (None, n),
            Start::Last(n) if self.lacks_last(log, delivered, n) => (None, n),
            _ => (start.needs(log, delivered, self.floor), 0),
        };
        let reaches = first.is_none_or(|first| {
            let here = log.first().0..=log.head().next().0;
            here.contains(&first.0)
        });
        let latest = start == Start::Latest;
        let reaches = reaches && last == 0 && (!latest || self.has_kept);
        let since = first.map(|first| Seq(first.0.saturating_sub(1)));
        match self.state {
            ReplicaState::Live if reaches => return Readiness::Live,
            ReplicaState::Leaving if reaches => {
                // The leave was not sent yet.
                self.become_state(ReplicaState::Live);
                return Readiness::Live;
            }
            // What is here already says nothing: the join may leave a hole behind it.
            ReplicaState::Joining
                if last <= self.last
                    && latest <= self.latest
                    && since.is_none_or(|a| self.since.is_some_and(|b| b <= a)) =>
            {
                return Readiness::Waiting;
            }
            _ => {}
        }
        self.since = oldest(self.since, since);
        (self.last, self.latest) = (self.last.max(last), self.latest || latest);
        Readiness::MustJoin
    }

    /// Whether the log has fewer than the last `n` messages that subscribers have, and its home may
    /// have more. Where messages are neighbours, their positions say so.
    fn lacks_last(&self, log: &Log, delivered: Seq, n: u64) -> bool {
        log.is_sparse() && (log.frames_to(delivered) as u64) < n && log.first() > self.floor
    }

    /// Must join anew. Returns whether its home is to be listed for a request.
    pub(super) fn begin_join(&mut self, token: JoinToken, head: Seq) -> bool {
        self.token = token;
        // Another join in the meantime changes nothing about where the subscribers stand.
        let is_served = matches!(self.state, ReplicaState::Live | ReplicaState::Leaving);
        self.resumes |= is_served;
        if is_served {
            // Operations that found it so will stand at its head before the answer arrives.
            self.since = oldest(self.since, Some(head));
        }
        self.become_state(ReplicaState::Joining);
        !std::mem::replace(&mut self.asked, true)
    }

    /// Must leave. Returns whether its home is to be listed for a request.
    pub(super) fn begin_leave(&mut self) -> bool {
        self.become_state(ReplicaState::Leaving);
        !std::mem::replace(&mut self.asked, true)
    }

    /// The current join, and from which position on it asks for the log, for how many messages up
    /// to its head, and whether for the newest of keys. `live` is the head where subscribers are
    /// live: they must not miss what is published between two joins.
    pub(super) fn join(&self, live: Option<Seq>) -> (JoinToken, Option<Seq>, u64, bool) {
        (self.token, oldest(self.since, live), self.last, self.latest)
    }

    /// Whether the home has to be told of so many followers of its context: a join does.
    pub(super) fn must_tell(&self, followers: u32) -> bool {
        let (less, more) = (self.told.min(followers), self.told.max(followers));
        self.state == ReplicaState::Live && more >= 2 * less && more > less
    }

    /// The request to its home was sent, or is no longer needed. A join told it of so many
    /// followers of its context.
    pub(super) fn sent(&mut self, followers: u32) {
        self.asked = false;
        if self.state == ReplicaState::Joining {
            self.told = followers;
        }
        if self.state == ReplicaState::Leaving {
            self.become_state(ReplicaState::Absent);
            self.parting = true;
        }
    }

    /// The home has answered the leave.
    pub(super) fn left(&mut self) {
        self.parting = false;
    }

    /// Whether the log here is whole up to where the current join goes on.
    pub(super) fn resumes(&self) -> bool {
        self.resumes
    }

    /// The home refused the join.
    pub(super) fn refused(&mut self) {
        self.resumes = false;
        self.become_state(ReplicaState::Absent);
    }

    /// The log here begins anew in another epoch: what was asked by position is over.
    pub(super) fn begin_epoch(&mut self) {
        (self.since, self.last, self.latest, self.resumes) = (None, 0, false, false);
        if self.is_served(self.token) {
            self.become_state(ReplicaState::Joining);
        }
    }

    /// The log here begins anew: what the home had is open again.
    pub(super) fn reset_floor(&mut self) {
        (self.floor, self.has_kept) = (Seq(0), false);
    }

    /// The home had nothing before this position when it answered the last join.
    pub(super) fn floor(&self) -> Seq {
        self.floor
    }

    /// The home serves it from now on; the home's log starts at `floor`.
    pub(super) fn joined(&mut self, floor: Seq) {
        self.become_state(ReplicaState::Live);
        (self.resumes, self.floor) = (false, floor);
        (self.since, self.last) = (None, 0);
        self.has_kept |= std::mem::take(&mut self.latest);
    }
}

/// The older one of two positions.
pub(super) fn oldest(a: Option<Seq>, b: Option<Seq>) -> Option<Seq> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
