//! N sends by the delivery ring and by a plain loop, over socketpairs and TCP, for batch sizes from
//! 32 to 1,024. Receivers are held still; they are read between the samples, off the clock.

use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use socket2::SockRef;
use uringcast_engine::broker::write_sink::{Flushed, Payload, WriteSink};
use uringcast_engine::shared_frame::Frame;
use uringcast_engine::{ConnectionKey, Delivery, Seq, Time};
use uringcast_loadgen::process::raise_file_limit;

const SOCKETS: u32 = 1_024;
const BYTES: usize = 128;
/// Sends to one socket before it is read: they fit into its buffer.
const UNREAD: usize = 16;

/// Our ends, and the receivers.
type Sockets = (Vec<OwnedFd>, Vec<OwnedFd>);

fn pairs() -> Sockets {
    let pair = |_| UnixStream::pair().map(|(a, b)| (a.into(), b.into()));
    (0..SOCKETS).map(|n| pair(n).expect("a socketpair")).unzip()
}

fn tcp() -> Sockets {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let to = listener.local_addr().expect("an address");
    let connect = |_| {
        let peer = TcpStream::connect(to).expect("connected");
        let (ours, _) = listener.accept().expect("accepted");
        ours.set_nodelay(true).expect("an option");
        (OwnedFd::from(ours), OwnedFd::from(peer))
    };
    (0..SOCKETS).map(connect).unzip()
}

fn drain(receivers: &[OwnedFd]) {
    let mut buffer = vec![0; 64 << 10];
    for receiver in receivers {
        let receiver = SockRef::from(receiver);
        receiver.set_nonblocking(true).expect("an option");
        while (&*receiver).read(&mut buffer).is_ok_and(|read| read > 0) {}
    }
}

/// The time of `rounds` rounds of one send to every socket.
fn timed(rounds: u64, receivers: &[OwnedFd], mut round: impl FnMut()) -> Duration {
    let mut time = Duration::ZERO;
    for first in (0..rounds).step_by(UNREAD) {
        let start = Instant::now();
        (first..rounds.min(first + UNREAD as u64)).for_each(|_| round());
        time += start.elapsed();
        drain(receivers);
    }
    time
}

fn sends(c: &mut Criterion) {
    let _ = raise_file_limit();
    for (kind, sockets) in [("socketpair", pairs as fn() -> Sockets), ("tcp", tcp)] {
        let mut group = c.benchmark_group(format!("{SOCKETS} sends over {kind}"));
        group.throughput(Throughput::Elements(SOCKETS.into()));
        let (ours, receivers) = sockets();
        let mut sink = Delivery::alone(SOCKETS as usize).expect("a ring");
        for (slot, socket) in ours.iter().enumerate() {
            let key = ConnectionKey { index: slot as u32, generation: 0 };
            sink.ring.place(key.into(), &socket.as_raw_fd()).expect("a slot");
        }
        let bytes = vec![b'x'; BYTES].into_boxed_slice();
        let frame = Rc::new(Frame::new(bytes.clone(), Seq(1), Time(0), 1));
        for batch in [32, 64, 128, 256, 512, 1_024] {
            let mut flushed = Flushed::default();
            let mut round = || {
                for first in (0..SOCKETS).step_by(batch) {
                    sink.load(Payload::Frame(Rc::clone(&frame), 0));
                    for slot in first..first + batch as u32 {
                        // Where the engine would flush is not the question here.
                        let _ = sink.push(slot);
                    }
                    sink.flush(&mut flushed);
                    assert!(flushed.shorts.is_empty(), "the receivers hold everything");
                    flushed.payloads.clear();
                }
            };
            group.bench_function(BenchmarkId::new("ring", batch), |b| {
                b.iter_custom(|rounds| timed(rounds, &receivers, &mut round));
            });
        }
        let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
        let mut round = || {
            for socket in &ours {
                let sent = SockRef::from(&socket.as_fd()).send_with_flags(&bytes, flags);
                assert_eq!(sent.expect("room"), BYTES);
            }
        };
        group.bench_function("plain send loop", |b| {
            b.iter_custom(|rounds| timed(rounds, &receivers, &mut round));
        });
    }
}

criterion_group!(benches, sends);
criterion_main!(benches);
