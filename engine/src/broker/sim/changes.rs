//! Settings that are replaced in the middle, at each shard in another turn: rates, caps, rules and
//! classes.

use std::sync::Arc;
use std::time::Duration;

use super::plan::{Plan, pick, retain, rule_of, slow};
use super::world::{TOKENS, World, auth};
use super::{SEEDS, run_all, seeds};
use crate::config::{AuthMode, ClassRule, Config, Rule};
use crate::types::{ChannelPattern, ServiceId};
use crate::wire::Secret;

/// The longest message that any settings let pass.
const LARGEST: usize = 16_000;

/// Permissions that tokens grant, of which rules name some.
const GRANTED: &[&[&str]] = &[&["admin"], &["read"], &["read", "write"], &["publish"], &[]];

impl Plan {
    fn changing(seed: u64) -> Plan {
        Plan { changes: true, ..Plan::new(seed, None) }
    }
}

impl World {
    /// What a client shows when it connects: a token with the upgrade, or in its first frame.
    pub(super) fn token(&mut self) -> (Option<Secret>, Option<String>) {
        let token = *self.rng.choice(TOKENS).unwrap();
        match self.plan.config.services[0].access.mode {
            AuthMode::Off => (None, None),
            AuthMode::Optional => (self.rng.bool().then(|| Secret::new(token)), None),
            AuthMode::Required => (None, Some(auth("null", token))),
        }
    }

    /// What a token grants.
    pub(super) fn permissions(&mut self) -> Vec<String> {
        let granted = if self.plan.changes { pick(&mut self.rng, GRANTED) } else { GRANTED[0] };
        granted.iter().map(|name| (*name).to_owned()).collect()
    }

    /// Bytes of the longest message that may pass.
    pub(super) fn largest_message(&self) -> usize {
        if self.plan.changes { LARGEST } else { self.plan.config[ServiceId(0)].max_message }
    }

    /// Other settings, which each shard takes over in its next turn.
    pub(super) fn change_settings(&mut self) {
        let mut new = (*self.plan.config).clone();
        let rng = &mut self.rng;
        new.keepalive = Duration::from_secs(pick(rng, &[1, 5, 20]));
        if !self.plan.roomy {
            new.max_outbox = pick(rng, &[1_000, 4_000, 16 << 10]);
        }
        // Apart, so that what earlier seeds found stays what it was.
        let mut of_classes = rng.clone();
        for service in &mut new.services {
            service.classes = classes(&mut of_classes, self.plan.roomy);
            service.message_rate = pick(rng, &[0, 1, 3, 100]);
            service.max_message = pick(rng, &[2_000, 4_000, LARGEST]);
            service.anonymous_publish = rng.bool();
            service.access.byte_rate = pick(rng, &[0, 5_000, 100_000]);
            service.access.max_subscriptions = pick(rng, &[1, 3, 10_000]);
            service.access.subscribe = rules(rng);
            service.access.publish = rules(rng);
        }
        let mut config = Config::clone(&self.plan.config);
        config.replace_live(&new).expect("the same services");
        self.config = Arc::new(config);
        self.settings.fill(Some(self.config.clone()));
        self.note(|| "settings change".into());
    }

    /// Takes over what has changed: of what tokens granted, all that the rules name is kept.
    pub(super) fn take_settings(&mut self, shard: usize) {
        let Some(config) = self.settings[shard].take() else { return };
        let before = self.hubs[shard].granted();
        self.hubs[shard].reconfigure(Arc::clone(&config));
        let after = self.hubs[shard].granted();
        assert_eq!(before.len(), after.len(), "somebody is known no more");
        for ((connection, service, mut names), after) in before.into_iter().zip(after) {
            let had = names.len();
            let named = config[service].permissions();
            names.retain(|name| named.contains(name));
            self.grants_lost += (had - names.len()) as u64;
            assert_eq!((connection, service, names), after, "permissions under other rules");
        }
    }
}

/// Classes of some of the channels.
fn classes(rng: &mut fastrand::Rng, roomy: bool) -> Vec<ClassRule> {
    let mut rules = Vec::new();
    for channel in 0..5 {
        if rng.bool() {
            continue;
        }
        let rule = rule_of(&mut rules, channel);
        retain(rng, rule, roomy);
        rule.coalesce = pick(rng, &[None, Some(0), Some(5), Some(50)]).map(Duration::from_millis);
        if rng.bool() {
            slow(rng, rule);
        }
    }
    rules
}

/// Rules for some of the channels.
fn rules(rng: &mut fastrand::Rng) -> Vec<Rule> {
    let mut rules = Vec::new();
    for channel in 0..3 {
        let channels = ChannelPattern::parse(&format!("room:{channel}")).unwrap();
        let permission = pick(rng, &["", "read", "write", "none"]);
        if !permission.is_empty() {
            rules.push(Rule { channels, permission: permission.into() });
        }
    }
    rules
}

#[test]
fn where_settings_change_subscribers_see_every_message_once_in_order() {
    let seeds = seeds(&[], 2);
    let met = run_all(seeds.iter().copied().map(Plan::changing));
    println!("{} seeds: {met:?}", seeds.len());
    let never = ["forbidden", "too fast", "grants lost"].iter().find(|what| met[**what] == 0);
    assert!(seeds.len() < SEEDS as usize / 2 || never.is_none(), "never met: {never:?}");
}
