//! What a client was promised, and whether it has it.

use serde_json::Value;

use super::Client;
use crate::broker::sim::order::Order;
use crate::broker::sim::truth::{Truth, correlation};

impl Client {
    /// The order that a reply is to, which is the oldest.
    pub(in crate::broker::sim) fn order(&mut self, value: &Value) -> Order {
        let (first, order) = self.orders.pop_front().expect("a reply to an order");
        // The request for a stream has no id.
        let id = correlation(value).or(self.encoding.is_event().then_some(0));
        assert_eq!(Some(first), id, "orders are answered in order: {value}");
        order
    }

    /// Whether it has asked to leave a channel and has no answer yet.
    pub(in crate::broker::sim) fn leaves(&self, channel: usize) -> bool {
        self.orders.iter().any(|(_, order)| match order {
            Order::Unsubscribe { channels, .. } => channels.iter().any(|(of, _)| *of == channel),
            _ => false,
        })
    }

    /// Whether it has what a channel had accepted up to `head`, as far as it was promised.
    pub(in crate::broker::sim) fn has_up_to(
        &self,
        channel: usize,
        head: u64,
        truth: &Truth,
    ) -> bool {
        let Some(belief) = self.beliefs.get(&channel) else { return true };
        let newest = truth.is_newest(channel, belief.life);
        self.may_lack || !newest || belief.next.unwrap_or(belief.latest) > head
    }

    /// One of its own messages has a position. It is promised those that it has published since it
    /// subscribed: a subscription begins where its home is, which an order outside may be beyond.
    pub(super) fn is_published(&mut self, value: &Value, truth: &Truth) {
        let data = &value["data"];
        let channel = truth.channel(self.service, data["channel"].as_str().unwrap());
        let position = (data["epoch"].as_str().unwrap().to_owned(), data["seq"].as_u64().unwrap());
        if truth.external && self.has_by_name(channel) {
            self.acknowledged.insert(channel, position);
        }
    }

    /// The newest position of its own messages in a channel since it subscribed, in the life that
    /// it knows of that.
    pub(super) fn acknowledged_in(&self, channel: usize, truth: &Truth) -> u64 {
        let of = self.acknowledged.get(&channel);
        let life = self.beliefs.get(&channel).and_then(|belief| belief.life());
        let same = of.filter(|(epoch, _)| life == Some(truth.life(channel, epoch)));
        same.map_or(0, |(_, seq)| *seq)
    }

    /// Whether it has everything that it was promised, and every answer.
    pub(in crate::broker::sim) fn is_level(&self, truth: &Truth) -> bool {
        let level = (0..truth.channels()).all(|channel| self.has_all(channel, truth));
        level && self.orders.is_empty() && self.asked.is_empty()
    }

    /// Whether it has everything of a channel that it was promised.
    pub(in crate::broker::sim) fn has_all(&self, channel: usize, truth: &Truth) -> bool {
        let Some(belief) = self.beliefs.get(&channel) else { return true };
        let head = belief.life.map_or(truth.head(channel), |life| truth.length(channel, life));
        belief.next.unwrap_or(belief.latest) == head + 1
    }
}
