//! Puts one message on N sockets: by a ring, and by a loop of `send`.
//!
//! `cargo run --release -p uringcast-ring --example broadcast [sockets] [rounds] [tcp]`
//!
//! The two take turns, so that a machine that changes its speed changes both. Each socket is read
//! between the rounds, off the clock: its buffer always has room, so every send is whole.

use std::env;
use std::io::{self, Read};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::net::{SendFlags, send};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use uringcast_ring::{Config, Refused, Ring, RingStats, SlotKey};

const MESSAGE: [u8; 128] = [b'x'; 128];

fn main() -> io::Result<()> {
    let words: Vec<String> = env::args().skip(1).collect();
    let number = |place: usize, otherwise: u32| {
        words.get(place).and_then(|word| word.parse().ok()).unwrap_or(otherwise)
    };
    let (sockets, rounds) = (number(0, 1_000), number(1, 1_000));
    let is_tcp = words.iter().any(|word| word == "tcp");
    raise_file_limit()?;
    let mut ring = Ring::new(&Config::new(sockets as usize))?;
    let (mut ours, mut peers) = (Vec::new(), Vec::new());
    for slot in 0..sockets {
        let (socket, peer) = if is_tcp { tcp()? } else { pair()? };
        // From here on the slot is the connection. The descriptor is kept for the other loop only.
        ring.place(SlotKey::new(slot), &socket)?;
        ours.push(socket);
        peers.push(peer);
    }
    let (mut by_ring, mut by_loop) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let start = Instant::now();
        broadcast(&mut ring, sockets);
        by_ring.push(start.elapsed());
        read_all(&mut peers)?;
        let start = Instant::now();
        for socket in &ours {
            send(socket.as_fd(), &MESSAGE, SendFlags::DONTWAIT | SendFlags::NOSIGNAL)?;
        }
        by_loop.push(start.elapsed());
        read_all(&mut peers)?;
    }
    let sends = u64::from(sockets) * u64::from(rounds);
    let kind = if is_tcp { "loopback TCP connections" } else { "socket pairs" };
    println!("{sends} sends of {} bytes to {sockets} {kind}", MESSAGE.len());
    let RingStats { enters, entries, completions, .. } = ring.take_stats();
    assert_eq!(entries, sends);
    let us = |times: &mut Vec<Duration>| median(times).as_secs_f64() * 1e6 / f64::from(sockets);
    println!("          system calls   completions   median µs per send");
    println!("ring {enters:17} {completions:13} {:20.2}", us(&mut by_ring));
    println!("loop {sends:17} {:>13} {:20.2}", "-", us(&mut by_loop));
    Ok(())
}

/// One write for each slot, in as many batches as it takes.
fn broadcast(ring: &mut Ring<[u8; 128]>, slots: u32) {
    ring.load(MESSAGE);
    for slot in 0..slots {
        while let Err(refused) = ring.send(SlotKey::new(slot)) {
            assert_eq!(refused, Refused::Full);
            submit(ring);
            ring.load(MESSAGE);
        }
    }
    submit(ring);
}

/// A server would keep what the exceptions leave and poll for room; here there is always room.
fn submit(ring: &mut Ring<[u8; 128]>) {
    let batch = ring.submit_batch();
    assert!(batch.exceptions().is_empty(), "{:?}", batch.exceptions());
}

fn pair() -> io::Result<(OwnedFd, Box<dyn Read>)> {
    let (socket, peer) = UnixStream::pair()?;
    Ok((socket.into(), Box::new(peer)))
}

fn tcp() -> io::Result<(OwnedFd, Box<dyn Read>)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let peer = TcpStream::connect(listener.local_addr()?)?;
    let (socket, _) = listener.accept()?;
    socket.set_nodelay(true)?;
    Ok((socket.into(), Box::new(peer)))
}

fn read_all(peers: &mut [Box<dyn Read>]) -> io::Result<()> {
    peers.iter_mut().try_for_each(|peer| peer.read_exact(&mut [0; MESSAGE.len()]))
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// Registered files are bounded by the limit of open files too.
fn raise_file_limit() -> io::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    Ok(setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })?)
}
