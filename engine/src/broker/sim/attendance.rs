//! Presence: rosters hold exactly the connections that are subscribed, and every client that keeps
//! a list by what it is told has the home's.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::client::attendance::name;
use super::plan::{Plan, Sabotage, rule_of};
use super::world::World;
use super::{is_caught_in, run_meeting};

impl Plan {
    pub(super) fn attended(seed: u64, sabotage: Option<Sabotage>) -> Plan {
        let mut plan = Plan::new(seed, sabotage).keeping_presence();
        plan.patterns = seed.is_multiple_of(3);
        plan
    }

    pub(super) fn keeping_presence(mut self) -> Plan {
        self.presence = true;
        for service in &mut Arc::make_mut(&mut self.config).services {
            for channel in 0..self.channels {
                rule_of(&mut service.classes, channel).presence = Some(true);
            }
        }
        self
    }
}

impl World {
    /// Nothing is under way: what is told of presence is true.
    pub(super) fn judge_attendance(&self) {
        let (mut present, mut rostered) = (BTreeSet::new(), BTreeSet::new());
        for [here, there] in self.hubs.iter().map(|hub| hub.attendance()) {
            present.extend(here);
            rostered.extend(there);
        }
        let external = self.external.as_ref();
        rostered.extend(external.iter().flat_map(|one| one.rosters.connections(&self.truth)));
        assert_eq!(present, rostered, "subscribed, and in the rosters of homes");
        for (number, client) in self.clients.iter().enumerate() {
            if client.gone || client.ended {
                continue;
            }
            for (&channel, roster) in &client.rosters {
                let of = self.truth.channel_name(channel);
                let list = match external {
                    Some(external) => external.list(channel),
                    None => self.hubs[self.hubs[0].home_of(of).index()].presence(of).unwrap(),
                };
                let list = serde_json::to_value(&list).unwrap();
                let members = list["members"].as_array().unwrap().iter().map(name).collect();
                assert_eq!(roster.members, members, "{number} of {channel}");
            }
        }
    }
}

#[test]
fn who_follows_presence_knows_who_is_there() {
    let plan = |seed| Plan::attended(seed, None);
    run_meeting(&[738, 3362], 1, plan, &["lists", "joins and leaves"]);
}

#[test]
fn leaves_that_a_home_is_not_told_of_are_caught() {
    let plan = |seed| Plan::attended(seed, Some(Sabotage::ForgottenLeaves));
    assert!(is_caught_in((0..50).map(plan)));
}
