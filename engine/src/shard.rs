//! One shard's I/O on monoio and the delivery ring. All decisions are made in `broker`.
//!
//! * `event_loop`: the duty cycle that drives the broker; `parts`: what its thread starts with;
//! * `handshake`: from the listener to an upgraded connection, on monoio;
//! * `tls`: records in user space or in the kernel;
//! * `io`: the broker's writes and reads on the `delivery_ring`;
//! * `command`, `question`, `pending_publish`, `mesh`, `peers`: what arrives from other threads;
//! * `upstream_link`: the external order, where there is one;
//! * `handover_order`, `standby_order`: what a shard is told in a hand-over;
//! * `clock`, `wake_flag`, `client_log`, `metrics_reporter`, `drain`: time, sleep, log lines,
//!   metrics, the end.

mod client_log;
mod clock;
mod command;
mod delivery_ring;
mod drain;
mod event_loop;
mod handover_order;
mod handshake;
mod io;
mod mesh;
mod metrics_reporter;
mod parts;
mod peers;
mod pending_publish;
mod question;
mod standby_order;
mod tls;
mod upstream_link;
mod wake_flag;

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

pub(crate) use command::{Command, VerificationRequest};
pub(crate) use delivery_ring::ring_config;
pub(crate) use handover_order::{Exported, HandoverOrder, Place, Rest, Verdict};
pub(crate) use handshake::AdmissionLimits;
pub(crate) use mesh::Mesh;
pub(crate) use metrics_reporter::MetricsReporter;
pub(crate) use parts::ShardParts;
pub(crate) use peers::PeerShards;
pub(crate) use question::Question;
pub(crate) use standby_order::{ShardRing, Standby, StandbyOrder};
pub(crate) use tls::Kernel;
#[cfg(test)]
pub(crate) use tls::tests::fuzz_records::hello;
#[cfg(any(test, fuzzing))]
pub use tls::tests::fuzz_records::{record_exchange, record_layer};
pub(crate) use upstream_link::UpstreamLink;

use crate::broker::Hub;
use crate::limits::{RING_ENTRIES, TICK};
use crate::types::StartError;
use delivery_ring::Ring;
use drain::Drain;
use event_loop::EventLoop;
use handshake::{HandshakeQueue, Listeners};
pub use io::Delivery;
use io::Slots;
use wake_flag::WakeFlag;

/// Runs a shard on this thread until it is drained.
pub(crate) fn run(mut parts: ShardParts) {
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
        let (ready, standby) = (parts.ready.clone(), parts.standby.take());
        match prepare(parts) {
            Ok(mut event_loop) => {
                let _ = ready.send(Ok(event_loop.ring()));
                // Nothing else runs on this thread before it serves.
                if !standby.is_none_or(|orders| event_loop.stand_by(&orders)) {
                    return true;
                }
                event_loop.listeners.accept(&event_loop.handshakes);
                event_loop.run().await;
                event_loop.handshakes.is_finished()
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
fn prepare(mut parts: ShardParts) -> std::io::Result<EventLoop> {
    let ShardParts { id, slots, started, .. } = parts;
    let config = Arc::clone(&parts.limits.config);
    let tls = config.services.iter().any(|service| service.tls.is_some());
    let ring = Ring::new(&ring_config(slots))?;
    let loop_waker = Rc::new(WakeFlag::default());
    let limits = parts.limits.clone();
    let handshakes = Rc::new(HandshakeQueue::new(Rc::clone(&loop_waker), limits, parts.kernel));
    let tick = Rc::new(Cell::new(false));

    // The event of the ring is signalled by completions, the bell by other threads.
    let event = File::from(ring.event()?);
    // Fails only if the event was not signalled.
    let drain = move || drop((&event).read(&mut [0; 8]));
    monoio::spawn(watch(pollable(ring.event()?)?, drain, Rc::clone(&loop_waker)));
    let readable = pollable(parts.bell.as_fd().try_clone_to_owned()?)?;
    let drained = Arc::clone(&parts.bell);
    monoio::spawn(watch(readable, move || drained.drain(), Rc::clone(&loop_waker)));
    monoio::spawn(watch_clock(Rc::clone(&tick), Rc::clone(&loop_waker)));

    let listeners = Listeners::new(std::mem::take(&mut parts.listeners))?;
    let seed = RandomState::new().hash_one(id);
    let hub = Hub::new(config, id, parts.peers.len(), slots, seed);
    let hub = hub.with_epoch(parts.epoch).with_homes(parts.homes);
    let sessions = if tls { slots } else { 0 };
    // The first iteration finds what was sent before the bell was watched.
    Ok(EventLoop {
        yield_poll: pollable(parts.bell.as_fd().try_clone_to_owned()?)?,
        parts,
        hub,
        slots: Slots::new(slots, Delivery::new(ring, sessions, started)),
        pending_publish: None,
        handshakes,
        listeners,
        loop_waker,
        tick,
        address_permits: Vec::new(),
        drain: Drain::default(),
        handover: None,
        admitted: Vec::new(),
    })
}

/// Wraps a descriptor of any kind, so that monoio can await its readiness.
fn pollable(descriptor: OwnedFd) -> std::io::Result<UnixStream> {
    UnixStream::from_std(descriptor.into())
}

/// Wakes the event loop when an eventfd is signalled, and resets it by `drain`. Polls are
/// level-triggered and only this task resets it: no signal is missed.
async fn watch(readable: UnixStream, drain: impl Fn(), loop_waker: Rc<WakeFlag>) {
    loop {
        readable.readable(true).await.expect("an eventfd can be polled");
        drain();
        loop_waker.wake();
    }
}

/// Wakes the event loop at every tick.
async fn watch_clock(tick: Rc<Cell<bool>>, loop_waker: Rc<WakeFlag>) {
    loop {
        monoio::time::sleep(TICK).await;
        tick.set(true);
        loop_waker.wake();
    }
}
