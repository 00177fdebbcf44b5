//! Clients that go on where they say, also in channels that they have: one by one, or many at once.

use serde_json::{Map, json};

use super::order::Order;
use super::plan::{Plan, Sabotage};
use super::world::World;
use super::{SEEDS, is_caught_in, run_all, seeds};
use crate::broker::channel::context_faults::ContextFault;
use crate::broker::recovery_faults::RecoveryFault;

impl Plan {
    /// In turns: like others, with many channels, with patterns, with compression.
    pub(super) fn returning(seed: u64, sabotage: Option<Sabotage>) -> Plan {
        let plan = match seed % 4 {
            0 => Plan::new,
            1 => Plan::sharing,
            2 => Plan::patterned,
            _ => Plan::deflating,
        };
        Plan { returns: true, ..plan(seed, sabotage) }
    }
}

impl World {
    /// A request to go on at positions of one channel or of several.
    pub(super) fn returning_request(&mut self, client: usize, id: u64) -> String {
        let list = self.rng.bool();
        let mut channels = self.some_channels(client);
        channels.truncate(if list { channels.len() } else { 1 });
        let mut since = Map::new();
        let mut wanted = Vec::new();
        for &channel in &channels {
            let goes_on = self.chance(70);
            let position = goes_on.then(|| self.truth.position(&mut self.rng, channel));
            if let Some((epoch, seq)) = &position {
                let name = self.truth.name(channel).to_owned();
                since.insert(name, json!({"epoch": epoch, "seq": seq}));
            }
            wanted.push((channel, position));
        }
        let (whole, last, latest) = (self.chance(30), self.last(), self.chance(15));
        let names: Vec<&str> = channels.iter().map(|c| self.truth.name(*c)).collect();
        let mut data = match list {
            true => json!({"channels": names, "since": since}),
            false => json!({"channel": names[0], "since": since.get(names[0])}),
        };
        if whole {
            data["all_or_nothing"] = true.into();
        }
        if last > 0 {
            data["last"] = last.into();
        }
        if latest {
            data["replay"] = "latest".into();
        }
        let order = Order::Subscribe { channels: wanted, list, whole, last, latest };
        self.clients[client].orders.push_back((id, order));
        json!({"id": id.to_string(), "type": "subscribe", "data": data}).to_string()
    }

    /// How many older messages a client asks for.
    fn last(&mut self) -> u64 {
        match self.rng.u8(..4) {
            0 => self.rng.u64(1..5),
            1 => self.rng.u64(1..100),
            _ => 0,
        }
    }
}

#[test]
fn who_goes_on_elsewhere_sees_every_message_from_there_once_in_order() {
    let seeds = seeds(&[], 1);
    let met = run_all(seeds.iter().map(|seed| Plan::returning(*seed, None)));
    println!("{} seeds: {met:?}", seeds.len());
    let has_met = ["returned", "partial", "replayed"].iter().all(|what| met[what] > 0);
    assert!(seeds.len() < SEEDS as usize || has_met, "{met:?}");
}

#[test]
fn subscriptions_that_go_on_elsewhere_than_they_should_are_caught() {
    use RecoveryFault::{Crossed, Short, Silent, Unmoved, Unreplayed};
    for fault in [Unmoved, Crossed, Silent, Short, Unreplayed] {
        let plans = (0..50).map(|seed| Plan::returning(seed, Some(Sabotage::Recovery(fault))));
        assert!(is_caught_in(plans), "{fault:?} is not found");
    }
    let fault = Sabotage::Contexts(ContextFault::ForgottenReturn);
    let plans = (0..200).map(|seed| Plan::returning(4 * seed + 3, Some(fault)));
    assert!(is_caught_in(plans), "{fault:?} is not found");
}
