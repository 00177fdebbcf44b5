//! Subscribers that are too far behind: what each policy leaves them, and that it is told.

use std::time::Duration;

use super::small_world::{service, turn, world_of};
use super::world::World;
use crate::config::{ClassRule, Service, SlowPolicy};
use crate::telemetry::{Count, Skipped, Totals};
use crate::types::{ChannelPattern, MessageKey};

/// Client 0 in channel 0, with a socket that is full from now on, and client 1, which keeps up.
fn stalled(change: impl FnOnce(&mut ClassRule)) -> World {
    let mut rule = ClassRule::new(ChannelPattern::parse("room:0").unwrap());
    change(&mut rule);
    let service = Service { classes: vec![rule], ..service() };
    let mut world = world_of(1, 1_000, service, &[&[0], &[0]]);
    (world.sockets[0].room, world.truth.roomy) = (0, false);
    world
}

/// One message for each key, and a turn each.
fn publish(world: &mut World, keys: &[&str]) {
    for key in keys {
        let key = (!key.is_empty()).then(|| MessageKey::parse(key).unwrap());
        world.publish_with(0, r#"{"pad":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}"#, key);
        turn(world);
    }
}

/// The stalled client reads again. Messages that it got, and those that gaps are told for.
fn resumed(world: &mut World) -> (u64, u64) {
    world.sockets[0].room = 1 << 20;
    for _ in 0..10 {
        turn(world);
    }
    assert!(world.clients[1].has_all(0, &world.truth));
    (world.clients[0].events, world.clients[0].gaps)
}

fn counted(world: &mut World) -> (u64, u64) {
    let mut totals = Totals::new(1, 1);
    totals.absorb(&world.hubs[0].recorder().swap(None));
    (totals.count(Count::Skipped), totals.count(Count::Conflated))
}

fn skipped(world: &World) -> Skipped {
    let query = Default::default();
    let (found, _) = world.hubs[0].find_connections(&query, 0, 10);
    found[0].skipped
}

#[test]
fn a_client_that_is_skipped_goes_on_at_the_head_after_one_gap() {
    let mut world = stalled(|rule| {
        (rule.slow, rule.slow_bytes) = (Some(SlowPolicy::Skip), Some(1_000));
    });
    publish(&mut world, &[""; 10]);
    assert_eq!(resumed(&mut world), (0, 10));
    assert_eq!(skipped(&world), Skipped { slow: 10, conflated: 0 });
    publish(&mut world, &[""; 3]);
    assert_eq!(resumed(&mut world), (3, 10), "it keeps up again");
    assert_eq!(counted(&mut world), (10, 0));
}

#[test]
fn a_client_within_the_bounds_gets_everything_late() {
    for policy in [SlowPolicy::Disconnect, SlowPolicy::Skip, SlowPolicy::Latest] {
        let mut world = stalled(|rule| {
            (rule.slow, rule.slow_bytes) = (Some(policy), Some(100_000));
            rule.slow_age = Some(Duration::from_secs(10));
        });
        publish(&mut world, &["a"; 10]);
        assert_eq!(resumed(&mut world), (10, 0));
    }
}

#[test]
fn age_is_a_bound_like_bytes() {
    for (policy, expected) in [(SlowPolicy::Skip, (0, 10)), (SlowPolicy::Latest, (1, 9))] {
        let mut world = stalled(|rule| {
            (rule.slow, rule.slow_age) = (Some(policy), Some(Duration::from_secs(1)));
        });
        publish(&mut world, &["a"; 10]);
        world.pass_time(Duration::from_millis(1_001));
        assert_eq!(resumed(&mut world), expected);
    }
}

#[test]
fn a_conflated_client_gets_the_newest_of_each_key_and_what_has_none() {
    let mut world = stalled(|rule| {
        (rule.slow, rule.slow_bytes) = (Some(SlowPolicy::Latest), Some(1_000));
    });
    publish(&mut world, &["a", "b", "a", "c", "", "b", "a", "a", "b", "a"]);
    // c, the one without a key, and the last two.
    assert_eq!(resumed(&mut world), (4, 6));
    assert_eq!(skipped(&world), Skipped { slow: 0, conflated: 6 });
    assert_eq!(counted(&mut world), (0, 6));
}

#[test]
fn the_newest_of_a_key_that_its_log_has_dropped_arrives() {
    let mut world = stalled(|rule| {
        (rule.slow, rule.frames) = (Some(SlowPolicy::Latest), Some(3));
    });
    publish(&mut world, &["a", "a", "b", "c", "c", "c", "c", "c", "c", "c"]);
    // a, b, c: all others are replaced.
    assert_eq!(resumed(&mut world), (3, 7));
    assert_eq!(skipped(&world), Skipped { slow: 0, conflated: 7 });
}

#[test]
fn what_is_lost_for_good_is_not_told_as_replaced() {
    let mut world = stalled(|rule| {
        (rule.slow, rule.frames) = (Some(SlowPolicy::Latest), Some(3));
    });
    publish(&mut world, &["a", "", "b", "c", "c", "c", "c", "c", "c", "c"]);
    // The second had no key, and the log has dropped it.
    assert_eq!(resumed(&mut world), (3, 7));
    assert_eq!(skipped(&world), Skipped { slow: 1, conflated: 6 });
}

#[test]
fn a_client_over_the_bounds_of_its_class_is_closed() {
    let mut world = stalled(|rule| rule.slow_bytes = Some(1_000));
    publish(&mut world, &["a"; 10]);
    resumed(&mut world);
    assert_eq!(world.clients[0].closed, Some(1013));
    assert_eq!(world.clients[0].reason, "slow consumer");
}
