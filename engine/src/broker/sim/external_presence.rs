//! Rosters that the model of an external order keeps, as a cluster's nodes do.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::external::External;
use super::plan::Plan;
use super::truth::Truth;
use super::{is_caught_in, run_meeting};
use crate::broker::sim::plan::Sabotage;
use crate::broker::upstream_faults::UpstreamFault;
use crate::config::PresenceReport;
use crate::limits::PRESENCE_LINGER;
use crate::roster::{Roster, RosterChange};
use crate::types::{ChannelName, Member, PresenceEnd, PresenceList, Time};

/// By channel, the members, and those that have left and may come back.
#[derive(Debug)]
pub(super) struct Rosters {
    all: Vec<Roster>,
    lingering: Vec<(Time, usize, Member)>,
}

impl Rosters {
    pub(super) fn new(channels: usize) -> Rosters {
        Rosters { all: (0..channels).map(|_| Roster::default()).collect(), lingering: Vec::new() }
    }

    /// The connections in them.
    pub(super) fn connections(&self, truth: &Truth) -> BTreeSet<(Uuid, ChannelName)> {
        let all = self.all.iter().enumerate();
        let of = |(channel, roster): (usize, &Roster)| {
            let name = truth.channel_name(channel).clone();
            let ids: Vec<Uuid> = roster.of_connections().keys().copied().collect();
            ids.into_iter().map(move |id| (id, name.clone()))
        };
        all.flat_map(of).collect()
    }
}

impl External {
    /// A shard tells of its subscribers.
    pub(super) fn report_presence(
        &mut self,
        truth: &mut Truth,
        reports: Vec<PresenceReport>,
        unix_us: i64,
    ) {
        let now = time(unix_us);
        for report in reports {
            match report {
                PresenceReport::Entered { channel, connection, user } => {
                    let channel = truth.place(&channel);
                    self.rosters.all[channel].enter(connection, user);
                    self.tell_changes(truth, channel, unix_us);
                }
                PresenceReport::Left { why: PresenceEnd::HandedOver, .. } => {}
                PresenceReport::Left { channel, connection, why } => {
                    let (channel, until) = (truth.place(&channel), now + PRESENCE_LINGER);
                    let roster = &mut self.rosters.all[channel];
                    if let Some(member) = roster.leave(connection, why == PresenceEnd::Ended, until)
                    {
                        self.rosters.lingering.push((until, channel, member));
                    }
                    self.tell_changes(truth, channel, unix_us);
                }
            }
        }
    }

    /// The members of a channel.
    pub(super) fn list(&self, channel: usize) -> PresenceList {
        self.rosters.all[channel].list(self.epoch(), self.head(channel))
    }

    fn tell_changes(&mut self, truth: &mut Truth, channel: usize, unix_us: i64) {
        while let Some(change) = self.rosters.all[channel].next_change(time(unix_us)) {
            self.tell_change(truth, channel, &change, unix_us);
        }
    }

    fn tell_change(
        &mut self,
        truth: &mut Truth,
        channel: usize,
        change: &RosterChange,
        unix_us: i64,
    ) {
        let name = truth.channel_name(channel).clone();
        let event = change.event(&name, || self.list(channel));
        self.append(truth, event, unix_us);
    }

    /// Times of members have come.
    pub(super) fn expire_members(&mut self, truth: &mut Truth, unix_us: i64) {
        let now = time(unix_us);
        let (due, later): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.rosters.lingering).into_iter().partition(|one| one.0 <= now);
        self.rosters.lingering = later;
        for (_, channel, member) in due {
            let again = self.rosters.all[channel].expire(&member, now);
            self.rosters.lingering.extend(again.map(|at| (at, channel, member)));
            self.tell_changes(truth, channel, unix_us);
        }
    }

    /// What hubs have told that were handed over counts no more, unless those after them tell it.
    pub(super) fn forget_members(&mut self, unix_us: i64) {
        let until = time(unix_us) + PRESENCE_LINGER;
        for (channel, roster) in self.rosters.all.iter_mut().enumerate() {
            let connections: Vec<Uuid> = roster.of_connections().keys().copied().collect();
            let left = connections.into_iter().filter_map(|id| roster.leave(id, false, until));
            self.rosters.lingering.extend(left.map(|member| (until, channel, member)));
        }
    }

    /// It is not known any more what was told.
    pub(super) fn tell_rosters_anew(&mut self, truth: &mut Truth) {
        for channel in 0..self.rosters.all.len() {
            if !self.rosters.all[channel].is_empty() {
                let change = self.rosters.all[channel].tell_anew();
                self.tell_change(truth, channel, &change, 0);
            }
        }
    }
}

fn time(unix_us: i64) -> Time {
    Time(unix_us.unsigned_abs() * 1_000)
}

/// Seeds that once failed.
const PAST: &[u64] = &[274, 409];

fn plan(seed: u64, sabotage: Option<Sabotage>) -> Plan {
    Plan::outside(seed, sabotage).keeping_presence()
}

#[test]
fn where_the_order_is_elsewhere_rosters_hold_who_is_subscribed() {
    run_meeting(PAST, 2, |seed| plan(seed, None), &["lists", "joins and leaves"]);
}

#[test]
fn leaves_that_an_external_order_is_not_told_of_are_caught() {
    assert!(is_caught_in((0..50).map(|seed| plan(seed, Some(Sabotage::ForgottenLeaves)))));
}

#[test]
fn rosters_elsewhere_hold_who_is_subscribed_when_hubs_are_handed_over() {
    // One that once failed: a channel with subscribers was with no home.
    let plan = |seed| Plan::outside_handed_over(seed, None).keeping_presence();
    run_meeting(&[1_000], 2, plan, &["lists", "joins and leaves", "handed over"]);
}

#[test]
fn hubs_that_take_over_and_do_not_tell_who_is_subscribed_are_caught() {
    let unreported = Some(Sabotage::Upstream(UpstreamFault::Unreported));
    let plan = |seed| Plan::outside_handed_over(seed, unreported).keeping_presence();
    assert!(is_caught_in((0..50).map(plan)));
}
