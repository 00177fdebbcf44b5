//! The members of a channel, as reported to subscribers and operators.

use std::sync::Arc;

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use uuid::Uuid;

use super::{Epoch, Seq};

/// A member: a user, over however many connections, or a connection that names no user.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Member {
    /// The user that a token names.
    User(Arc<str>),
    /// The id with which a connection without a user was welcomed.
    Connection(Uuid),
}

impl Member {
    fn write<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        match self {
            Member::User(user) => map.serialize_entry("user", &**user),
            Member::Connection(id) => map.serialize_entry("connection_id", &format_args!("{id}")),
        }
    }
}

impl Serialize for Member {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        self.write(&mut map)?;
        map.end()
    }
}

/// A member and its subscribed connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Present {
    /// The user or connection.
    pub member: Member,
    /// How many; 0 for a user that may come back after its last one has just ended.
    pub connections: u32,
}

impl Serialize for Present {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.member.write(&mut map)?;
        if let Member::User(_) = self.member {
            map.serialize_entry("connections", &self.connections)?;
        }
        map.end()
    }
}

/// The members of a channel at a position of its log: what `presence.join` and `presence.leave`
/// behind the position say is not in it yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PresenceList {
    /// The life of the log.
    pub epoch: Epoch,
    /// The position.
    pub seq: Seq,
    /// Members.
    pub count: usize,
    /// Their subscribed connections.
    pub connections: usize,
    /// Each of them, in order; `None` where they are too many to be named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub members: Option<Vec<Present>>,
}

impl PresenceList {
    /// Of a channel without members.
    #[must_use]
    pub fn empty() -> PresenceList {
        let members = Some(Vec::new());
        PresenceList { epoch: Epoch(0), seq: Seq(0), count: 0, connections: 0, members }
    }
}
