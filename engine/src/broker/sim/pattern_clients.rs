//! Clients with patterns: they get the same as if they had subscribed to each of the channels by
//! name when their pattern was confirmed.

use super::order::Order;
use super::plan::{Plan, Sabotage, pick};
use super::world::World;
use super::{SEEDS, run_all, seeds};

/// What the channels of a pattern begin with. The channels are `room:0` to `room:4`.
const PREFIXES: &[&str] = &["room:", "room:", "r", "room:0", "room:1", "room:1:", "other:"];

impl Plan {
    pub(super) fn patterned(seed: u64, sabotage: Option<Sabotage>) -> Plan {
        let mut plan = Plan::new(seed, sabotage);
        let mut rng = fastrand::Rng::with_seed(seed ^ 0x9a77);
        plan.patterns = true;
        plan.shards = pick(&mut rng, &[1, 2, 2, 3]);
        plan
    }
}

impl World {
    /// A request for a pattern.
    pub(super) fn pattern_request(&mut self, client: usize, id: u64) -> String {
        let prefix = pick(&mut self.rng, PREFIXES);
        let (order, kind) = match self.rng.u8(..3) {
            0 => (Order::UnsubscribePattern(prefix.into()), "unsubscribe"),
            _ => (Order::SubscribePattern(prefix.into()), "subscribe"),
        };
        self.clients[client].orders.push_back((id, order));
        format!(r#"{{"id":"{id}","type":"{kind}","data":{{"pattern":"{prefix}*"}}}}"#)
    }
}

#[test]
fn by_patterns_subscribers_see_every_message_once_in_order() {
    let seeds = seeds(&[], 1);
    let met = run_all(seeds.iter().map(|seed| Plan::patterned(*seed, None)));
    println!("{} seeds: {met:?}", seeds.len());
    assert!(seeds.len() < SEEDS as usize || met["patterns"] > 0, "{met:?}");
}
