//! Clients of several channels are written once for all of them, and each channel's broadcast is
//! over with its own last subscriber.

use std::sync::Arc;

use super::plan::Plan;
use super::world::World;
use crate::broker::turn_limits::TurnLimits;
use crate::config::{Config, Service};
use crate::telemetry::Totals;

/// The channels of each client: some share both, some have one.
const CHANNELS: [&[usize]; 9] = [&[0, 1], &[0], &[1], &[0, 1], &[1], &[0], &[0, 1], &[1], &[0, 1]];

fn world(slice: usize) -> World {
    let mut plan = Plan::new(1, None);
    (plan.shards, plan.channels, plan.services, plan.capacity) = (1, 2, 1, CHANNELS.len());
    (plan.socket, plan.sealed, plan.rough, plan.roomy) = (1 << 20, false, false, true);
    let service = Service { anonymous_publish: true, message_rate: 0, ..Service::default() };
    plan.config = Arc::new(Config::from(service));
    plan.bounds = TurnLimits { slice, ..TurnLimits::default() };
    let mut world = World::new(plan);
    for (client, channels) in CHANNELS.iter().enumerate() {
        world.connect(0);
        world.sockets[client].room = 1 << 20;
        world.clients[client].subscribes(1, channels);
        let names: Vec<&str> = channels.iter().map(|channel| world.truth.name(*channel)).collect();
        let names = serde_json::to_string(&names).unwrap();
        let data = format!(r#"{{"channels":{names}}}"#);
        world.say(client, &format!(r#"{{"id":"1","type":"subscribe","data":{data}}}"#));
    }
    while turn(&mut world) > 0 {}
    world
}

/// One turn, after which every client reads. Returns how many sockets it wrote.
fn turn(world: &mut World) -> u64 {
    let before = world.writes;
    world.turn(0, true);
    (0..world.clients.len()).for_each(|client| world.read(client, usize::MAX));
    world.writes - before
}

#[test]
fn a_broadcast_is_over_with_its_own_last_subscriber() {
    for slice in [1, 2, 3, 1_000] {
        let mut world = world(slice);
        let mut totals = Totals::new(1, 1);
        world.publish(0);
        world.publish(1);
        let (mut writes, mut turns) = (0, 0);
        while writes < CHANNELS.len() as u64 {
            writes += turn(&mut world);
            turns += 1;
            assert!(turns < 100, "it never ends");
            totals.absorb(&world.hubs[0].recorder().swap(None));
            let over: u64 = totals.classes.values().map(|class| class.broadcast.len()).sum();
            let has_all = |channel: &usize| {
                let clients = world.clients.iter();
                clients.into_iter().all(|client| client.has_all(*channel, &world.truth))
            };
            let served = [0, 1].iter().filter(|channel| has_all(channel)).count() as u64;
            assert_eq!(over, served, "after turn {turns} of slices of {slice}");
        }
        assert_eq!(writes, CHANNELS.len() as u64, "one write for each client");
        assert!(turns >= CHANNELS.len().div_ceil(slice));
    }
}

#[test]
fn a_reply_and_what_all_channels_brought_are_one_write() {
    let mut world = world(1_000);
    for client in 0..CHANNELS.len() {
        world.clients[client].asked.insert(2, "ping");
        world.say(client, r#"{"id":"2","type":"ping"}"#);
    }
    world.publish(0);
    world.publish(1);
    assert_eq!(turn(&mut world), CHANNELS.len() as u64);
    for (client, channels) in world.clients.iter().zip(CHANNELS) {
        assert_eq!(client.events, channels.len() as u64);
        assert!(client.asked.is_empty());
    }
}

#[test]
fn the_publisher_s_answer_and_its_own_event_are_one_write() {
    let mut world = world(1_000);
    world.clients[1].asked.insert(2, "publish");
    let data = format!(r#"{{"channel":"{}","event":"e","data":{{}}}}"#, world.truth.name(0));
    world.say(1, &format!(r#"{{"id":"2","type":"request","event":"publish","data":{data}}}"#));
    let subscribers = CHANNELS.iter().filter(|channels| channels.contains(&0)).count() as u64;
    assert_eq!(turn(&mut world), subscribers);
    assert_eq!((world.clients[1].events, world.clients[1].asked.len()), (1, 0));
}
