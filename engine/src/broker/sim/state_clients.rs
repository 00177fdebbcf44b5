//! Services that say what a channel's messages have come to, and clients that begin with that: then
//! they get exactly what came after it.

use std::sync::Arc;

use serde_json::{Value, json};

use super::client::Client;
use super::client::confirmed::Wanted;
use super::order::{Order, Position};
use super::plan::{Plan, Sabotage};
use super::truth::Truth;
use super::world::World;
use super::{SEEDS, is_caught_in, run_all, seeds};
use crate::broker::recovery_faults::RecoveryFault;
use crate::types::{Epoch, JsonObject, Seq, StateDocument, StateError};

/// A subscription that begins with a state.
#[derive(Clone, Debug)]
pub(super) struct StateOrder {
    channel: usize,
    since: Option<Position>,
    /// The position of the channel's state when it was said.
    held: Option<u64>,
}

impl Plan {
    /// In turns: like others, with many channels, with patterns, with compression.
    pub(super) fn stating(seed: u64, sabotage: Option<Sabotage>) -> Plan {
        let plan = match seed % 4 {
            0 => Plan::new,
            1 => Plan::sharing,
            2 => Plan::patterned,
            _ => Plan::deflating,
        };
        Plan { states: true, ..plan(seed, sabotage) }
    }
}

impl World {
    /// A service says what a channel's messages have come to: what they are up to.
    pub(super) fn put_state(&mut self) {
        let channel = self.rng.usize(..self.plan.channels);
        let (epoch, seq) = self.truth.position(&mut self.rng, channel);
        let state = JsonObject::parse(format!("{{\"up_to\":{seq}}}").as_bytes()).unwrap();
        let epoch = Epoch::parse(&epoch).unwrap();
        let name = self.truth.channel_name(channel).clone();
        let home = self.hubs[0].home_of(&name).index();
        self.begin_iteration(home);
        let state = Arc::new(StateDocument { state, epoch, seq: Seq(seq) });
        let put = self.hubs[home].set_state(&name, Some(state));
        self.note(|| format!("state of {channel} as of {seq}: {put:?}"));
        let (head, held) = (self.truth.head(channel), self.states.get(&channel).copied());
        match put {
            Ok(was_there) => {
                assert!(seq <= head && held.is_none_or(|held| held <= seq));
                assert_eq!(was_there, held.is_some());
                self.states.insert(channel, seq);
            }
            Err(StateError::Ahead { newest }) => assert!(seq > newest.0 && newest.0 == head),
            Err(StateError::Older { held: known }) => assert_eq!(Some(known.0), held),
            Err(StateError::Restart) => assert_ne!(epoch, Epoch(self.plan.seed + 1)),
            // The hub drains, or has no room.
            Err(StateError::Refused(_)) => {}
        }
    }

    /// A request for a channel that begins with its state.
    pub(super) fn state_request(&mut self, client: usize, id: u64, channel: usize) -> String {
        let since = self.chance(30).then(|| self.truth.position(&mut self.rng, channel));
        let position = since.as_ref().map(|(epoch, seq)| json!({"epoch": epoch, "seq": seq}));
        let name = self.truth.name(channel);
        let data = json!({"channel": name, "state": true, "since": position});
        let held = self.states.get(&channel).copied();
        let order = Order::SubscribeWithState(StateOrder { channel, since, held });
        self.clients[client].orders.push_back((id, order));
        json!({"id": id.to_string(), "type": "subscribe", "data": data}).to_string()
    }
}

impl Client {
    /// A subscription that begins with a state is confirmed.
    pub(super) fn with_state(&mut self, order: StateOrder, value: &Value, truth: &Truth) {
        let StateOrder { channel, since, held } = order;
        let data = &value["data"];
        assert_eq!(
            (&data["status"], &data["channel"]),
            (&json!("subscribed"), &json!(truth.name(channel)))
        );
        let as_of = data["as_of"]["seq"].as_u64();
        let position = match (data.get("state"), as_of) {
            (Some(Value::Null), None) => {
                assert_eq!(held, None, "a state was there: {value}");
                since
            }
            (Some(state), Some(as_of)) => {
                assert_eq!((&state["up_to"], &data["recovered"]), (&json!(as_of), &json!(true)));
                assert!(held.unwrap_or(0) <= as_of, "older than {held:?}: {value}");
                let epoch = data["epoch"].as_str().unwrap();
                assert_eq!(data["as_of"]["epoch"], epoch);
                let is_further = |(of, seq): &Position| of == epoch && *seq >= as_of;
                assert!(!since.as_ref().is_some_and(is_further), "it was further: {value}");
                self.states += 1;
                Some((epoch.to_owned(), as_of))
            }
            // What came after it is gone, or the client was further.
            (None, None) if data["reason"] == "retention" && data["partial"].is_null() => {
                Some((data["epoch"].as_str().unwrap().to_owned(), 0))
            }
            (None, None) => {
                let (epoch, seq) = since.as_ref().expect("why is there no state?");
                assert!(
                    data["epoch"] == **epoch && held.is_none_or(|held| held <= *seq),
                    "{value}"
                );
                since
            }
            _ => panic!("{value}"),
        };
        // What comes behind a state comes whole, or without it.
        let whole = data["partial"].is_null();
        let wanted = Wanted { since: position, whole, last: 0, latest: false };
        self.confirmed(channel, &wanted, data, truth);
    }
}

#[test]
fn who_begins_with_a_state_sees_every_message_after_it_once_in_order() {
    let seeds = seeds(&[], 1);
    let met = run_all(seeds.iter().map(|seed| Plan::stating(*seed, None)));
    println!("{} seeds: {met:?}", seeds.len());
    assert!(seeds.len() < SEEDS as usize || met["states"] > 0, "{met:?}");
}

#[test]
fn a_state_that_is_followed_by_live_alone_is_caught() {
    let fault = Sabotage::Recovery(RecoveryFault::StateAtHead);
    assert!(is_caught_in((0..50).map(|seed| Plan::stating(seed, Some(fault)))));
}
