//! A world of one shard and two channels with clients that read everything at once.

use std::sync::Arc;

use super::plan::Plan;
use super::world::World;
use crate::broker::turn_limits::TurnLimits;
use crate::config::{Config, Service};

/// Connections that may come later.
const SPARE: usize = 100;

/// One client for each item, subscribed to these channels.
pub(super) fn small_world(seed: u64, slice: usize, channels: &[&[usize]]) -> World {
    world_of(seed, slice, service(), channels)
}

/// A service without limits of rates.
pub(super) fn service() -> Service {
    Service { anonymous_publish: true, message_rate: 0, ..Service::default() }
}

/// The same with a service of one's own.
pub(super) fn world_of(seed: u64, slice: usize, service: Service, channels: &[&[usize]]) -> World {
    let mut plan = Plan::new(seed, None);
    (plan.shards, plan.channels, plan.capacity) = (1, 2, channels.len() + SPARE);
    (plan.socket, plan.sealed, plan.rough, plan.roomy) = (1 << 20, false, false, true);
    plan.streams = false;
    plan.deflating = if service.may_compress() { 100 } else { 0 };
    (plan.services, plan.config) = (1, Arc::new(Config::from(service)));
    plan.bounds = TurnLimits { slice, ..TurnLimits::default() };
    let mut world = World::new(plan);
    for channels in channels {
        join(&mut world, channels);
    }
    while turn(&mut world) > 0 {}
    world
}

/// A client more, which asks to subscribe to these channels.
pub(super) fn join(world: &mut World, channels: &[usize]) -> usize {
    let client = world.clients.len();
    world.connect(0);
    world.sockets[client].room = 1 << 20;
    world.clients[client].subscribes(1, channels);
    let names: Vec<&str> = channels.iter().map(|channel| world.truth.name(*channel)).collect();
    let data = format!(r#"{{"channels":{}}}"#, serde_json::to_string(&names).unwrap());
    world.say(client, &format!(r#"{{"id":"1","type":"subscribe","data":{data}}}"#));
    client
}

/// One turn, after which every client reads. Returns how many sockets it wrote.
pub(super) fn turn(world: &mut World) -> u64 {
    let before = world.writes;
    world.turn(0, true);
    (0..world.clients.len()).for_each(|client| world.read(client, usize::MAX));
    world.writes - before
}
