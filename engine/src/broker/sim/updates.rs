//! A service beside the others: its clients speak a protocol of the embedder and get updates of one
//! channel, which are made of what an external order has of it.

use std::sync::Arc;

use serde_json::{Value, json};

use super::client::Client;
use super::plan::{Plan, Sabotage};
use super::world::World;
use super::{is_caught_in, run_meeting};
use crate::broker::upstream_faults::UpstreamFault;
use crate::config::{AuthMode, Protocol};
use crate::tests::ticker::Ticker;
use crate::types::ServiceId;

/// The service.
const SERVICE: ServiceId = ServiceId(1);
/// The place of its channel, `room:0`.
const CHANNEL: usize = 1;
/// Rounds in which every client has several updates.
const ROUNDS: usize = 1_000;

/// What a client has of the updates.
#[derive(Debug, Default)]
pub(super) struct Updates {
    /// The number of the publication that the last one was made of.
    newest: u64,
    pub(super) count: u64,
}

impl Plan {
    fn updating(seed: u64, sabotage: Option<Sabotage>) -> Plan {
        let mut plan = Plan::outside(seed, sabotage);
        (plan.updates, plan.services, plan.channels) = (true, 2, plan.channels.max(2));
        (plan.returns, plan.handovers) = (false, seed.is_multiple_of(3));
        let services = &mut Arc::make_mut(&mut plan.config).services;
        services.resize(2, services[0].clone());
        services.iter_mut().for_each(|service| service.access.mode = AuthMode::Off);
        services[SERVICE.index()].protocol = Protocol::Custom(Arc::new(Ticker("room:0")));
        plan
    }

    /// What a client of a service has to begin with, if it gets updates.
    pub(super) fn updates_of(&self, service: ServiceId) -> Option<Updates> {
        (self.updates && service == SERVICE).then(Updates::default)
    }
}

impl Client {
    /// A message of the other protocol.
    pub(super) fn take_update(&mut self, value: &Value) {
        let Some(updates) = &mut self.updates else { return };
        let newest = match value["type"].as_str().unwrap() {
            "connected" | "confirmed" | "pong" => return,
            "update" if value["data"].is_null() && value["part"].is_null() => 0,
            "update" => {
                let number = value["part"].as_u64().or_else(|| value["data"]["n"].as_u64());
                number.unwrap_or_else(|| panic!("{value}"))
            }
            _ => panic!("what is {value}"),
        };
        assert!(updates.newest <= newest, "{} comes behind {}", newest, updates.newest);
        (updates.newest, updates.count) = (newest, updates.count + 1);
    }
}

impl World {
    /// What is published on a channel of updates: numbers that rise.
    pub(super) fn numbered(&mut self, channel: usize) -> Option<String> {
        if !self.plan.updates || channel != CHANNEL {
            return None;
        }
        self.next_id += 1;
        Some(json!({ "n": self.next_id }).to_string())
    }

    /// A client that gets updates says something. Returns whether it is one.
    pub(super) fn speak_of_updates(&mut self, client: usize) -> bool {
        let is_one = self.clients[client].updates.is_some();
        if is_one {
            let said = [
                r#"{"type":"subscribe","only":"n"}"#,
                r#"{"type":"subscribe"}"#,
                r#"{"type":"unsubscribe"}"#,
                r#"{"type":"ping"}"#,
                "no JSON at all",
            ];
            let text = said[self.rng.usize(..said.len())];
            self.note(|| format!("client {client} says {text}"));
            self.say(client, text);
        }
        is_one
    }

    /// Updates go on, and all clients that get them have the newest publication.
    pub(super) fn judge_updates(&mut self) {
        if !self.plan.updates {
            return;
        }
        (0..ROUNDS).for_each(|_| self.serve_all());
        self.settle(false);
        let stream = &self.external.as_ref().expect("an order outside").streams[CHANNEL];
        let Some(last) = stream.last() else { return };
        let last: Value = serde_json::from_str(last.publication.data.as_str()).unwrap();
        for (number, client) in self.clients.iter().enumerate() {
            let Some(updates) = &client.updates else { continue };
            let is_there = !(client.gone || client.ended);
            assert!(!is_there || updates.newest == last["n"], "{number} lacks {last}: {client:?}");
        }
    }
}

#[test]
fn updates_are_made_of_the_newest_message_that_an_order_elsewhere_has() {
    let things = ["updates", "handed over", "epochs", "unanswered"];
    run_meeting(&[], 4, |seed| Plan::updating(seed, None), &things);
}

#[test]
fn updates_that_are_made_of_something_else_are_caught() {
    use UpstreamFault::{Forgetful, Outdated};
    for fault in [Outdated, Forgetful] {
        let plan = |seed| Plan::updating(seed, Some(Sabotage::Upstream(fault)));
        assert!(is_caught_in((0..100).map(plan)), "{fault:?} is not found");
    }
}
