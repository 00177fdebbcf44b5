//! Clients that are told to reconnect: some of them in the middle, all of them at the end.

use std::time::Duration;

use serde_json::Value;

use super::client::Client;
use super::world::World;
use crate::types::{ClientAction, ClientCommand, DrainReason, ServiceId, Target};

/// The time of all slots at the end.
const SPREAD: Duration = Duration::from_millis(400);

impl Client {
    /// It hears that it is to reconnect: once for each reason, and of the server's end last.
    pub(super) fn is_told(&mut self, value: &Value) {
        let data = &value["data"];
        let reason = data["reason"].as_str().unwrap();
        assert!(data["after_ms"].is_u64() && value["room"].is_null(), "{value}");
        let before = self.told.replace(reason.to_owned());
        let follows =
            before.as_deref().is_none_or(|before| (before, reason) == ("drain", "shutdown"));
        assert!(follows, "told {before:?}, then {value}");
    }
}

impl World {
    fn tell(&mut self, shard: usize, percent: u8, spread: Duration, why: DrainReason) {
        self.begin_iteration(shard);
        for service in (0..self.plan.services).map(|service| ServiceId(service as u8)) {
            let action = ClientAction::Reconnect(spread, why);
            let command = ClientCommand { service, target: Target::Share(percent), action };
            let mut from = Some(0);
            while let Some(next) = from {
                from = self.hubs[shard].disconnect(&command, next).1;
            }
        }
    }

    /// A shard is relieved of some of its clients.
    pub(super) fn relieve(&mut self) {
        let (shard, percent) = (self.rng.usize(..self.plan.shards), self.rng.u8(1..=100));
        let spread = Duration::from_millis(self.rng.u64(..2_000));
        self.tell(shard, percent, spread, DrainReason::Drain);
        self.note(|| format!("shard {shard} is relieved of {percent} % within {spread:?}"));
    }

    /// All clients are told that the server stops. Those that read are closed in their slots.
    pub(super) fn tell_all(&mut self) {
        for shard in 0..self.plan.shards {
            self.hubs[shard].refuse_newcomers();
            self.tell(shard, 100, SPREAD, DrainReason::Shutdown);
        }
        let over = self.now + SPREAD + 2 * crate::limits::TICK;
        while self.now <= over {
            self.serve_all();
        }
        self.settle(true);
        assert!(self.hubs.iter().all(|hub| hub.connections() == 0), "a slot was forgotten");
    }
}
