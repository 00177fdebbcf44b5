//! Seeds of the world with an external order.

use super::plan::{Plan, Sabotage};
use super::{SEEDS, is_caught_in, run_all, seeds};
use crate::broker::upstream_faults::UpstreamFault;

/// Seeds that once failed.
const PAST: &[u64] = &[2550];

/// The same with patterns.
const PAST_WITH_PATTERNS: &[u64] = &[330, 1472];

#[test]
fn where_the_order_is_elsewhere_subscribers_see_exactly_its_messages_or_are_told() {
    let seeds = seeds(PAST, 1);
    let met = run_all(seeds.iter().map(|seed| Plan::outside(*seed, None)));
    println!("{} seeds: {met:?}", seeds.len());
    let never: Vec<_> = ["epochs", "unanswered", "degraded", "upstream_repeated"]
        .into_iter()
        .filter(|what| met[what] == 0)
        .collect();
    assert!(seeds.len() < SEEDS as usize || never.is_empty(), "never met: {never:?}");
}

#[test]
fn an_order_that_is_not_followed_to_the_letter_is_caught() {
    use UpstreamFault::{HalfAnswer, SilentHole, Unasked};
    for fault in [SilentHole, HalfAnswer, Unasked] {
        let plans = (0..100).map(|seed| Plan::outside(seed, Some(Sabotage::Upstream(fault))));
        assert!(is_caught_in(plans), "{fault:?} is not found");
    }
    let unseen = Some(Sabotage::Upstream(UpstreamFault::Unseen));
    let plans = (0..100).map(|seed| Plan::outside(seed, unseen).with_patterns());
    assert!(is_caught_in(plans), "patterns are not missed");
}

#[test]
fn where_the_order_is_elsewhere_patterns_have_every_message_of_channels_that_appear() {
    let seeds = seeds(PAST_WITH_PATTERNS, 1);
    let met = run_all(seeds.iter().map(|seed| Plan::outside(*seed, None).with_patterns()));
    println!("{} seeds: {met:?}", seeds.len());
    let never: Vec<_> = ["patterns", "unanswered", "upstream_unwanted"]
        .into_iter()
        .filter(|what| met[what] == 0)
        .collect();
    assert!(seeds.len() < SEEDS as usize || never.is_empty(), "never met: {never:?}");
}
