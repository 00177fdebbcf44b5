//! A healthy delivery allocates nothing (invariant 5): publishing to ten thousand subscribers takes
//! as many allocations as publishing to ten. And an idle connection holds what limits.rs adds up.

use allocation_counter::measure;
use uringcast_benches::{NoLanes, Nowhere, at, hub, publication, say, settle};
use uringcast_engine::ConnectionKey;
use uringcast_engine::broker::hub::Hub;
use uringcast_engine::limits::{FURTHER_SUBSCRIPTION, IDLE_CONNECTION, SLOT_RECORD};

/// Allocations of one publish and its whole sweep, once buffers have their size.
fn allocations(subscribers: usize) -> u64 {
    let mut hub = hub(subscribers);
    let publication = publication("bench:0", 128);
    let mut outlet = Nowhere::default();
    let mut broadcast = |ns| {
        let before = outlet.writes;
        hub.publish(at(ns), &publication).expect("nothing is unswept");
        while hub.poll_transmit(at(ns), &mut outlet, &mut NoLanes) {}
        assert_eq!(outlet.writes - before, subscribers as u64);
    };
    // 1,000 frames fill the log, so that its own growth is over.
    (1..1_100).for_each(|n| broadcast(n * 1_000));
    measure(|| broadcast(2_000_000)).count_total
}

#[test]
fn a_healthy_delivery_allocates_nothing() {
    let few = allocations(10);
    assert!(few > 0, "the frame itself is allocated, or nothing is counted");
    assert_eq!(allocations(10_000), few);
}

/// Bytes that `make` leaves allocated.
fn held<T>(make: impl FnOnce() -> T) -> (T, i64) {
    let mut made = None;
    let held = measure(|| made = Some(make())).bytes_current;
    (made.expect("it was made"), held)
}

/// Subscribes all to `channels` further channels.
fn subscribe_further(hub: &mut Hub, subscribers: u32, channels: usize) {
    for index in 0..subscribers {
        for channel in 1..=channels {
            let key = ConnectionKey { index, generation: 0 };
            say(hub, key, &format!(r#"{{"type":"subscribe","room":"bench:{channel}"}}"#));
        }
        settle(hub);
    }
}

#[test]
fn an_idle_connection_and_its_subscriptions_hold_what_the_limits_say() {
    const SUBSCRIBERS: u32 = 10_000;
    const FURTHER: usize = 10;
    let (_few, little) = held(|| hub(100));
    let (mut many, much) = held(|| hub(SUBSCRIBERS as usize + 100));
    let each = (much - little) as usize / SUBSCRIBERS as usize;
    println!("{each} bytes a connection");
    // The shell's record of the slot stands beside the broker's.
    assert!(each > 0 && each <= IDLE_CONNECTION - SLOT_RECORD, "{each} bytes a connection");

    let ((), further) = held(|| subscribe_further(&mut many, SUBSCRIBERS, FURTHER));
    let each = further as usize / (SUBSCRIBERS as usize * FURTHER);
    println!("{each} bytes a further subscription");
    assert!(each > 0 && each <= FURTHER_SUBSCRIPTION, "{each} bytes a further subscription");
}
