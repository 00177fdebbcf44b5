//! What one call of an embedder's metrics costs.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use uringcast_engine::WebSocketMetrics;
use uringcast_engine::telemetry::MessageType;

fn calls(c: &mut Criterion) {
    let mut group = c.benchmark_group("embedder's metrics");
    let on = WebSocketMetrics::new("bench", false);
    for (name, metrics) in [("on", &on), ("off", &WebSocketMetrics::disabled())] {
        group.bench_function(format!("a message sent, {name}"), |b| {
            b.iter(|| black_box(metrics).on_message_sent(MessageType::Event));
        });
        group.bench_function(format!("a latency, {name}"), |b| {
            let time = Duration::from_micros(40);
            b.iter(|| black_box(metrics).observe_latency(MessageType::Ping, black_box(time)));
        });
        group.bench_function(format!("a broadcast, {name}"), |b| {
            let time = Duration::from_micros(900);
            b.iter(|| black_box(metrics).on_broadcast(black_box("order:7"), 250, time));
        });
    }
    group.bench_function("everything written", |b| b.iter(|| black_box(&on).render()));
}

criterion_group!(benches, calls);
criterion_main!(benches);
