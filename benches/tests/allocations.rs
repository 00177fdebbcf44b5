//! A healthy delivery allocates nothing (invariant 5): publishing to ten thousand subscribers takes
//! as many allocations as publishing to ten.

use allocation_counter::measure;
use uringcast_benches::{NoLanes, Nowhere, at, hub, publication};

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
