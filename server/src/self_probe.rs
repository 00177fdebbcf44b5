//! Self-probes: for each shard the server connects a subscriber (a canary) over the real listener
//! and publishes a probe to it once an interval. The latency is what a client would see. Readiness
//! fails when probes do not arrive. From time to time a canary reconnects, because open connections
//! do not show whether the listener accepts new ones.

mod connector;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout_at};
use uringcast_engine::{ChannelName, EventName, JsonObject, Publication, Publisher, ShardId};

use crate::limits::{CANARY_DIALS_PER_SHARD, CANARY_MISSES, CANARY_RENEWAL, CANARY_TIMEOUT};
use crate::metrics::Metrics;
pub use connector::Connector;
use connector::{Socket, field};

/// Why a probe did not arrive.
const UNCONNECTED: &str = "no canary is connected to the shard";
const REFUSED: &str = "there was no room to publish it";
const LATE: &str = "the shard did not deliver it in time";

/// Whether the probes of each shard arrive.
#[derive(Clone, Debug)]
pub struct Health(Arc<[AtomicU32]>);

impl Health {
    /// The state of so many shards before their first probe: no probe was missed.
    pub fn new(shards: usize) -> Health {
        Health((0..shards).map(|_| AtomicU32::new(0)).collect())
    }

    /// A shard that missed its last [`CANARY_MISSES`] probes.
    pub fn failing(&self) -> Option<usize> {
        self.0.iter().position(|misses| misses.load(Ordering::Relaxed) >= CANARY_MISSES)
    }

    /// Records whether a probe arrived, or why it did not.
    fn record(&self, shard: usize, missed: Option<&'static str>) {
        let misses = &self.0[shard];
        let before = misses.load(Ordering::Relaxed);
        let now = if missed.is_none() { 0 } else { before.saturating_add(1) };
        misses.store(now, Ordering::Relaxed);
        if now == CANARY_MISSES
            && let Some(why) = missed
        {
            tracing::error!(
                shard,
                misses = now,
                why,
                "the canary's probes do not arrive: not ready"
            );
        } else if now == 0 && before >= CANARY_MISSES {
            tracing::info!(shard, misses = before, "the canary's probes arrive again: ready");
        }
    }
}

/// A probe that came back.
#[derive(Debug)]
struct ReceivedProbe {
    shard: usize,
    probe: u64,
    at: Instant,
}

/// All probes of an engine.
pub struct SelfProbes {
    connector: Connector,
    publisher: Publisher,
    metrics: Option<Metrics>,
    health: Health,
    /// By shard: the task that listens.
    listeners: Vec<Option<JoinHandle<()>>>,
    received: mpsc::Receiver<ReceivedProbe>,
    sender: mpsc::Sender<ReceivedProbe>,
    probe: u64,
    /// One is to connect anew, whichever shard the kernel sends it to.
    reconnect: bool,
}

impl Drop for SelfProbes {
    fn drop(&mut self) {
        self.listeners.iter().flatten().for_each(JoinHandle::abort);
    }
}

impl SelfProbes {
    /// None of them connected yet.
    pub fn new(
        connector: Connector,
        publisher: Publisher,
        metrics: Option<Metrics>,
        health: Health,
    ) -> SelfProbes {
        let shards = health.0.len();
        let (sender, received) = mpsc::channel(2 * shards);
        let listeners = (0..shards).map(|_| None).collect();
        SelfProbes {
            connector,
            publisher,
            metrics,
            health,
            listeners,
            received,
            sender,
            probe: 0,
            reconnect: false,
        }
    }

    /// Probes once every `period`, for ever.
    pub async fn run(mut self, period: Duration) {
        let mut tick = interval(period);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            self.round().await;
        }
    }

    /// Connects missing canaries, publishes one probe and waits for it at every shard.
    async fn round(&mut self) {
        let deadline = Instant::now() + CANARY_TIMEOUT;
        self.reconnect |= self.probe % CANARY_RENEWAL == CANARY_RENEWAL - 1;
        // A canary that this timeout interrupts has not connected in time.
        let _ = timeout_at(deadline, self.connect_missing()).await;
        if self.reconnect {
            // The reconnect failed, so new clients cannot connect either.
            self.listeners.iter_mut().find_map(Option::take).inspect(JoinHandle::abort);
        }
        let (published, arrived) = self.probe().await;
        for (shard, at) in arrived.into_iter().enumerate() {
            let latency = at.ok().map(|at| at - published);
            if let Some(metrics) = &self.metrics {
                metrics.probed(shard, latency);
            }
            self.health.record(shard, at.err());
            if latency.is_none()
                && let Some(slot) = self.listeners[shard].take()
            {
                // The next round tries a new connection.
                slot.abort();
            }
        }
    }

    /// When a probe was published, and when it arrived at each shard, or why it did not.
    async fn probe(&mut self) -> (Instant, Vec<Result<Instant, &'static str>>) {
        let missed = |slot: &Option<_>| Err(if slot.is_some() { LATE } else { UNCONNECTED });
        let mut arrived: Vec<_> = self.listeners.iter().map(missed).collect();
        let published = Instant::now();
        self.probe += 1;
        let data = format!("{{\"probe\":{}}}", self.probe);
        let publication = Publication {
            channel: ChannelName::probe(),
            event: EventName::parse("canary.probe").expect("a good name"),
            data: JsonObject::parse(data.as_bytes()).expect("an object"),
            key: None,
        };
        // The ticket is not needed. A probe that the engine refuses arrives nowhere.
        if self.publisher.try_publish(publication).is_err() {
            return (published, vec![Err(REFUSED); arrived.len()]);
        }
        let mut waiting = self.listeners.iter().filter(|slot| slot.is_some()).count();
        let deadline = published + CANARY_TIMEOUT;
        while waiting > 0 {
            let received = tokio::select! {
                Some(received) = self.received.recv() => received,
                () = sleep_until(deadline) => break,
            };
            if received.probe == self.probe && arrived[received.shard].is_err() {
                arrived[received.shard] = Ok(received.at);
                waiting -= 1;
            }
        }
        (published, arrived)
    }

    /// Dials until every shard has its canary, and none is to be renewed; the kernel chooses the
    /// shard.
    async fn connect_missing(&mut self) {
        for slot in &mut self.listeners {
            slot.take_if(|task| task.is_finished());
        }
        for _ in 0..CANARY_DIALS_PER_SHARD * self.listeners.len() {
            if !self.reconnect && self.listeners.iter().all(Option::is_some) {
                return;
            }
            match self.connector.connect().await {
                Ok((shard, socket)) => self.assign(shard, socket),
                Err(error) => {
                    tracing::warn!(%error, "the canary cannot connect");
                    return;
                }
            }
        }
    }

    fn assign(&mut self, shard: ShardId, socket: Socket) {
        let reconnect = std::mem::take(&mut self.reconnect);
        if let Some(slot) = self.listeners.get_mut(shard.index())
            && (reconnect || slot.is_none())
        {
            let listening = receive_probes(shard.index(), socket, self.sender.clone());
            slot.replace(tokio::spawn(listening)).inspect(JoinHandle::abort);
        }
    }
}

/// Reads until the end of the connection; pings are answered meanwhile.
async fn receive_probes(shard: usize, mut socket: Socket, sender: mpsc::Sender<ReceivedProbe>) {
    while let Some(Ok(message)) = socket.next().await {
        let at = Instant::now();
        let probe = field(&message, "probe").and_then(|probe| probe.as_u64());
        if let Some(probe) = probe
            && sender.send(ReceivedProbe { shard, probe, at }).await.is_err()
        {
            return;
        }
    }
}

#[cfg(test)]
mod tests;
