//! The broker's own cost per delivery, without a kernel: publish, sweep, gate, batch.

use std::hint::black_box;

use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use uringcast_benches::client::{client_text, publish};
use uringcast_benches::{
    NoLanes, Nowhere, admit, at, deflating_hub, hub, publication, say, settle,
};
use uringcast_engine::broker::Hub;
use uringcast_engine::{ConnectionKey, ServiceId};

/// One message to all subscribers of a hub that has so many.
fn sweep_of(c: &mut Criterion, name: &str, hub: fn(usize) -> Hub) {
    let mut group = c.benchmark_group(name);
    for subscribers in [10, 1_000, 10_000] {
        let mut hub = hub(subscribers);
        let publication = publication("bench:0", 128);
        let (mut outlet, mut ns) = (Nowhere::default(), 1_000_000_u64);
        group.throughput(Throughput::Elements(subscribers as u64));
        group.bench_function(BenchmarkId::from_parameter(subscribers), |b| {
            b.iter(|| {
                ns += 1_000;
                hub.begin_iteration(at(ns));
                hub.publish(&publication).expect("nothing is unswept");
                while hub.poll_transmit(&mut outlet, &mut NoLanes) {}
                black_box(outlet.writes)
            });
        });
    }
}

fn sweep(c: &mut Criterion) {
    sweep_of(c, "publish and sweep", hub);
}

/// The same to subscribers that follow the channel's context: one message is compressed for all.
fn deflated_sweep(c: &mut Criterion) {
    sweep_of(c, "publish and sweep, compressed", deflating_hub);
}

/// As many channels as messages: each is dirty by itself and costs its own sweep.
fn channels(c: &mut Criterion) {
    const CHANNELS: usize = 1_000;
    let mut hub = hub(0);
    for _ in 0..10 {
        let key = admit(&mut hub);
        for channel in 0..CHANNELS {
            say(&mut hub, key, &format!(r#"{{"type":"subscribe","room":"bench:{channel}"}}"#));
        }
        settle(&mut hub);
    }
    let publications: Vec<_> =
        (0..CHANNELS).map(|channel| publication(&format!("bench:{channel}"), 128)).collect();
    let (mut outlet, mut ns) = (Nowhere::default(), 1_000_000_u64);
    let mut group = c.benchmark_group("publish to 64 channels in turn");
    group.throughput(Throughput::Elements(64));
    let mut next = 0;
    group.bench_function("10 subscribers each", |b| {
        b.iter(|| {
            ns += 1_000;
            for _ in 0..64 {
                hub.begin_iteration(at(ns));
                hub.publish(&publications[next % CHANNELS]).expect("nothing is unswept");
                next += 1;
            }
            while hub.poll_transmit(&mut outlet, &mut NoLanes) {}
            black_box(outlet.writes)
        });
    });
}

/// A log without listeners: encode, append, drop the oldest of 1,000.
fn append(c: &mut Criterion) {
    let (mut hub, publication, mut ns) = (hub(0), publication("bench:0", 128), 1_000_u64);
    c.bench_function("publish to a full log nobody listens to", |b| {
        b.iter(|| {
            ns += 1_000;
            hub.begin_iteration(at(ns));
            black_box(hub.publish(&publication).is_ok());
            hub.poll_transmit(&mut Nowhere::default(), &mut NoLanes)
        });
    });
}

/// A client that missed 1,000 messages: finding them, and writing them in chunks.
fn catch_up(c: &mut Criterion) {
    let mut hub = hub(0);
    for ns in 0..1_000 {
        hub.begin_iteration(at(ns));
        hub.publish(&publication("bench:0", 128)).expect("room");
        settle(&mut hub);
    }
    let epoch = hub.channels(ServiceId(0), 0, 1).0[0].epoch;
    let since = format!(r#"{{"since":{{"epoch":"{epoch}","seq":0}}}}"#);
    let since = format!(r#"{{"type":"subscribe","room":"bench:0","data":{since}}}"#);
    let key = admit(&mut hub);
    settle(&mut hub);
    let mut group = c.benchmark_group("catch up");
    group.throughput(Throughput::Elements(1_000));
    group.bench_function("1,000 frames of a log", |b| {
        b.iter(|| {
            say(&mut hub, key, &since);
            settle(&mut hub);
            say(&mut hub, key, r#"{"type":"unsubscribe","room":"bench:0"}"#);
            settle(&mut hub);
        });
    });
}

/// What a publication of a client costs from its bytes to the last write: read, sequenced, logged,
/// answered and swept.
fn publish_by_client(c: &mut Criterion) {
    const IN_FLIGHT: u64 = 64;
    let mut hub = hub(1);
    let publisher = admit(&mut hub);
    settle(&mut hub);
    let message = publish("bench:0", 128);
    let (mut outlet, mut ns) = (Nowhere::default(), 1_000_000_u64);
    let mut group = c.benchmark_group("a client publishes");
    group.throughput(Throughput::Elements(IN_FLIGHT));
    group.bench_function("64 at once, one subscriber", |b| {
        b.iter(|| {
            ns += 1_000;
            hub.begin_iteration(at(ns));
            for _ in 0..IN_FLIGHT {
                hub.handle_received(publisher, &mut message.clone());
            }
            while hub.poll_transmit(&mut outlet, &mut NoLanes) {}
            hub.record_handling(1_000);
            black_box(outlet.writes)
        });
    });
}

/// Leaves and joins a channel of 10,000, each of these connections once.
fn leave_and_join(hub: &mut Hub, leave: &[u8], join: &[u8]) {
    for index in (0..CHURN * 97).step_by(97) {
        let key = ConnectionKey { index, generation: 0 };
        hub.handle_received(key, &mut leave.to_vec());
        hub.handle_received(key, &mut join.to_vec());
    }
}

/// Connections that leave and join at a time.
const CHURN: u32 = 100;

fn churn(c: &mut Criterion) {
    let mut hub = hub(10_000);
    let leave = client_text(r#"{"type":"unsubscribe","room":"bench:0"}"#);
    let join = client_text(r#"{"type":"subscribe","room":"bench:0"}"#);
    let publication = publication("bench:0", 128);
    let mut group = c.benchmark_group("leave and join a channel of 10,000");
    group.throughput(Throughput::Elements(CHURN.into()));
    for sweeping in [false, true] {
        group.bench_function(if sweeping { "during a sweep" } else { "at rest" }, |b| {
            b.iter_custom(|rounds| {
                let mut sum = Duration::ZERO;
                for _ in 0..rounds {
                    if sweeping {
                        hub.begin_iteration(at(0));
                        hub.publish(&publication).expect("room");
                        // One slice: the sweep goes on with the next.
                        let outlet = &mut Nowhere::default();
                        assert!(hub.poll_transmit(outlet, &mut NoLanes));
                    }
                    let start = Instant::now();
                    leave_and_join(&mut hub, &leave, &join);
                    sum += start.elapsed();
                    settle(&mut hub);
                }
                sum
            });
        });
    }
}

criterion_group!(
    benches,
    sweep,
    deflated_sweep,
    channels,
    append,
    catch_up,
    publish_by_client,
    churn
);
criterion_main!(benches);
