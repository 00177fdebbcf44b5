//! Encoding a broadcast, decoding a client's frames.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use uringcast_benches::client::client_text;
use uringcast_benches::publication;
use uringcast_engine::wire::deflate::{Deflater, Inflater};
use uringcast_engine::wire::encoder::{Encoder, Stamp};
use uringcast_engine::wire::envelope::Inbound;
use uringcast_engine::wire::frame::{self, Opcode, Reader};
use uringcast_engine::wire::reply;
use uringcast_engine::wire::request::Request;
use uringcast_engine::wire::upgrade;
use uringcast_engine::{ChannelName, Epoch, Seq};

fn encode_frame(c: &mut Criterion) {
    let mut group = c.benchmark_group("encode a frame");
    for bytes in [16, 128, 1_024, 16_384] {
        let (payload, mut out) = (vec![b'a'; bytes], Vec::new());
        group.throughput(Throughput::Bytes(bytes as u64));
        group.bench_function(BenchmarkId::from_parameter(bytes), |b| {
            b.iter(|| {
                out.clear();
                frame::encode(Opcode::Text, black_box(&payload), &mut out);
                black_box(out.len())
            });
        });
    }
}

fn answer(c: &mut Criterion) {
    let channel = ChannelName::parse("bench:0").expect("a good name");
    let (mut encoder, mut out) = (Encoder::default(), Vec::new());
    c.bench_function("answer a publish request", |b| {
        b.iter(|| {
            out.clear();
            let stamp = Stamp { id: [7; 16], unix_us: 1_700_000_000_000_000 };
            encoder.write(
                stamp,
                Some("5f0e"),
                &reply::published(&channel, (Epoch(7), Seq(42)), false),
                &mut out,
            );
            black_box(out.len())
        });
    });
}

fn let_in(c: &mut Criterion) {
    let request = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n\
        Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    c.bench_function("read and answer an upgrade request", |b| {
        b.iter(|| black_box(upgrade::parse(black_box(request), true, &[], false)));
    });
}

fn encode(c: &mut Criterion) {
    let mut group = c.benchmark_group("encode a broadcast");
    for bytes in [16, 128, 1_024, 16_384] {
        let publication = publication("bench:0", bytes);
        let mut encoder = Encoder::default();
        let mut us = 1_700_000_000_000_000;
        group.throughput(Throughput::Elements(1));
        group.bench_function(BenchmarkId::from_parameter(bytes), |b| {
            b.iter(|| {
                us += 10;
                let stamp = Stamp { id: [7; 16], unix_us: us };
                black_box(encoder.broadcast(stamp, &publication, Seq(42), None))
            });
        });
    }
}

fn decode(c: &mut Criterion) {
    let mut group = c.benchmark_group("decode a client's message");
    for bytes in [16, 128, 1_024, 16_384] {
        let frame = client_text(&"a".repeat(bytes));
        let mut buffer = frame.clone();
        group.throughput(Throughput::Bytes(bytes as u64));
        group.bench_function(BenchmarkId::from_parameter(bytes), |b| {
            let (mut reader, mut inflater) = (Reader::default(), Inflater::default());
            b.iter(|| {
                buffer.copy_from_slice(&frame);
                let mut decoding = reader.decode(&mut buffer, 1 << 20, &mut inflater);
                black_box(decoding.next().is_ok())
            });
        });
    }
}

/// A compressed message of a client; the last one inflates beyond its limit.
fn inflate(c: &mut Criterion) {
    let mut group = c.benchmark_group("inflate a client's message");
    let words = ["order", "accepted", "quantity", "price", "venue", "limit", "side", "cancelled"];
    let mut dice = fastrand::Rng::with_seed(7);
    let mut text = |bytes: usize| {
        let mut text = String::new();
        while text.len() < bytes {
            text += &format!("\"{}\":{},", dice.choice(words).unwrap_or_default(), dice.u16(..));
        }
        text.truncate(bytes);
        text.into_bytes()
    };
    let mut of = |name: String, plain: Vec<u8>, limit: usize| {
        let mut payload = Vec::new();
        Deflater::once().deflate_once(&plain, &mut payload);
        group.throughput(Throughput::Bytes(payload.len() as u64));
        let name = format!("{name} of {} bytes", payload.len());
        group.bench_function(BenchmarkId::from_parameter(name), |b| {
            let mut inflater = Inflater::default();
            b.iter(|| {
                let inflated = inflater.inflate(black_box(&payload), limit);
                black_box(inflated.is_ok())
            });
        });
    };
    for bytes in [300, 1_300, 16_384] {
        of(format!("{bytes} bytes"), text(bytes), 1 << 20);
    }
    of("1 MiB, stopped at 64 KiB,".into(), vec![b'a'; 1 << 20], 64 << 10);
}

fn understand(c: &mut Criterion) {
    let text = r#"{"id":"5f0e","type":"request","event":"publish",
        "data":{"channel":"bench:0","event":"bench","data":{"a":[1,2,3],"b":"text"}}}"#;
    c.bench_function("understand a publish request", |b| {
        b.iter(|| {
            let inbound = Inbound::parse(black_box(text)).expect("an envelope");
            black_box(Request::parse(&inbound, 128).is_ok())
        });
    });
}

criterion_group!(benches, encode_frame, encode, decode, inflate, understand, answer, let_in);
criterion_main!(benches);
