//! Messages of channels with a coalescing window leave together, when it is over.

use std::time::Duration;

use super::order::Order;
use super::small_world::{join, service, turn, world_of};
use super::world::World;
use crate::config::{ClassRule, Service};
use crate::limits::{COALESCED_BYTES, COALESCING_PRECISION};
use crate::types::ChannelPattern;

const WINDOW: Duration = Duration::from_millis(20);

/// Clients 0 to 2 in channel 0, which waits for more, client 3 in channel 1, client 4 in both.
fn coalescing_world() -> World {
    let channels = ChannelPattern::parse("room:0").unwrap();
    let rule = ClassRule { coalesce: Some(WINDOW), ..ClassRule::new(channels) };
    let service = Service { classes: vec![rule], ..service() };
    world_of(1, 1_000, service, &[&[0], &[0], &[0], &[1], &[0, 1]])
}

fn events(world: &World) -> Vec<u64> {
    world.clients.iter().map(|client| client.events).collect()
}

#[test]
fn what_comes_within_a_window_is_one_write() {
    let mut world = coalescing_world();
    assert_eq!(world.hubs[0].next_due(), None);
    for _ in 0..10 {
        world.publish(0);
        assert_eq!(turn(&mut world), 0, "it waits");
        assert!(!world.busy[0], "the shard may sleep meanwhile");
        world.pass_time(Duration::from_millis(1));
    }
    let due = world.hubs[0].next_due().expect("a wait that ends");
    world.pass_time(due.since(world.now) - Duration::from_micros(1));
    assert_eq!(turn(&mut world), 0, "the window is not over");
    world.pass_time(Duration::from_micros(1));
    assert_eq!(turn(&mut world), 4);
    assert_eq!(events(&world), [10, 10, 10, 0, 10]);
    assert_eq!(world.hubs[0].next_due(), None);
}

#[test]
fn a_channel_without_a_window_does_not_wait() {
    let mut world = coalescing_world();
    world.publish(0);
    world.publish(1);
    assert_eq!(turn(&mut world), 2);
    assert_eq!(events(&world), [0, 0, 0, 1, 1]);
    world.pass_time(WINDOW);
    assert_eq!(turn(&mut world), 4);
}

#[test]
fn much_that_waits_is_written_at_once() {
    let mut world = coalescing_world();
    let document = format!(r#"{{"pad":"{}"}}"#, "x".repeat(COALESCED_BYTES / 10));
    let mut published = 0;
    while turn(&mut world) == 0 {
        world.publish_this(0, &document);
        published += 1;
        assert!(published <= 10, "it waits with more than it may");
    }
    assert!(published >= 9);
}

#[test]
fn a_newcomer_and_one_who_comes_back_lose_nothing() {
    let mut world = coalescing_world();
    world.publish(0);
    turn(&mut world);
    let newcomer = join(&mut world, &[0]);
    world.publish(0);
    turn(&mut world);
    world.pass_time(WINDOW - COALESCING_PRECISION);
    turn(&mut world);
    assert!((0..3).all(|client| world.clients[client].events == 2));
    assert!(world.clients[newcomer].has_all(0, &world.truth));
}

#[test]
fn a_client_that_leaves_has_what_was_accepted_before() {
    let mut world = coalescing_world();
    world.publish(0);
    let (head, at) = (world.truth.head(0), world.now);
    let order = Order::Unsubscribe { channels: vec![(0, head)], list: false, at };
    world.clients[0].orders.push_back((2, order));
    world.say(0, r#"{"id":"2","type":"unsubscribe","data":{"channel":"room:0"}}"#);
    assert_eq!(turn(&mut world), 0);
    world.pass_time(WINDOW);
    turn(&mut world);
    turn(&mut world);
    assert_eq!(world.clients[0].events, 1);
    assert!(world.clients[0].orders.is_empty(), "it has left");
}
