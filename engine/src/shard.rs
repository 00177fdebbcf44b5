//! One shard's I/O on monoio and the delivery ring. It decides nothing: see `broker`.
//!
//! * `event_loop`: the duty cycle that drives the broker; `parts`: what its thread starts with;
//! * `handshake`: from the listener to an upgraded connection, on monoio;
//! * `tls`: records in user space or in the kernel;
//! * `io`: the broker's writes and reads on the delivery `ring`;
//! * `command`, `pending_publish`, `mesh`, `peers`: what arrives from other threads;
//! * `clock`, `loop_waker`, `metrics_reporter`, `drain`: time, sleep, metrics, the end;
//! * `bench_sink`: the write sink alone, for benchmarks; `trial`: a ring alone, for preflights.

mod bench_sink;
mod clock;
mod command;
mod drain;
mod event_loop;
mod handshake;
mod io;
mod loop_waker;
mod mesh;
mod metrics_reporter;
mod parts;
mod peers;
mod pending_publish;
mod ring;
mod tls;
mod trial;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::sync::Arc;

use monoio::net::UnixStream;
use monoio::{IoUringDriver, RuntimeBuilder};

pub use bench_sink::RingSink;
pub(crate) use command::{Command, VerificationRequest};
pub use drain::DrainReport;
pub(crate) use mesh::Mesh;
pub(crate) use parts::ShardParts;
pub(crate) use tls::Kernel;
pub(crate) use trial::try_ring;

use crate::broker::hub::Hub;
use crate::limits::{RING_ENTRIES, TICK};
use crate::sync::Doorbell;
use crate::types::StartError;
use drain::Drain;
use event_loop::EventLoop;
use handshake::{AdmissionLimits, HandshakeQueue, ListenerConfig, accept};
use io::{Delivery, Slots};
use loop_waker::LoopWaker;
use metrics_reporter::MetricsReporter;
use peers::PeerShards;
use ring::Ring;

/// Runs a shard on this thread until it is drained.
pub(crate) fn run(parts: ShardParts) {
    if let Some(core) = parts.core
        && !core_affinity::set_for_current(core)
    {
        tracing::warn!(shard = parts.id.0, core = core.id, "cannot pin the shard to its core");
    }
    let mut uring = io_uring_06::IoUring::builder();
    uring.setup_single_issuer().setup_coop_taskrun();
    let runtime = RuntimeBuilder::<IoUringDriver>::new()
        .with_entries(RING_ENTRIES)
        .uring_builder(uring)
        .enable_timer()
        .build();
    let mut runtime = match runtime {
        Ok(runtime) => runtime,
        Err(source) => {
            // Fails if the engine has stopped waiting.
            let _ = parts.ready.send(Err(StartError::ring(source)));
            return;
        }
    };
    let at_rest = runtime.block_on(async {
        let ready = parts.ready.clone();
        match prepare(parts) {
            Ok((mut event_loop, queue)) => {
                let _ = ready.send(Ok(()));
                event_loop.run().await;
                queue.handshakes() == 0 && !queue.is_accepting()
            }
            Err(source) => {
                let _ = ready.send(Err(StartError::ring(source)));
                true
            }
        }
    });
    if !at_rest {
        // The kernel may still write into what these tasks own, and monoio does not wait for it.
        std::mem::forget(runtime);
    }
}

/// Makes all that a shard runs on, and starts the tasks that wake its event loop.
fn prepare(parts: ShardParts) -> std::io::Result<(EventLoop, Rc<HandshakeQueue>)> {
    let ShardParts { id, config, kernel, slots, bell, quotas, started, .. } = parts;
    let tls = config.services.iter().any(|service| service.tls.is_some());
    let ring = Ring::new(slots, tls)?;
    let loop_waker = Rc::new(LoopWaker::default());
    let per_address = parts.address_limits;
    let limits = AdmissionLimits { config: Arc::clone(&config), quotas, per_address };
    let queue = Rc::new(HandshakeQueue::new(Rc::clone(&loop_waker), limits, kernel));
    let tick = Rc::new(Cell::new(false));

    monoio::spawn(watch_ring(
        pollable(ring.event()?)?,
        ring.event()?.into(),
        Rc::clone(&loop_waker),
    ));
    let bell_readable = pollable(bell.as_fd().try_clone_to_owned()?)?;
    monoio::spawn(watch_bell(bell_readable, Arc::clone(&bell), Rc::clone(&loop_waker)));
    monoio::spawn(watch_clock(Rc::clone(&tick), Rc::clone(&loop_waker)));

    let mut listeners = Vec::new();
    for (service, listener) in parts.listeners {
        listeners.push(listener.try_clone()?);
        // The accept task accepts until EAGAIN.
        listener.set_nonblocking(true)?;
        let readable = pollable(listener.try_clone()?.into())?;
        let (tls, proxies) = (config[service].tls.clone(), config[service].proxies.clone());
        let handshakes = ListenerConfig { service, tls, proxies };
        monoio::spawn(accept(listener, readable, queue.register_acceptor(), handshakes));
    }

    let seed = RandomState::new().hash_one(id);
    let hub = Hub::new(Arc::clone(&config), id, parts.peers.len(), slots, seed);
    let sessions = if tls { slots } else { 0 };
    let event_loop = EventLoop {
        id,
        hub,
        delivery: Delivery::new(ring, sessions, started),
        slots: Slots::new(slots),
        peers: PeerShards::new(parts.peers),
        mailbox: parts.mailbox,
        pending_publish: None,
        yield_poll: pollable(bell.as_fd().try_clone_to_owned()?)?,
        bell,
        handshakes: Rc::clone(&queue),
        loop_waker,
        tick,
        metrics: MetricsReporter::new(parts.snapshots, parts.spare_snapshots),
        heartbeat: parts.heartbeat,
        address_permits: Vec::new(),
        verifications: parts.verifications,
        started,
        drain: Drain::new(listeners),
        admitted: Vec::new(),
    };
    // The first iteration finds what was sent before the bell was watched.
    Ok((event_loop, queue))
}

/// Wraps a descriptor of any kind, so that monoio can await its readiness.
fn pollable(descriptor: OwnedFd) -> std::io::Result<UnixStream> {
    UnixStream::from_std(descriptor.into())
}

/// Wakes the event loop when the delivery ring has completions. Polls are level-triggered and only
/// this task reads the event: none is missed.
async fn watch_ring(completed: UnixStream, event: File, loop_waker: Rc<LoopWaker>) {
    loop {
        completed.readable(true).await.expect("an eventfd can be polled");
        // Fails only if it was not readable after all.
        let _ = (&event).read(&mut [0; 8]);
        loop_waker.wake();
    }
}

/// Wakes the event loop when another thread rings.
async fn watch_bell(bell_readable: UnixStream, bell: Arc<Doorbell>, loop_waker: Rc<LoopWaker>) {
    loop {
        bell_readable.readable(true).await.expect("an eventfd can be polled");
        bell.drain();
        loop_waker.wake();
    }
}

/// Wakes the event loop at every tick.
async fn watch_clock(tick: Rc<Cell<bool>>, loop_waker: Rc<LoopWaker>) {
    loop {
        monoio::time::sleep(TICK).await;
        tick.set(true);
        loop_waker.wake();
    }
}
