//! A huge sweep delays no other channel: a turn writes one slice of it, and whatever else is due
//! comes in the same turn or in the next one.

use std::sync::Arc;

use super::plan::Plan;
use super::world::World;
use crate::broker::turn_limits::TurnLimits;
use crate::config::{Config, Service};

/// Subscribers of the huge channel, 0.
const CROWD: usize = 200;
/// Subscribers of the small channel, 1.
const FEW: usize = 3;
const SLICE: usize = 10;
/// Turns within which the small channel is served: the slice of the huge one, then its own.
const TURNS: usize = 2;

fn crowded(seed: u64) -> World {
    let mut plan = Plan::new(seed, None);
    (plan.shards, plan.channels, plan.capacity) = (1, 2, CROWD + FEW + 100);
    (plan.socket, plan.sealed, plan.rough, plan.roomy) = (1 << 20, false, false, true);
    let service = Service { anonymous_publish: true, message_rate: 0, ..Service::default() };
    (plan.services, plan.config) = (1, Arc::new(Config::from(service)));
    plan.bounds = TurnLimits { slice: SLICE, ..TurnLimits::default() };
    let mut world = World::new(plan);
    for client in 0..CROWD + FEW {
        let channel = usize::from(client >= CROWD);
        world.connect(0);
        world.sockets[client].room = 1 << 20;
        world.clients[client].subscribes(1, &[channel]);
        let data = format!(r#"{{"channels":["{}"]}}"#, world.truth.name(channel));
        world.say(client, &format!(r#"{{"id":"1","type":"subscribe","data":{data}}}"#));
    }
    settle(&mut world);
    world
}

/// One turn, after which everybody reads. Returns how many sockets it wrote.
fn turn(world: &mut World) -> u64 {
    let before = world.writes;
    world.turn(0, true);
    (0..world.clients.len()).for_each(|client| world.read(client, usize::MAX));
    world.writes - before
}

fn settle(world: &mut World) {
    while turn(world) > 0 {}
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
