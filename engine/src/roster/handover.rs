//! A roster that goes over to another process.

use std::collections::HashMap;

use uuid::Uuid;

use super::{Roster, Standing};
use crate::handover::{self, RosterMember};
use crate::types::{ChannelName, Member, Time};

impl Roster {
    /// As another process takes it over. Nothing is to be told.
    pub(crate) fn export(&self, channel: ChannelName) -> handover::Roster {
        let mut of_member: HashMap<&Member, Vec<Uuid>> = HashMap::new();
        for (connection, member) in &self.of_connection {
            of_member.entry(member).or_default().push(*connection);
        }
        let one = |(member, standing): (&Member, &Standing)| RosterMember {
            member: member.clone(),
            is_told: standing.told,
            until: standing.until,
            connections: of_member.remove(member).unwrap_or_default(),
        };
        handover::Roster {
            channel,
            is_named: self.named,
            counted_at: self.counted,
            recounts: self.recount,
            members: self.members.iter().map(one).collect(),
        }
    }

    pub(crate) fn import(taken: handover::Roster) -> Roster {
        let handover::Roster { is_named, counted_at, recounts, members, .. } = taken;
        let (named, counted, recount) = (is_named, counted_at, recounts);
        let mut roster = Roster { named, counted, recount, ..Roster::default() };
        for RosterMember { member, is_told, until, connections } in members {
            // A connection is one member's.
            let is_new = |id: &Uuid| !roster.of_connection.contains_key(id);
            let ids: Vec<Uuid> = connections.into_iter().filter(is_new).collect();
            let standing = Standing {
                connections: ids.len() as u32,
                told: is_told,
                changed: false,
                until,
                awaited: until.is_some(),
            };
            roster.of_connection.extend(ids.into_iter().map(|id| (id, member.clone())));
            roster.told += usize::from(is_told);
            let before = roster.members.insert(member, standing);
            roster.told -= usize::from(before.is_some_and(|before| before.told));
        }
        roster
    }

    /// The members that have left, and until when each is there unless it comes back.
    pub(crate) fn lingering(&self) -> impl Iterator<Item = (Time, &Member)> {
        self.members.iter().filter_map(|(member, standing)| Some((standing.until?, member)))
    }
}
