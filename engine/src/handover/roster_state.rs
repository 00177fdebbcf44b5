//! The members of a channel.

use uuid::Uuid;

use crate::types::{ChannelName, Member, Time};

/// The members of a channel, as its home had reported them to subscribers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roster {
    /// Which channel.
    pub channel: ChannelName,
    /// Whether subscribers are told of each member.
    pub is_named: bool,
    /// When members were counted last.
    pub counted_at: Option<Time>,
    /// Whether their number has changed since.
    pub recounts: bool,
    /// The members, in order.
    pub members: Vec<RosterMember>,
}

/// A member of a roster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RosterMember {
    /// The user or connection.
    pub member: Member,
    /// Whether subscribers were told that it is there.
    pub is_told: bool,
    /// Its last connection has left: it is there until then, unless it comes back.
    pub until: Option<Time>,
    /// The ids of its subscribed connections.
    pub connections: Vec<Uuid>,
}
