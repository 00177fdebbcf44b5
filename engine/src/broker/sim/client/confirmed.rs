//! What a client is told when subscriptions are confirmed.

use serde_json::Value;

use super::{Belief, Client};
use crate::broker::sim::order::{Order, Position};
use crate::broker::sim::truth::Truth;

impl Client {
    pub(super) fn subscribed(&mut self, value: &Value, truth: &Truth) {
        if value["data"]["pattern"].is_string() {
            return self.has_pattern(value, truth);
        }
        let (channels, list) = match self.order(value) {
            Order::Subscribe { channels, list } => (channels, list),
            Order::SubscribeWithState(order) => return self.with_state(order, value, truth),
            other => panic!("{value} to {other:?}"),
        };
        let data = &value["data"];
        assert_eq!(data["status"], "subscribed");
        if !list {
            let (channel, since) = &channels[0];
            assert_eq!(data["channel"], truth.name(*channel));
            return self.confirmed(*channel, since.as_ref(), data, truth);
        }
        let failed = data["failed"].as_object().unwrap();
        let forbidden = failed.values().filter(|code| *code == "FORBIDDEN").count();
        self.forbidden += forbidden as u64;
        let full = failed.values().filter(|code| *code == "LIMIT_EXCEEDED").count();
        assert_eq!(full + forbidden, failed.len(), "{value}");
        let confirmed = data["channels"].as_array().unwrap().len();
        assert_eq!(confirmed + failed.len(), channels.len());
        let positions = data["positions"].as_object().unwrap();
        assert_eq!(positions.len(), confirmed, "{value}");
        for (channel, since) in channels {
            let name = truth.name(channel);
            if !failed.contains_key(name) {
                self.confirmed(channel, since.as_ref(), &positions[name], truth);
            }
        }
    }

    pub(in crate::broker::sim) fn confirmed(
        &mut self,
        channel: usize,
        since: Option<&Position>,
        told: &Value,
        truth: &Truth,
    ) {
        let seq = told["seq"].as_u64().unwrap();
        let life = truth.life(channel, told["epoch"].as_str().unwrap());
        assert!(seq <= truth.length(channel, life), "a position that is not there yet");
        let oldest = told["oldest"].as_u64().unwrap();
        assert!((1..=truth.length(channel, life) + 1).contains(&oldest), "{told}");
        let has_all = truth.roomy && !truth.presence;
        assert!(oldest == 1 || !has_all, "everything is there: {told}");
        if self.named.insert(channel) {
            self.check_by_pattern(channel, told);
        }
        let recovered = told["recovered"].as_bool();
        assert_eq!(recovered.is_some(), since.is_some(), "{told}");
        if let (Some((epoch, since)), Some(true)) = (since, recovered) {
            assert_eq!(truth.life(channel, epoch), life);
            assert!(*since <= seq && oldest <= since + 1, "from {since}: {told}");
            let next = since + 1;
            let recovering = next != seq + 1;
            let belief = Belief { life: Some(life), next: Some(next), latest: next, recovering };
            let before = self.beliefs.insert(channel, belief);
            self.rosters.remove(&channel);
            self.returned += u64::from(before.is_some_and(|before| before.next != Some(next)));
            return;
        }
        if let Some((epoch, since)) = since {
            self.not_recovered += 1;
            let reason = told["reason"].as_str().unwrap();
            assert!(matches!(reason, "restart" | "retention" | "ahead"), "{told}");
            assert!(reason != "ahead" || *since > seq, "{told}");
            assert_eq!(reason == "restart", *epoch != told["epoch"], "{told}");
            assert!(reason != "retention" || !truth.roomy, "nothing was dropped: {told}");
        }
        let next = seq + 1;
        let fresh = Belief { life: None, next: None, latest: next, recovering: false };
        // One subscription, confirmed again: it goes on.
        let belief = self.beliefs.entry(channel).or_insert(fresh);
        assert_eq!(belief.next.unwrap_or(next), next, "confirmed at another position: {told}");
        assert_eq!(*belief.life.get_or_insert(life), life);
        belief.next = Some(next);
    }
}
