//! Clients that negotiated compression inflate everything that they are sent.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use zlib_rs::{Inflate, InflateFlush, Status};

use super::plan::{Plan, Sabotage, pick, rule_of};
use super::small_world::{join, service, turn, world_of};
use super::world::World;
use super::{SEEDS, is_caught_in, run_all, seeds};
use crate::broker::channel::context_faults::ContextFault;
use crate::config::Compression;
use crate::shared_frame::text_of;
use crate::telemetry::{Count, Totals};
use crate::wire::deflate::{Deflate, negotiate};
use crate::wire::frame::{self, Opcode};

/// What a client offers; `server_no_context_takeover` is one that forgets.
const OFFERS: [&str; 5] = [
    "permessage-deflate",
    "permessage-deflate; client_max_window_bits",
    "permessage-deflate; server_max_window_bits=12",
    "permessage-deflate; server_no_context_takeover",
    "permessage-deflate; server_max_window_bits=10",
];

/// A client's inflater, which keeps its window from message to message.
pub(super) struct ClientInflater(Inflate);

impl ClientInflater {
    fn new(window_bits: u8) -> ClientInflater {
        ClientInflater(Inflate::new(false, window_bits))
    }

    /// The plain frame of a compressed message, and its payload.
    pub(super) fn plain(client: &mut Option<Self>, payload: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let frame = client.as_mut().expect("it negotiated compression").inflate(payload);
        let text = text_of(&frame).to_vec();
        (frame, text)
    }

    fn inflate(&mut self, payload: &[u8]) -> Vec<u8> {
        let input = [payload, &[0, 0, 0xff, 0xff]].concat();
        let mut text = vec![0; 1 << 19];
        let before = self.0.total_out();
        let status = self.0.decompress(&input, &mut text, InflateFlush::SyncFlush);
        assert_eq!(status, Ok(Status::Ok), "a message that cannot be inflated");
        text.truncate((self.0.total_out() - before) as usize);
        let mut plain = Vec::new();
        frame::encode(Opcode::Text, &text, &mut plain);
        plain
    }
}

impl fmt::Debug for ClientInflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientInflater")
    }
}

impl World {
    /// What a new client negotiates.
    pub(super) fn negotiate(&mut self) -> (Option<Deflate>, Option<ClientInflater>) {
        // No random number where none is asked for: seeds stay what they were.
        if self.plan.deflating == 0 || !self.chance(self.plan.deflating) {
            return (None, None);
        }
        let usual = self.plan.deflating == 100 || self.chance(70);
        let offer = OFFERS[if usual { 0 } else { self.rng.usize(..OFFERS.len()) }];
        let (deflate, _) = negotiate([offer].into_iter()).expect("an acceptable offer");
        // No more of a window than was agreed on, but for clients that did not say.
        let bits = if offer.contains("server_max") { deflate.window_bits() } else { 15 };
        (Some(deflate), Some(ClientInflater::new(bits)))
    }
}

impl Plan {
    /// Most clients negotiate compression, some channels have it. Compressors come and go.
    pub(super) fn deflating(seed: u64, sabotage: Option<Sabotage>) -> Plan {
        let mut plan = match seed % 3 {
            0 => Plan::sharing(seed, sabotage),
            _ => Plan::new(seed, sabotage),
        };
        // A client that is written events deflates nothing that could be broken.
        plan.streams &= sabotage.is_none();
        let mut rng = fastrand::Rng::with_seed(seed ^ 0xdef1);
        let rng = &mut rng;
        (plan.deflating, plan.changes) = (75, sabotage.is_none() && seed % 7 == 1);
        plan.padding = pick(rng, &[1, 50, 300, 2_000]);
        plan.bounds.context_subscribers = pick(rng, &[1, 1, 2, 4]);
        plan.bounds.contexts = pick(rng, &[1, 2, 1_000]);
        plan.bounds.context_idle = Duration::from_millis(pick(rng, &[60, 1_000, 30_000]));
        for service in &mut Arc::make_mut(&mut plan.config).services {
            for channel in 0..plan.channels {
                use Compression::{Off, Shared, Twin};
                let compression = pick(rng, &[Off, Twin, Shared, Shared, Shared]);
                rule_of(&mut service.classes, channel).compression = Some(compression);
            }
        }
        plan
    }
}

#[test]
fn what_is_compressed_is_inflated_to_every_message_once_in_order() {
    let seeds = seeds(&[], 1);
    let met = run_all(seeds.iter().map(|seed| Plan::deflating(*seed, None)));
    println!("{} seeds: {met:?}", seeds.len());
    let kinds = [Count::ContextDeliveries, Count::TwinDeliveries, Count::DeflateSavedBytes];
    let never = kinds.iter().find(|what| met[what.label()] == 0);
    assert!(seeds.len() < SEEDS as usize || never.is_none(), "never met: {never:?}");
}

#[test]
fn broken_contexts_are_caught() {
    use ContextFault::{ForgottenGap, ForgottenTwin, WarmNewcomer};
    for fault in [WarmNewcomer, ForgottenGap, ForgottenTwin] {
        let plans = (0..200).map(|seed| Plan::deflating(seed, Some(Sabotage::Contexts(fault))));
        assert!(is_caught_in(plans), "{fault:?} is not found");
    }
}

/// A world of one shard with clients that all negotiate, and the counts of what they are sent.
fn deflating_world(clients: usize) -> World {
    let mut service = service();
    rule_of(&mut service.classes, 0).compression = Some(Compression::Shared);
    world_of(4, 1_000, service, &vec![&[0][..]; clients])
}

fn counts(world: &mut World) -> impl Fn(Count) -> u64 + use<> {
    let mut totals = Totals::new(1, 1);
    totals.absorb(&world.hubs[0].recorder().swap(None));
    move |what| totals.count(what)
}

#[test]
fn a_broadcast_to_ten_thousand_is_compressed_once() {
    const SUBSCRIBERS: usize = 10_000;
    let mut world = deflating_world(SUBSCRIBERS);
    for (message, encodings) in [(1, 1), (2, 1), (3, 1)] {
        let _ = counts(&mut world);
        world.publish_this(0, &format!(r#"{{"pad":"{}","n":{message}}}"#, "x".repeat(300)));
        while world.busy[0] || world.writes < (SUBSCRIBERS * (message + 1)) as u64 {
            world.turn(0, true);
        }
        let count = counts(&mut world);
        assert_eq!(count(Count::ContextDeflates), encodings);
        assert_eq!(count(Count::TwinDeflates), 0, "all are warm from the first one on");
        assert_eq!(count(Count::ContextDeliveries), SUBSCRIBERS as u64);
    }
}

#[test]
fn a_newcomer_gets_a_twin_and_follows() {
    let mut world = deflating_world(10);
    let text = format!(r#"{{"pad":"{}"}}"#, "x".repeat(300));
    world.publish_this(0, &text);
    turn(&mut world);
    let newcomer = join(&mut world, &[0]);
    turn(&mut world);
    let _ = counts(&mut world);
    let mut twins = 0;
    // Its window has all that a message may refer to once 4 KiB have come.
    for _ in 0..20 {
        world.publish_this(0, &text);
        turn(&mut world);
        let count = counts(&mut world);
        assert_eq!(count(Count::ContextDeliveries) + count(Count::TwinDeliveries), 11);
        twins += count(Count::TwinDeliveries);
    }
    assert!((5..13).contains(&twins), "{twins} twins");
    assert_eq!(world.clients[newcomer].events, 20);
}

#[test]
fn few_subscribers_get_twins() {
    let mut world = deflating_world(3);
    world.publish_this(0, &format!(r#"{{"pad":"{}"}}"#, "x".repeat(300)));
    turn(&mut world);
    let count = counts(&mut world);
    assert_eq!((count(Count::ContextDeflates), count(Count::TwinDeflates)), (0, 1));
    assert_eq!(count(Count::TwinDeliveries), 3);
}

#[test]
fn beyond_the_bound_channels_have_no_compressor() {
    let mut service = service();
    for channel in [0, 1] {
        rule_of(&mut service.classes, channel).compression = Some(Compression::Shared);
    }
    let mut world = world_of(4, 1_000, service, &[&[0], &[0], &[1], &[1]]);
    (world.plan.bounds.contexts, world.plan.bounds.context_subscribers) = (1, 1);
    world.hubs[0].set_limits(world.plan.bounds);
    let text = format!(r#"{{"pad":"{}"}}"#, "x".repeat(300));
    for channel in [0, 1, 0, 1] {
        world.publish_this(channel, &text);
        turn(&mut world);
    }
    let count = counts(&mut world);
    assert_eq!((count(Count::ContextDeflates), count(Count::ContextDeliveries)), (2, 4));
    assert_eq!((count(Count::TwinDeflates), count(Count::TwinDeliveries)), (2, 4));
}

/// A connection of two channels follows the one that brings more, and is sent the other as it is.
#[test]
fn a_connection_follows_the_channel_with_most_bytes() {
    let mut service = service();
    for channel in [0, 1] {
        rule_of(&mut service.classes, channel).compression = Some(Compression::Shared);
    }
    let mut world = world_of(4, 1_000, service, &[&[0, 1][..]; 10]);
    let text = format!(r#"{{"pad":"{}"}}"#, "x".repeat(300));
    for (main, other) in [(0, 1), (1, 0)] {
        for _ in 0..200 {
            // Some seconds: that of both is looked at once a second.
            world.publish_this(main, &text);
            world.publish_this(main, &text);
            world.publish_this(other, r#"{"a":1}"#);
            world.pass_time(Duration::from_millis(100));
            turn(&mut world);
        }
        let _ = counts(&mut world);
        world.publish_this(main, &text);
        turn(&mut world);
        let count = counts(&mut world);
        assert_eq!(count(Count::ContextDeliveries), 10);
        world.publish_this(other, &text);
        turn(&mut world);
        let count = counts(&mut world);
        assert_eq!((count(Count::ContextDeliveries), count(Count::TwinDeliveries)), (0, 0));
    }
}
