//! What services publish: documents of many sizes, and in some worlds with keys.

use super::world::World;
use crate::types::{EventName, JsonObject, MessageKey, Publication, ServiceId};

impl World {
    pub(super) fn publish(&mut self, channel: usize) {
        let (document, key) = (self.document(), self.key());
        let document = self.numbered(channel).unwrap_or(document);
        self.publish_with(channel, &document, key);
    }

    pub(super) fn publish_this(&mut self, channel: usize, document: &str) {
        self.publish_with(channel, document, None);
    }

    /// Publishes from outside on the channel's home.
    pub(super) fn publish_with(&mut self, channel: usize, document: &str, key: Option<MessageKey>) {
        let name = self.truth.channel_name(channel).clone();
        let home = self.hubs[0].home_of(&name).index();
        if !self.hubs[home].wants_input() && self.external.is_none() {
            return;
        }
        let publication = Publication {
            channel: name,
            event: EventName::parse("news").unwrap(),
            data: JsonObject::parse(document.as_bytes()).unwrap(),
            key,
        };
        if self.external.is_some() {
            return self.publish_outside(publication);
        }
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

    /// What the next message is the newest state of. Some are of nothing.
    fn key(&mut self) -> Option<MessageKey> {
        let keys = self.plan.keys;
        let key = (keys > 0).then(|| self.rng.u8(..=keys)).filter(|key| *key < keys)?;
        Some(MessageKey::parse(&key.to_string()).unwrap())
    }
}
