//! The members of a client's channels, as it was told: a list, and those that came and went since.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Client;
use crate::broker::sim::truth::Truth;

#[derive(Clone, Debug)]
pub(in crate::broker::sim) struct Roster {
    /// The position of the list.
    seq: u64,
    /// As they were told, without their connections.
    pub(in crate::broker::sim) members: BTreeSet<String>,
}

/// A member without its connections.
pub(in crate::broker::sim) fn name(member: &Value) -> String {
    let name = ["user", "connection_id"].iter().find_map(|key| member[key].as_str());
    name.expect("a user or a connection").to_owned()
}

impl Client {
    /// It has subscribed with presence, and gets the list of members.
    pub(super) fn attendance(&mut self, value: &Value, truth: &Truth) {
        let channel = truth.channel(self.service, value["room"].as_str().unwrap());
        let data = &value["data"];
        let members: Vec<&Value> = data["members"].as_array().unwrap().iter().collect();
        assert_eq!(data["count"], members.len(), "{value}");
        let seq = data["seq"].as_u64().unwrap();
        let life = truth.life(channel, data["epoch"].as_str().unwrap());
        assert!(seq <= truth.length(channel, life), "a position that is not there yet");
        self.lists += 1;
        if self.named.contains(&channel) {
            let members = members.into_iter().map(name).collect();
            self.rosters.insert(channel, Roster { seq, members });
        }
    }

    /// An event of a channel: perhaps a member has come or gone since the list.
    pub(super) fn comes_or_goes(&mut self, channel: usize, value: &Value) {
        let seq = value["seq"].as_u64().unwrap();
        let Some(roster) = self.rosters.get_mut(&channel).filter(|roster| seq > roster.seq) else {
            return;
        };
        let changed = match value["event"].as_str() {
            Some("presence.join") => roster.members.insert(name(&value["data"])),
            Some("presence.leave") => roster.members.remove(&name(&value["data"])),
            Some("presence.list") => {
                let members = value["data"]["members"].as_array().unwrap().iter();
                roster.members = members.map(name).collect();
                true
            }
            _ => return,
        };
        assert!(changed, "told twice: {value}");
        self.joins_and_leaves += 1;
    }
}
