//! One shard's I/O on monoio and the delivery ring. It decides nothing: see `broker`.
//!
//! * `accept`, `greet`, `tls`, `kernel`: from the listener to an upgraded connection, on monoio;
//! * `governor`, `patience`: how much of the shard's time that gets, and of whose places;
//! * `desk`: where it waits for the turn;
//! * `turn`: the duty cycle that drives the broker; `posting`: what of a batch is still to be done;
//! * `deliver`, `receive`: the broker's writes and reads on the delivery `ring`;
//! * `lanes`, `report`, `clock`, `wake`, `drain`: other shards, the collector, time, sleep, end;
//! * `door`: the outlet alone, for benchmarks; `trial`: a ring alone, for preflights.

mod accept;
mod clock;
mod deliver;
mod desk;
mod door;
mod drain;
mod governor;
mod greet;
mod kernel;
mod lanes;
mod patience;
mod posting;
mod receive;
mod records;
mod report;
mod ring;
mod seat;
mod secure;
mod tls;
mod trial;
mod turn;
mod wake;

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::sync::Arc;

use monoio::net::UnixStream;
use monoio::{IoUringDriver, RuntimeBuilder};

pub use door::RingSink;
pub(crate) use kernel::Kernel;
pub(crate) use seat::{Command, Peer, Question, Seat};
pub(crate) use trial::try_ring;

use crate::broker::hub::Hub;
use crate::engine::StartError;
use crate::limits::{RING_ENTRIES, TICK};
use crate::sync::Doorbell;
use accept::{Host, accept};
use deliver::Delivery;
use desk::{Desk, Doors};
use drain::Drain;
use lanes::Neighbours;
use receive::Slots;
use report::Reporter;
use ring::Ring;
use turn::Turn;
use wake::Wake;

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
fn prepare(seat: Seat) -> io::Result<(Turn, Rc<Desk>)> {
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
fn pollable(descriptor: OwnedFd) -> io::Result<UnixStream> {
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
