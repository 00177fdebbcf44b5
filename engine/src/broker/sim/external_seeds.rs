//! Seeds of the world with an external order.

use super::plan::{Plan, Sabotage};
use super::{is_caught_in, run_meeting};
use crate::broker::upstream_faults::UpstreamFault;

/// Seeds that once failed.
const PAST: &[u64] = &[2550];

/// The same with patterns.
const PAST_WITH_PATTERNS: &[u64] = &[330, 1472, 4066];

#[test]
fn where_the_order_is_elsewhere_subscribers_see_exactly_its_messages_or_are_told() {
    let things = ["epochs", "unanswered", "degraded", "upstream_repeated"];
    run_meeting(PAST, 1, |seed| Plan::outside(seed, None), &things);
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
    let plan = |seed| Plan::outside(seed, None).with_patterns();
    run_meeting(PAST_WITH_PATTERNS, 1, plan, &["patterns", "unanswered", "upstream_unwanted"]);
}
