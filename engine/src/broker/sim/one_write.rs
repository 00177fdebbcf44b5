//! Clients of several channels are written once for all of them, and each channel's broadcast is
//! over with its own last subscriber.

use super::small_world::{small_world, turn};
use crate::telemetry::Totals;

/// The channels of each client: some share both, some have one.
const CHANNELS: [&[usize]; 9] = [&[0, 1], &[0], &[1], &[0, 1], &[1], &[0], &[0, 1], &[1], &[0, 1]];

#[test]
fn a_broadcast_is_over_with_its_own_last_subscriber() {
    for slice in [1, 2, 3, 1_000] {
        let mut world = small_world(1, slice, &CHANNELS);
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
    let mut world = small_world(1, 1_000, &CHANNELS);
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
    let mut world = small_world(1, 1_000, &CHANNELS);
    world.clients[1].asked.insert(2, "publish");
    let data = format!(r#"{{"channel":"{}","event":"e","data":{{}}}}"#, world.truth.name(0));
    world.say(1, &format!(r#"{{"id":"2","type":"request","event":"publish","data":{data}}}"#));
    let subscribers = CHANNELS.iter().filter(|channels| channels.contains(&0)).count() as u64;
    assert_eq!(turn(&mut world), subscribers);
    assert_eq!((world.clients[1].events, world.clients[1].asked.len()), (1, 0));
}
