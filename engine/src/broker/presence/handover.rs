//! Presence that goes over to another process: as whom subscriptions count, and rosters of homes.

use std::cmp::Reverse;

use uuid::Uuid;

use super::{Kept, Presence};
use crate::config::PresenceReport;
use crate::handover::{self, Attendance};
use crate::roster::Roster;
use crate::types::{ChannelName, ConnectionKey, PresenceEnd, Time};

impl Presence {
    /// Whether homes know all that they are to be told, and have told it.
    pub(in crate::broker) fn is_settled(&self) -> bool {
        self.reports.is_quiet()
            && self.changed.is_empty()
            && self.asks.is_empty()
            && !self.reporting.contains(&true)
    }

    /// The rosters of channels homed here.
    pub(in crate::broker) fn export(&self) -> Vec<handover::Roster> {
        self.rosters.iter().map(|(channel, kept)| kept.roster.export(channel.clone())).collect()
    }

    /// As whom a subscription counts.
    pub(in crate::broker) fn attendance(
        &self,
        key: ConnectionKey,
        channel: &ChannelName,
    ) -> Option<Attendance> {
        self.reports.attendance(key, channel)
    }

    /// Takes over a subscription that counts, of which the channel's home knows.
    pub(in crate::broker) fn import_attendance(
        &mut self,
        subscription: (ConnectionKey, ChannelName),
        connection: Uuid,
        attendance: Attendance,
    ) {
        self.reports.take_over(subscription, connection, attendance.user.map(Into::into));
    }

    /// Takes over the roster of a channel homed here.
    pub(in crate::broker) fn import(&mut self, taken: handover::Roster) {
        let channel = taken.channel.clone();
        let roster = Roster::import(taken);
        self.connections += roster.connections();
        let lingering = roster
            .lingering()
            .map(|(until, member)| Reverse((until, channel.clone(), member.clone())));
        self.lingering.extend(lingering);
        let counting = roster.next_count();
        if let Some(at) = counting {
            let place = self.counting.partition_point(|(other, _)| *other <= at);
            self.counting.insert(place, (at, channel.clone()));
        }
        let is_counting = counting.is_some();
        let before = self.rosters.insert(channel, Kept { roster, is_changed: false, is_counting });
        self.connections -= before.map_or(0, |kept| kept.roster.connections());
    }

    /// Connections of rosters that were left behind: they may come back.
    pub(in crate::broker) fn leave_behind(
        &mut self,
        absent: impl Iterator<Item = (ChannelName, Uuid)>,
        now: Time,
    ) {
        let left = absent.map(|(channel, connection)| PresenceReport::Left {
            channel,
            connection,
            why: PresenceEnd::Unsubscribed,
        });
        self.handle(left.collect(), now);
    }
}
