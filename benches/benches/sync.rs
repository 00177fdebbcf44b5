//! What shards and the rest of the process talk through.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use uringcast_engine::sync::{Cost, Doorbell, lane, mailbox};

/// Entries that are pushed before they are taken.
const BURST: u64 = 256;

fn one_way(c: &mut Criterion) {
    let (mut sender, mut receiver) = lane(4_096, 1_024);
    let mut group = c.benchmark_group("one way to another shard");
    group.throughput(Throughput::Elements(BURST));
    group.bench_function("lane, push and drain 256", |b| {
        b.iter(|| {
            for entry in 0..BURST {
                sender.try_push(entry).expect("room");
            }
            while let Some(entry) = receiver.pop() {
                black_box(entry);
            }
        });
    });
    let bell = Arc::new(Doorbell::new().expect("a descriptor"));
    let (sender, mut receiver) = mailbox(Cost { entries: 65_536, bytes: 1 << 20 }, bell);
    group.bench_function("mailbox, push and drain 256", |b| {
        b.iter(|| {
            for entry in 0..BURST {
                sender.try_reserve(Cost { entries: 1, bytes: 100 }).expect("room").send(entry);
            }
            while let Some(entry) = receiver.pop() {
                black_box(entry);
            }
        });
    });
}

criterion_group!(benches, one_way);
criterion_main!(benches);
