//! What nodes tell each other of presence, as JSON: beside the streams, as it is over when a node
//! is.

use serde::{Deserialize, Serialize};
use uringcast_engine::limits::{MAX_TOKEN, PRESENCE_NAMED};
use uringcast_engine::{Epoch, Member, PresenceList, Present, Seq};
use uuid::Uuid;

use super::peer_nodes::NodeId;
use crate::limits::{PRESENCE_BATCH, PRESENCE_NODES};

/// One message between nodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Message {
    /// To all: the node is there, knows the nodes of this view, and lacks what these have to tell.
    Beat { from: NodeId, view: u64, lacks: Vec<NodeId> },
    /// To all: the node ends.
    Bye { from: NodeId },
    /// What the home of channels is to know of a node's subscribers.
    Reports(Reports),
    /// Reports are known.
    Known { from: NodeId, session: u64, number: u64 },
    /// Reports do not follow what is known: all is to be told anew.
    Unknown { from: NodeId, session: u64 },
    /// The answer to a question.
    List { from: NodeId, ask: u64, channel: String, list: Listed },
}

/// A part of what a node tells a home, each once it is known that the one before has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Reports {
    pub(super) from: NodeId,
    /// A later one begins from nothing.
    pub(super) session: u64,
    /// From 0 on.
    pub(super) number: u64,
    /// The home is new to the node, which may have told another one meanwhile.
    pub(super) is_new: bool,
    /// The home knows with it all that it is to know while there are the nodes of this view.
    pub(super) whole: Option<u64>,
    pub(super) reports: Vec<Report>,
}

/// Something that has happened to a channel, by its tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Report {
    /// What the node has told of the channel before counts no more: another home was told.
    Anew(String),
    /// A connection has subscribed, as this user.
    Entered(String, Uuid, Option<String>),
    /// It has subscribed no more, or has ended.
    Left(String, Uuid, bool),
    /// The node asks for the members, by a number of its own, and has events up to this position.
    Asked(String, u64, u64),
}

/// A list of members.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Listed {
    epoch: u64,
    seq: u64,
    count: usize,
    connections: usize,
    /// A user or the id of a connection, and its connections.
    members: Option<Vec<(Who, u32)>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Who {
    User(String),
    Connection(Uuid),
}

impl Message {
    pub(super) fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("our messages are JSON")
    }

    /// Reads one; `None` where no node would have sent it.
    pub(super) fn parse(bytes: &[u8], is_channel: impl Fn(&str) -> bool) -> Option<Message> {
        let message = serde_json::from_slice(bytes).ok()?;
        let is_sound = match &message {
            Message::Beat { lacks, .. } => lacks.len() <= PRESENCE_NODES,
            Message::Reports(Reports { reports, .. }) => {
                let is_short = |user: &Option<String>| {
                    user.as_ref().is_none_or(|user| user.len() <= MAX_TOKEN)
                };
                let is_sound = |report: &Report| match report {
                    Report::Anew(channel) | Report::Left(channel, ..) => is_channel(channel),
                    Report::Asked(channel, ..) => is_channel(channel),
                    Report::Entered(channel, _, user) => is_channel(channel) && is_short(user),
                };
                // A channel may be told anew with its first subscriber.
                reports.len() <= 2 * PRESENCE_BATCH && reports.iter().all(is_sound)
            }
            Message::List { channel, list, .. } => {
                let members = list.members.as_ref().map_or(0, Vec::len);
                is_channel(channel) && members <= PRESENCE_NAMED
            }
            Message::Bye { .. } | Message::Known { .. } | Message::Unknown { .. } => true,
        };
        is_sound.then_some(message)
    }
}

impl From<PresenceList> for Listed {
    fn from(list: PresenceList) -> Listed {
        let PresenceList { epoch, seq, count, connections, members } = list;
        let one = |present: Present| match present.member {
            Member::User(user) => (Who::User(user.to_string()), present.connections),
            Member::Connection(id) => (Who::Connection(id), present.connections),
        };
        let members = members.map(|all| all.into_iter().map(one).collect());
        Listed { epoch: epoch.0, seq: seq.0, count, connections, members }
    }
}

impl From<Listed> for PresenceList {
    fn from(list: Listed) -> PresenceList {
        let Listed { epoch, seq, count, connections, members } = list;
        let one = |(who, connections): (Who, u32)| {
            let member = match who {
                Who::User(user) => Member::User(user.into()),
                Who::Connection(id) => Member::Connection(id),
            };
            Present { member, connections }
        };
        let members = members.map(|all| all.into_iter().map(one).collect());
        PresenceList { epoch: Epoch(epoch), seq: Seq(seq), count, connections, members }
    }
}

#[cfg(test)]
mod tests;
