//! The engine's public API: start it, publish into it, drain it.

mod channels;
mod config_check;
mod connections;
mod cursor;
mod disconnect;
mod external_feed;
mod handle;
mod handover;
mod history;
mod home_ticket;
mod host_limits;
mod kernel_tls;
mod lineage;
mod listen;
mod live_config;
pub mod preflight;
mod publish_outside;
mod publisher;
mod start;
mod states;
mod status;
mod ticket;
mod topology;
mod verification;

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

pub use channels::{ChannelDetail, ChannelInfo};
pub use external_feed::ExternalFeed;
pub use handover::{
    HandedOver, NotHandedOver, NotTakenOver, Predecessor, Prepared, StandingBy, Stopped, Successor,
};
pub use home_ticket::HomeTicket;
pub use live_config::LiveConfig;
pub use publisher::Publisher;
pub use ticket::{BatchTicket, Ticket};
pub use verification::{Verification, Verifications};

use crate::config::Config;
use crate::limits::{HEARTBEAT_LIMIT, MAX_DRAIN};
use crate::telemetry::Snapshot;
use crate::types::{DrainReport, ServiceId, StartError, Time};
use topology::Topology;

/// A running engine. Dropping it without [`Engine::drain`] ends all connections at once.
///
/// ```
/// use std::time::Duration;
/// use uringcast_engine::{
///     ChannelName, Config, Engine, EventName, JsonObject, Publication, Seq, Service, ServiceId,
/// };
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let service = Service { listen: vec!["127.0.0.1:0".parse()?], ..Service::default() };
/// let engine = Engine::start(Config { shards: Some(1), ..Config::from(service) })?;
/// println!("subscribe at ws://{}", engine.local_addrs()[0]);
///
/// // A handle for any thread; the ticket can also be awaited.
/// let ticket = engine.publisher(ServiceId(0)).try_publish(Publication {
///     channel: ChannelName::parse("news:today")?,
///     event: EventName::parse("news.published")?,
///     data: JsonObject::parse(br#"{"title": "Hello"}"#)?,
///     key: None,
/// })?;
/// assert_eq!(ticket.wait()?, Seq(1));
///
/// engine.drain(Duration::from_secs(10));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Engine {
    /// By service.
    names: Vec<String>,
    addresses: Vec<(ServiceId, SocketAddr)>,
    topology: Topology,
    /// By shard; empty after the drain.
    threads: Vec<JoinHandle<()>>,
}

impl Engine {
    /// Binds the listeners, starts one pinned thread per shard and returns once all of them serve.
    /// Raises the process's soft limit of open files to the hard one.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn start(config: Config) -> Result<Engine, StartError> {
        start::start(config, crate::shard::run)
    }

    /// The service of this name.
    pub fn service(&self, name: &str) -> Option<ServiceId> {
        self.names.iter().position(|known| known == name).map(|place| ServiceId(place as u8))
    }

    /// The addresses it listens on, service by service, with the ports that port 0 stood for.
    pub fn local_addrs(&self) -> Vec<SocketAddr> {
        self.addresses.iter().map(|&(_, address)| address).collect()
    }

    /// The addresses that one service listens on.
    pub fn service_addrs(&self, service: ServiceId) -> Vec<SocketAddr> {
        let own = |&(of, address): &(ServiceId, _)| (of == service).then_some(address);
        self.addresses.iter().filter_map(own).collect()
    }

    /// Number of shards.
    pub fn shards(&self) -> usize {
        self.topology.heartbeats.len()
    }

    /// A handle to publish into the channels of a service.
    ///
    /// # Panics
    /// When the engine has no such service.
    pub fn publisher(&self, service: ServiceId) -> Publisher {
        assert!(service.index() < self.names.len(), "{service:?} is none of {:?}", self.names);
        Publisher::new(Arc::clone(&self.topology.handle), service)
    }

    /// The way by which the engine is given what an external order has ordered: of use where
    /// [`Config::external_order`] is set.
    pub fn external_feed(&self) -> ExternalFeed {
        ExternalFeed::new(Arc::clone(&self.topology.handle))
    }

    /// The tokens that clients send, if [`Access::mode`](crate::Access::mode) is not
    /// off. Each must be answered: the engine does not read tokens.
    pub fn verifications(&self) -> Verifications {
        self.topology.verifications.clone()
    }

    /// A handle by which settings of the running engine are replaced.
    pub fn live_config(&self) -> LiveConfig {
        self.topology.live_config.clone()
    }

    /// A handle by which all connections are handed to another process.
    pub fn predecessor(&self) -> Predecessor {
        let Topology { handle, live_config, started, .. } = &self.topology;
        let configured = live_config.started_with().services.iter().flat_map(|one| &one.listen);
        let addresses = self.addresses.iter().zip(configured);
        let addresses = addresses.map(|(&(service, is), &configured)| (service, is, configured));
        let names = self.names.iter().cloned().collect();
        let addresses = addresses.collect();
        Predecessor::new(Arc::clone(handle), names, addresses, *started)
    }

    /// Passes every snapshot that the shards have sent since the last call to `visit`.
    pub fn collect(&self, mut visit: impl FnMut(&Snapshot)) {
        for snapshot in self.topology.snapshots.try_iter() {
            visit(&snapshot);
            // A shard that has enough of them, or has ended, needs no more.
            let _ = self.topology.spare_snapshots[snapshot.shard.index()].try_send(snapshot);
        }
    }

    /// Whether every shard is serving: turned within the last second, not draining.
    pub fn is_ready(&self) -> bool {
        let Topology { handle, heartbeats, started, .. } = &self.topology;
        let now = Time::default() + started.elapsed();
        handle.stage.is_serving()
            && heartbeats.iter().all(|heart| now.since(heart.last()) <= HEARTBEAT_LIMIT)
    }

    /// Stops accepting, closes every connection with 1001 and waits until they are closed or the
    /// deadline is over, at most [`MAX_DRAIN`]. Blocks this thread.
    pub fn drain(mut self, deadline: Duration) -> DrainReport {
        self.end(deadline)
    }

    fn end(&mut self, deadline: Duration) -> DrainReport {
        let mut sum = DrainReport::default();
        if self.threads.is_empty() {
            return sum;
        }
        let reports = self.topology.handle.drain(Instant::now() + deadline.min(MAX_DRAIN));
        for (thread, report) in self.threads.drain(..).zip(reports) {
            let Some(report) = report else {
                let shard = thread.thread().name().unwrap_or_default().to_owned();
                tracing::error!(shard, "has not drained in time and is left behind");
                continue;
            };
            sum.closed += report.closed;
            sum.cut += report.cut;
            // A shard that panics aborts the process, so the result is always `Ok`.
            let _ = thread.join();
        }
        sum
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.end(Duration::ZERO);
    }
}
