//! What a delivery costs the load generator in user space, from the bytes of a read to the
//! histograms: each read by itself, and in bursts.

use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use uringcast_loadgen::receive_path::ReceivePath;

const SUBSCRIBERS: usize = 500;
const BURST: u64 = 100;

fn receive(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("receive");
    for (name, messages) in [("singly", 1), ("in bursts", BURST)] {
        group.throughput(Throughput::Elements(SUBSCRIBERS as u64 * messages));
        let (mut path, mut next) = (ReceivePath::new(SUBSCRIBERS), 0);
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|iterations| {
                let mut spent = Duration::ZERO;
                for _ in 0..iterations {
                    let indices = next..next + messages;
                    let frames: Vec<u8> = indices.flat_map(|index| path.frame(index)).collect();
                    next += messages;
                    let begun = Instant::now();
                    for subscriber in 0..SUBSCRIBERS {
                        path.receive(subscriber, &frames, next - 1);
                    }
                    spent += begun.elapsed();
                    assert_eq!(path.hand_over(), SUBSCRIBERS as u64 * messages);
                }
                spent
            });
        });
    }
    group.finish();
}

criterion_group!(benches, receive);
criterion_main!(benches);
