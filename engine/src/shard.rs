//! One shard's I/O on monoio and the delivery ring. It decides nothing: see `broker`.
//!
//! * `event_loop`: the duty cycle that drives the broker; `parts`: what its thread starts with;
//! * `handshake`: from the listener to an upgraded connection, on monoio;
//! * `tls`: records in user space or in the kernel;
//! * `io`: the broker's writes and reads on the delivery `ring`;
//! * `command`, `pending_publish`, `peers`: what arrives from other threads;
//! * `clock`, `loop_waker`, `metrics_reporter`, `drain`: time, sleep, metrics, the end;
//! * `bench_sink`: the write sink alone, for benchmarks; `trial`: a ring alone, for preflights.

mod bench_sink;
mod clock;
mod drain;
mod event_loop;
mod handshake;
mod io;
mod loop_waker;
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
pub(crate) use parts::{Command, Peer, Question, Seat};
pub(crate) use tls::ktls_session::Kernel;
pub(crate) use trial::try_ring;

use crate::broker::hub::Hub;
use crate::engine::StartError;
use crate::limits::{RING_ENTRIES, TICK};
use crate::sync::Doorbell;
use drain::Drain;
use event_loop::Turn;
use handshake::accept::{Host, accept};
use handshake::queue::{Desk, Doors};
use io::deliver::Delivery;
use io::receive::Slots;
use loop_waker::Wake;
use metrics_reporter::Reporter;
use peers::Neighbours;
use ring::Ring;

/// Runs a shard on this thread until it is drained.
pub(crate) fn run(seat: Seat) {
    if let Some(core) = seat.core
        && !core_affinity::set_for_current(core)
    {
        tracing::warn!(shard = seat.id.0, core = core.id, "cannot pin the shard to its core");
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
            // The engine may have given up on us; then it wants no answer.
            let _ = seat.ready.send(Err(StartError::ring(source)));
            return;
        }
    };
    let at_rest = runtime.block_on(async {
        let ready = seat.ready.clone();
        match prepare(seat) {
            Ok((mut turn, desk)) => {
                let _ = ready.send(Ok(()));
                turn.run().await;
                desk.handshakes() == 0 && !desk.is_accepting()
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

/// Makes everything a shard runs on, and starts the tasks that wake its turn.
fn prepare(seat: Seat) -> std::io::Result<(Turn, Rc<Desk>)> {
    let Seat { id, config, kernel, slots, bell, quotas, lodgings, started, .. } = seat;
    let tls = config.services.iter().any(|service| service.tls.is_some());
    let ring = Ring::new(slots, tls)?;
    let wake = Rc::new(Wake::default());
    let doors = Doors { config: Arc::clone(&config), quotas: Arc::clone(&quotas), lodgings };
    let desk = Rc::new(Desk::new(Rc::clone(&wake), doors, kernel));
    let tick = Rc::new(Cell::new(false));

    monoio::spawn(watch_ring(pollable(ring.event()?)?, ring.event()?.into(), Rc::clone(&wake)));
    let rung = pollable(bell.as_fd().try_clone_to_owned()?)?;
    monoio::spawn(watch_bell(rung, Arc::clone(&bell), Rc::clone(&wake)));
    monoio::spawn(watch_clock(Rc::clone(&tick), Rc::clone(&wake)));

    let mut listeners = Vec::new();
    for (service, listener) in seat.listeners {
        listeners.push(listener.try_clone()?);
        // The accept task takes until nobody is left, and must not wait for more.
        listener.set_nonblocking(true)?;
        let somebody = pollable(listener.try_clone()?.into())?;
        let (tls, proxies) = (config[service].tls.clone(), config[service].proxies.clone());
        let host = Host { service, tls, proxies };
        monoio::spawn(accept(listener, somebody, desk.acceptor(), Rc::clone(&desk), host));
    }

    let seed = RandomState::new().hash_one(id);
    let hub = Hub::new(Arc::clone(&config), id, seat.peers.len(), slots, seed);
    let sessions = if tls { slots } else { 0 };
    let turn = Turn {
        id,
        hub,
        delivery: Delivery::new(ring, sessions, started),
        slots: Slots::new(slots),
        neighbours: Neighbours::new(seat.peers),
        mailbox: seat.mailbox,
        posting: None,
        round: pollable(bell.as_fd().try_clone_to_owned()?)?,
        bell,
        desk: Rc::clone(&desk),
        wake,
        tick,
        reporter: Reporter::new(seat.snapshots, seat.twins),
        heartbeat: seat.heartbeat,
        quotas,
        lodgings: Vec::new(),
        ask: seat.ask,
        started,
        drain: Drain::new(listeners),
        admitted: Vec::new(),
    };
    // Whatever was sent before we listened to the bell is found by the first turn.
    Ok((turn, desk))
}

/// A descriptor of any kind as something whose readiness monoio can await.
fn pollable(descriptor: OwnedFd) -> std::io::Result<UnixStream> {
    UnixStream::from_std(descriptor.into())
}

/// Wakes the turn when the delivery ring has completions. Polls are level-triggered, and nobody
/// else reads the event: none is missed.
async fn watch_ring(completed: UnixStream, event: File, wake: Rc<Wake>) {
    loop {
        completed.readable(true).await.expect("an eventfd can be polled");
        // Fails only if it was not readable after all.
        let _ = (&event).read(&mut [0; 8]);
        wake.wake();
    }
}

/// Wakes the turn when another thread rings.
async fn watch_bell(rung: UnixStream, bell: Arc<Doorbell>, wake: Rc<Wake>) {
    loop {
        rung.readable(true).await.expect("an eventfd can be polled");
        bell.drain();
        wake.wake();
    }
}

/// Wakes the turn at every tick.
async fn watch_clock(tick: Rc<Cell<bool>>, wake: Rc<Wake>) {
    loop {
        monoio::time::sleep(TICK).await;
        tick.set(true);
        wake.wake();
    }
}
