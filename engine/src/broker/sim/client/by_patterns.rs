//! What a client believes of channels that it has by patterns.

use serde_json::Value;

use super::confirmed::Wanted;
use super::{Belief, Client};
use crate::broker::sim::order::Order;
use crate::broker::sim::truth::Truth;

impl Client {
    fn is_of(&self, channel: usize, prefix: &str, truth: &Truth) -> bool {
        let name = truth.channel_name(channel);
        name.service() == self.service && name.as_str().starts_with(prefix)
    }

    /// A pattern is confirmed: everything that is published to its channels from now on will come.
    pub(super) fn has_pattern(&mut self, value: &Value, truth: &Truth) {
        let Order::SubscribePattern(prefix) = self.order(value) else { panic!("{value}") };
        assert_eq!(value["data"]["pattern"], format!("{prefix}*"));
        assert!(value["data"]["channels"].is_number(), "{value}");
        assert!(value["data"]["epoch"].is_string(), "{value}");
        for channel in 0..truth.channels() {
            if self.is_of(channel, &prefix, truth) {
                let latest = truth.head(channel) + 1;
                let fresh = Belief { life: None, next: None, latest, recovering: false };
                self.beliefs.entry(channel).or_insert(fresh);
            }
        }
        self.patterns.insert(prefix);
        self.patterns_confirmed += 1;
    }

    /// A pattern is over. Channels that it has by nothing else are, too.
    pub(super) fn lost_pattern(&mut self, value: &Value, truth: &Truth) {
        let Order::UnsubscribePattern(prefix) = self.order(value) else { panic!("{value}") };
        assert_eq!(value["data"]["pattern"], format!("{prefix}*"));
        self.patterns.remove(&prefix);
        (0..truth.channels()).for_each(|channel| self.forget_unless_kept(channel, truth));
    }

    pub(super) fn forget_unless_kept(&mut self, channel: usize, truth: &Truth) {
        if !self.named.contains(&channel) && !self.is_kept(channel, truth) {
            self.beliefs.remove(&channel);
        }
    }

    /// Whether it has a channel by a pattern.
    pub(super) fn is_kept(&self, channel: usize, truth: &Truth) -> bool {
        self.patterns.iter().any(|prefix| self.is_of(channel, prefix, truth))
    }

    /// A channel is confirmed by name that it may have by a pattern: nothing is left out between.
    pub(super) fn check_by_pattern(&self, channel: usize, wanted: &Wanted, told: &Value) {
        let Some(belief) = self.beliefs.get(&channel) else { return };
        let seq = told["seq"].as_u64().unwrap();
        // What is recovered begins where the client says.
        let owed = belief.next.unwrap_or(belief.latest);
        let goes_on = told["recovered"] == true || told["partial"] == true;
        // Older messages come up to there, with all that it is to get anyway.
        let begins = wanted.since.is_none() && (wanted.last > 0 || wanted.latest);
        let has = self.may_lack || goes_on || begins || seq < owed;
        assert!(has, "{channel} by a pattern from {owed} on: {told}");
    }

    /// Whether it has a channel by name: others it leaves without being handed what is on its way.
    pub(in crate::broker::sim) fn has_by_name(&self, channel: usize) -> bool {
        self.named.contains(&channel)
    }
}
