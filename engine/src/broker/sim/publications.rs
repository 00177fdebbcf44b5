//! What services publish.

use super::world::World;
use crate::types::{EventName, JsonObject, Publication, ServiceId};

impl World {
    pub(super) fn publish(&mut self, channel: usize) {
        let document = self.document();
        self.publish_this(channel, &document);
    }

    /// Publishes from outside on the channel's home.
    pub(super) fn publish_this(&mut self, channel: usize, document: &str) {
        let name = self.truth.channel_name(channel).clone();
        let home = self.hubs[0].home_of(&name).index();
        if !self.hubs[home].wants_input() {
            return;
        }
        let publication = Publication {
            channel: name,
            event: EventName::parse("news").unwrap(),
            data: JsonObject::parse(document.as_bytes()).unwrap(),
            key: None,
        };
        self.begin_iteration(home);
        let seq = self.hubs[home].publish(&publication);
        self.refused += u64::from(seq.is_err());
        self.note(|| format!("published to {channel}: {seq:?}"));
        self.truth.observe(&self.hubs);
    }

    pub(super) fn document(&mut self) -> String {
        let most = self.plan.padding * if self.chance(5) { 10 } else { 1 };
        let most = most.min(self.plan.config[ServiceId(0)].max_message - 300);
        format!("{{\"pad\":\"{}\"}}", "x".repeat(self.rng.usize(..=most)))
    }
}
