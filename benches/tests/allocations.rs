//! A healthy delivery allocates nothing (invariant 5): publishing to ten thousand subscribers takes
//! as many allocations as publishing to ten. And an idle connection holds what limits.rs adds up.

use std::time::Duration;

use allocation_counter::measure;
use uringcast_benches::{NoLanes, Nowhere, at, hub, hub_with, publication, say, settle};
use uringcast_engine::broker::Hub;
use uringcast_engine::limits::{FURTHER_SUBSCRIPTION, IDLE_CONNECTION, SLOT_RECORD};
use uringcast_engine::telemetry::{
    Close, ConnectionError, Count, Gauge, MessageError, MessageType, Recorder,
};
use uringcast_engine::{
    ChannelName, CloseCodes, ConnectionKey, ServiceId, ShardId, Transport, WebSocketMetrics,
};

/// Allocations of one publish and its whole sweep, once buffers have their size.
fn allocations(subscribers: usize, metrics: bool) -> u64 {
    let mut hub = hub_with(subscribers, metrics);
    let publication = publication("bench:0", 128);
    let mut outlet = Nowhere::default();
    let mut broadcast = |ns| {
        let before = outlet.writes;
        hub.begin_iteration(at(ns));
        hub.publish(&publication).expect("nothing is unswept");
        while hub.poll_transmit(&mut outlet, &mut NoLanes) {}
        assert_eq!(outlet.writes - before, subscribers as u64);
    };
    // 1,000 frames fill the log, so that its own growth is over.
    (1..1_100).for_each(|n| broadcast(n * 1_000));
    measure(|| broadcast(2_000_000)).count_total
}

#[test]
fn a_healthy_delivery_allocates_nothing() {
    let few = allocations(10, true);
    assert!(few > 0, "the frame itself is allocated, or nothing is counted");
    assert_eq!(allocations(10_000, true), few);
}

#[test]
fn measuring_allocates_nothing() {
    assert_eq!(allocations(100, true), allocations(100, false));
}

#[test]
fn the_recorder_s_verbs_allocate_nothing_once_each_was_used() {
    let mut recorder = Recorder::new(ShardId(0), 1, true);
    let class = recorder.class_of(&ChannelName::parse("room:1").expect("a good name"));
    let spare = recorder.swap(None);
    let verbs = |recorder: &mut Recorder| {
        recorder.broadcast_accepted(class);
        recorder.delivered(class, Transport::WebSocket, 80_000, 256, 128);
        recorder.wrote(class, 256);
        recorder.broadcast_done(class, 90_000);
        recorder.received(ServiceId(0), MessageType::Ping, 5_000);
        recorder.sent(ServiceId(0), MessageType::Pong);
        recorder.replayed(ServiceId(0), 3);
        recorder.caught_up(700_000);
        recorder.turned(40_000);
        recorder.submitted(256);
        recorder.upgraded(1_000_000);
        recorder.closed(Close::PeerNormal, CloseCodes::Own);
        recorder.lagging([1, 2, 3, 4, 5]);
        recorder.used_cpu(1_000_000);
        recorder.count(Count::Accepts, 1);
        recorder.set(Gauge::Connections, 1);
    };
    verbs(&mut recorder);
    assert_eq!(measure(|| verbs(&mut recorder)).count_total, 0);
    let mut spare = Some(spare);
    let swapped = measure(|| spare = Some(recorder.swap(spare.take())));
    assert_eq!(swapped.count_total, 0, "a spare that knows the classes is only cleared");
}

#[test]
fn an_embedder_s_metrics_allocate_nothing_once_a_thread_has_used_them() {
    let calls = |metrics: &WebSocketMetrics| {
        metrics.on_connect();
        metrics.on_message_received(MessageType::Request);
        metrics.observe_latency(MessageType::Request, Duration::from_micros(40));
        metrics.on_message_sent(MessageType::Response);
        metrics.on_broadcast("order:7", 250, Duration::from_micros(900));
        metrics.on_message_error(MessageError::DecodeError);
        metrics.on_connection_error(ConnectionError::Timeout);
        metrics.on_disconnect();
    };
    let metrics = WebSocketMetrics::new("orders", false);
    assert!(measure(|| calls(&metrics)).count_total > 0, "its sheet, or nothing is counted");
    assert_eq!(measure(|| calls(&metrics)).count_total, 0);
    let off = WebSocketMetrics::disabled();
    assert_eq!(measure(|| calls(&off)).count_total, 0);
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
    // The shell's record of the slot is beside the broker's.
    assert!(each > 0 && each <= IDLE_CONNECTION - SLOT_RECORD, "{each} bytes a connection");

    let ((), further) = held(|| subscribe_further(&mut many, SUBSCRIBERS, FURTHER));
    let each = further as usize / (SUBSCRIBERS as usize * FURTHER);
    println!("{each} bytes a further subscription");
    assert!(each > 0 && each <= FURTHER_SUBSCRIPTION, "{each} bytes a further subscription");
}
