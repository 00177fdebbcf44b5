//! What subscribers are told of a roster, as an event of its channel.

use serde::Serialize;

use crate::types::{ChannelName, EventName, JsonObject, Member, PresenceList, Publication};

/// What the subscribers of a channel are to be told of its members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RosterChange {
    /// A member has come.
    Join(Member),
    /// A member has gone.
    Leave(Member),
    /// Members are too many to be named: how many they are.
    Count,
    /// All members.
    List,
}

impl RosterChange {
    /// The event that reports it. `list` has the members now.
    #[must_use]
    pub fn event(&self, channel: &ChannelName, list: impl FnOnce() -> PresenceList) -> Publication {
        #[derive(Serialize)]
        struct Count {
            count: usize,
            connections: usize,
        }
        let (event, data) = match self {
            RosterChange::Join(member) => ("presence.join", json(member)),
            RosterChange::Leave(member) => ("presence.leave", json(member)),
            RosterChange::Count => {
                let PresenceList { count, connections, .. } = list();
                ("presence.count", json(&Count { count, connections }))
            }
            RosterChange::List => ("presence.list", json(&list())),
        };
        let event = EventName::parse(event).expect("our own names are short");
        Publication { channel: channel.clone(), event, data, key: None }
    }
}

/// A document of our own as the `data` of an event.
fn json(value: &impl Serialize) -> JsonObject {
    let bytes = serde_json::to_vec(value).expect("our documents are JSON");
    JsonObject::parse(&bytes).expect("our documents are objects")
}
