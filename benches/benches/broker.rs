//! The broker's own cost per delivery, without a kernel: publish, sweep, gate, batch.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use uringcast_benches::{NoLanes, Nowhere, at, hub, publication};

fn sweep(c: &mut Criterion) {
    let mut group = c.benchmark_group("publish and sweep");
    for subscribers in [10, 1_000, 10_000] {
        let mut hub = hub(subscribers);
        let publication = publication("bench:0", 128);
        let (mut outlet, mut ns) = (Nowhere::default(), 1_000_000_u64);
        group.throughput(Throughput::Elements(subscribers as u64));
        group.bench_function(BenchmarkId::from_parameter(subscribers), |b| {
            b.iter(|| {
                ns += 1_000;
                hub.publish(at(ns), &publication).expect("nothing is unswept");
                while hub.poll_transmit(at(ns), &mut outlet, &mut NoLanes) {}
                black_box(outlet.writes)
            });
        });
    }
}

criterion_group!(benches, sweep);
criterion_main!(benches);
