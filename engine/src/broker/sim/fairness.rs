//! A huge sweep delays no other channel: a turn writes one slice of it, and whatever else is due
//! comes in the same turn or in the next one.

use super::plan::rule_of;
use super::small_world::{service, small_world, turn, world_of};
use super::world::World;
use crate::config::Compression;
use crate::limits::DELIVERY_BYTES;

/// Subscribers of the huge channel, 0.
const CROWD: usize = 200;
/// Subscribers of the small channel, 1.
const FEW: usize = 3;
const SLICE: usize = 10;
/// Turns within which the small channel is served: the slice of the huge one, then its own.
const TURNS: usize = 2;

fn crowded(seed: u64) -> World {
    let channels: [&[usize]; CROWD + FEW] =
        std::array::from_fn(|client| if client < CROWD { &[0][..] } else { &[1][..] });
    small_world(seed, SLICE, &channels)
}

/// Keeps the huge channel's sweep under way for ever; returns the turns that `done` takes.
fn turns_until(world: &mut World, done: impl Fn(&World) -> bool) -> usize {
    for turns in 1..=2 * CROWD / SLICE {
        world.publish(0);
        let writes = turn(world);
        assert!(world.busy[0], "the sweep of {CROWD} is over after a turn of {writes} writes");
        // Replies and welcomes, of which there are few here, come beside the slice.
        assert!(writes <= SLICE as u64 + 2, "{writes} writes in one turn");
        if done(world) {
            return turns;
        }
    }
    panic!("it waits for the whole sweep");
}

#[test]
fn a_huge_sweep_delays_a_small_channel_by_one_slice() {
    let mut world = crowded(1);
    for message in 1..=40 {
        world.publish(1);
        let all_have =
            |world: &World| (CROWD..CROWD + FEW).all(|c| world.clients[c].events == message);
        let turns = turns_until(&mut world, all_have);
        assert!(turns <= TURNS, "message {message} took {turns} turns");
    }
}

#[test]
fn a_sweep_is_over_with_its_last_slice() {
    let mut world = crowded(3);
    assert!(world.hubs[0].is_swept());
    world.publish(0);
    for _ in 0..CROWD / SLICE {
        assert!(!world.hubs[0].is_swept(), "subscribers wait");
        turn(&mut world);
    }
    assert!(world.hubs[0].is_swept());
}

#[test]
fn a_huge_sweep_delays_no_ping_and_no_newcomer() {
    let mut world = crowded(2);
    for id in 2..42 {
        let speaker = (7 * id as usize) % CROWD;
        world.clients[speaker].asked.insert(id, "ping");
        world.say(speaker, &format!(r#"{{"id":"{id}","type":"ping"}}"#));
        let answered = |world: &World| world.clients[speaker].asked.is_empty();
        assert_eq!(turns_until(&mut world, answered), 1, "a ping waits");

        let newcomer = world.clients.len();
        world.connect(0);
        world.sockets[newcomer].room = 1 << 20;
        let welcomed = |world: &World| world.clients[newcomer].is_welcomed();
        assert_eq!(turns_until(&mut world, welcomed), 1, "a newcomer waits");
    }
}

#[test]
fn a_sweep_of_large_messages_has_shorter_slices() {
    let mut compressing = service();
    rule_of(&mut compressing.classes, 0).compression = Some(Compression::Shared);
    for service in [service(), compressing] {
        let mut world = world_of(3, SLICE, service, &[&[0][..]; CROWD]);
        // A write of it counts as four deliveries.
        let pad = "x".repeat(3 * DELIVERY_BYTES);
        world.publish_this(0, &format!(r#"{{"pad":"{pad}"}}"#));
        let mut left = CROWD as u64;
        while left > 0 {
            let writes = turn(&mut world);
            assert!((1..=SLICE.div_ceil(4) as u64).contains(&writes), "{writes} writes in a turn");
            left -= writes;
        }
        assert!(world.clients.iter().all(|client| client.events == 1));
    }
}
