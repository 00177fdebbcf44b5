//! What a client is told when subscriptions are confirmed.

use serde_json::Value;

use super::{Belief, Client};
use crate::broker::sim::order::{Order, Position};
use crate::broker::sim::truth::Truth;

/// Where a client has asked to begin.
pub(in crate::broker::sim) struct Wanted {
    pub(in crate::broker::sim) since: Option<Position>,
    pub(in crate::broker::sim) whole: bool,
    pub(in crate::broker::sim) last: u64,
    pub(in crate::broker::sim) latest: bool,
}

impl Client {
    pub(super) fn subscribed(&mut self, value: &Value, truth: &Truth) {
        if value["data"]["pattern"].is_string() {
            return self.has_pattern(value, truth);
        }
        let (channels, list, whole, last, latest) = match self.order(value) {
            Order::Subscribe { channels, list, whole, last, latest } => {
                (channels, list, whole, last, latest)
            }
            Order::SubscribeWithState(order) => return self.with_state(order, value, truth),
            other => panic!("{value} to {other:?}"),
        };
        let start = |since| Wanted { since, whole, last, latest };
        let data = &value["data"];
        assert_eq!(data["status"], "subscribed");
        if !list {
            let (channel, since) = channels.into_iter().next().unwrap();
            assert_eq!(data["channel"], truth.name(channel));
            return self.confirmed(channel, &start(since), data, truth);
        }
        let failed = data["failed"].as_object().unwrap();
        let forbidden = failed.values().filter(|code| *code == "FORBIDDEN").count();
        self.forbidden += forbidden as u64;
        let full = failed.values().filter(|code| *code == "LIMIT_EXCEEDED").count();
        let unknown = failed.values().filter(|code| *code == "UNAVAILABLE").count();
        assert_eq!(full + forbidden + unknown, failed.len(), "{value}");
        let confirmed = data["channels"].as_array().unwrap().len();
        assert_eq!(confirmed + failed.len(), channels.len());
        let positions = data["positions"].as_object().unwrap();
        assert_eq!(positions.len(), confirmed, "{value}");
        for (channel, since) in channels {
            let name = truth.name(channel);
            if !failed.contains_key(name) {
                self.confirmed(channel, &start(since), &positions[name], truth);
            }
        }
    }

    pub(in crate::broker::sim) fn confirmed(
        &mut self,
        channel: usize,
        wanted: &Wanted,
        told: &Value,
        truth: &Truth,
    ) {
        let seq = told["seq"].as_u64().unwrap();
        let life = truth.life(channel, told["epoch"].as_str().unwrap());
        assert!(seq <= truth.length(channel, life), "a position that is not there yet");
        let oldest = told["oldest"].as_u64().unwrap();
        assert!((1..=truth.length(channel, life) + 1).contains(&oldest), "{told}");
        let has_all = truth.roomy && !truth.presence && !truth.external;
        assert!(oldest == 1 || !has_all, "everything is there: {told}");
        if self.named.insert(channel) {
            self.check_by_pattern(channel, wanted, told);
        }
        assert_eq!(told["recovered"].is_boolean(), wanted.since.is_some(), "{told}");
        let next = match &wanted.since {
            Some(since) => self.recovers(since, wanted.whole, told, truth),
            None if wanted.latest => return self.replays(channel, life, seq, truth),
            None if wanted.last > 0 => {
                let first = oldest.max(truth.last(channel, life, (seq, wanted.last)));
                // A log may have a gap in the place of messages: it is one of the last.
                return match truth.external {
                    true => self.begins_by(channel, life, first),
                    false => self.begins(channel, life, first),
                };
            }
            None => None,
        };
        let Some(next) = next else {
            let next = seq + 1;
            let fresh = Belief { life: None, next: None, latest: next, recovering: false };
            // One subscription, confirmed again: it goes on.
            let belief = self.beliefs.entry(channel).or_insert(fresh);
            assert_eq!(*belief.life.get_or_insert(life), life);
            let stands = *belief.next.get_or_insert(next);
            // One that begins with older messages begins before the gap in which the oldest of them
            // is missing: what comes next must still be what has that one's place.
            let is_before = truth.external && belief.recovering && next < stands;
            assert!(is_before || stands == next, "{stands}, but confirmed elsewhere: {told}");
            return;
        };
        // A position that no message has is within the span of one.
        let recovering = next != seq + 1 || truth.external;
        let belief = Belief { life: Some(life), next: Some(next), latest: next, recovering };
        let before = self.beliefs.insert(channel, belief);
        self.rosters.remove(&channel);
        self.returned += u64::from(before.is_some_and(|before| before.next != Some(next)));
    }

    /// Where it goes on that has asked for what it missed; `None` if live.
    fn recovers(
        &mut self,
        (epoch, since): &Position,
        whole: bool,
        told: &Value,
        truth: &Truth,
    ) -> Option<u64> {
        let [seq, oldest] = ["seq", "oldest"].map(|key| told[key].as_u64().unwrap());
        let same = *epoch == told["epoch"];
        if told["recovered"] == true {
            assert!(same && *since <= seq && oldest <= since + 1, "from {since}: {told}");
            return Some(since + 1);
        }
        self.not_recovered += 1;
        let is_partial = told["partial"] == true;
        self.partial += u64::from(is_partial);
        assert!(!(whole && is_partial), "all or nothing: {told}");
        let reason = told["reason"].as_str().unwrap();
        assert_eq!(reason == "restart", !same, "{told}");
        match reason {
            "restart" => {
                assert!(whole || is_partial || oldest > seq, "there is something: {told}");
                is_partial.then_some(oldest)
            }
            "retention" => {
                // What is gone the gap says that comes first.
                assert!(!truth.roomy || truth.presence, "nothing was dropped: {told}");
                assert!(whole || is_partial, "what is there follows: {told}");
                is_partial.then_some(since + 1)
            }
            "ahead" => {
                assert!(*since > seq && !is_partial, "{told}");
                None
            }
            _ => panic!("{told}"),
        }
    }

    /// It begins with the newest message of each key, at the latest with the first one of these.
    fn replays(&mut self, channel: usize, life: usize, seq: u64, truth: &Truth) {
        let first = truth.first_newest(channel, life).filter(|_| truth.roomy && !truth.presence);
        let latest = first.map_or(seq + 1, |first| first.min(seq + 1));
        self.begins_by(channel, life, latest);
        self.replayed += 1;
    }

    /// It begins with older messages, at the latest with this one.
    fn begins_by(&mut self, channel: usize, life: usize, latest: u64) {
        let fresh = Belief { life: Some(life), next: None, latest, recovering: true };
        if let Some(before) = self.beliefs.insert(channel, fresh) {
            assert_eq!(before.life.unwrap_or(life), life);
            let owed = before.next.unwrap_or(before.latest);
            let belief = self.beliefs.get_mut(&channel).unwrap();
            belief.latest = belief.latest.min(owed);
        }
        self.rosters.remove(&channel);
    }

    /// It begins with older messages, and with all that it is to get anyway.
    fn begins(&mut self, channel: usize, life: usize, next: u64) {
        let fresh = Belief { life: None, next: Some(next), latest: next, recovering: true };
        let belief = self.beliefs.entry(channel).or_insert(fresh);
        assert_eq!(*belief.life.get_or_insert(life), life);
        self.returned += u64::from(belief.next.is_some_and(|before| before > next));
        belief.next = belief.next.map(|before| before.min(next));
        belief.latest = belief.latest.min(next);
        belief.recovering = true;
        self.rosters.remove(&channel);
    }
}
