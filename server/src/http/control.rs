//! The state that all handlers share.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{RwLock, RwLockReadGuard};
use uringcast_engine::limits::{BUSY_PAUSE, DEFAULT_DRAIN_SPREAD};
use uringcast_engine::{
    ClientAction, ClientCommand, DrainReport, Engine, Publisher, RevokedCertificates, Service,
    ServiceId, Target,
};

use super::error::ApiError;
use super::idempotency::IdempotencyTable;
use super::other_nodes::OtherNodes;
use super::publish_queue::PublishQueue;
use super::request_body::BodyBudget;
use crate::auth::revocations::Revocations;
use crate::certs::TicketKeys;
use crate::cluster::ClusterStatus;
use crate::dashboard::Dashboard;
use crate::foreign_listeners::ForeignListeners;
use crate::handover::{Closed, EngineGate, Passage, Passing};
use crate::live_services::LiveServices;
use crate::metrics::Metrics;
use crate::self_probe::Health;
use crate::settings::Settings;

/// The state that all handlers share.
#[derive(Debug)]
pub struct Control {
    /// Empty from the beginning of the drain.
    engine: RwLock<Option<Engine>>,
    /// By service.
    publishers: Vec<Publisher>,
    /// By service.
    publish_queues: Vec<PublishQueue>,
    /// The services' names, in the engine's order.
    pub(super) names: Vec<String>,
    /// The services with the settings that they have now.
    services: LiveServices,
    pub(crate) idempotency: IdempotencyTable,
    pub(super) bodies: Arc<BodyBudget>,
    pub(crate) metrics: Option<Metrics>,
    /// `None` without self-probes.
    health: Option<Health>,
    /// `None` where the system does not show which sockets listen.
    foreign: Option<ForeignListeners>,
    pub(super) dashboard: Dashboard,
    pub(crate) revocations: Arc<Revocations>,
    /// Of the services with TLS.
    pub(crate) tickets: Vec<(ServiceId, TicketKeys)>,
    /// Those in force; `None` where none are replaced.
    settings: Option<Arc<parking_lot::RwLock<Arc<Settings>>>>,
    /// The cluster without which the server is not ready.
    cluster: Option<Arc<parking_lot::Mutex<ClusterStatus>>>,
    /// `None` without a cluster.
    pub(super) others: Option<Arc<OtherNodes>>,
    /// Clients are told to reconnect, and new ones refused.
    is_ending: AtomicBool,
    pub(super) gate: EngineGate,
    passing: Passing,
}

/// The engine, used by a request.
pub(super) struct EngineGuard<'a> {
    engine: RwLockReadGuard<'a, Engine>,
    _passage: Passage,
}

impl Deref for EngineGuard<'_> {
    type Target = Engine;

    fn deref(&self) -> &Engine {
        &self.engine
    }
}

impl Control {
    /// Takes the engine over, with its services in its order. Called on a runtime, where the tasks
    /// of its queues run.
    pub fn new(
        engine: Engine,
        metrics: Option<Metrics>,
        health: Option<Health>,
        foreign: Option<ForeignListeners>,
        services: LiveServices,
        dashboard: Dashboard,
    ) -> Control {
        let names = services.current();
        let names: Vec<String> = names.iter().map(|service| service.name.clone()).collect();
        let publisher = |place| engine.publisher(ServiceId(place as u8));
        let publishers: Vec<Publisher> = (0..names.len()).map(publisher).collect();
        let gate = EngineGate::default();
        let queue = |publisher: &Publisher| PublishQueue::start(publisher.clone(), gate.clone());
        let publish_queues = publishers.iter().map(queue).collect();
        Control {
            engine: RwLock::new(Some(engine)),
            publishers,
            publish_queues,
            names,
            services,
            idempotency: IdempotencyTable::default(),
            bodies: BodyBudget::new(metrics.as_ref().map(|metrics| metrics.given_up.clone())),
            metrics,
            health,
            foreign,
            dashboard,
            revocations: Arc::default(),
            tickets: Vec::new(),
            settings: None,
            cluster: None,
            others: None,
            is_ending: AtomicBool::new(false),
            gate,
            passing: Passing::default(),
        }
    }

    /// The same with what the verifiers know to be revoked.
    #[must_use]
    pub fn with_revocations(self, revocations: Arc<Revocations>) -> Control {
        Control { revocations, ..self }
    }

    /// The same with the keys of session tickets.
    #[must_use]
    pub(crate) fn with_tickets(self, tickets: Vec<(ServiceId, TicketKeys)>) -> Control {
        Control { tickets, ..self }
    }

    /// The same with the settings in force.
    #[must_use]
    pub fn with_settings(self, settings: Arc<parking_lot::RwLock<Arc<Settings>>>) -> Control {
        Control { settings: Some(settings), ..self }
    }

    /// The same, ready only while this cluster takes publications.
    #[must_use]
    pub fn with_cluster(self, cluster: Option<Arc<parking_lot::Mutex<ClusterStatus>>>) -> Control {
        Control { cluster, ..self }
    }

    /// The same for a server that may be taken over.
    #[must_use]
    pub fn with_passing(self, is_possible: bool) -> Control {
        let passing = if is_possible { Passing::possible() } else { Passing::default() };
        Control { passing, ..self }
    }

    /// The same, that tells these nodes what concerns their clients too.
    #[must_use]
    pub fn with_others(self, others: Option<Arc<OtherNodes>>) -> Control {
        Control { others, ..self }
    }

    /// The time over which clients are told to reconnect, unless a request says another one.
    pub(super) fn drain_spread(&self) -> Duration {
        let in_force =
            |settings: &parking_lot::RwLock<Arc<Settings>>| settings.read().drain_spread.0;
        self.settings.as_deref().map_or(DEFAULT_DRAIN_SPREAD, in_force)
    }

    /// The engine. Neither a drain nor a hand-over begins while the guard is held.
    pub(super) async fn engine(&self) -> Result<EngineGuard<'_>, ApiError> {
        let passage = self.pass().await?;
        let engine = self.engine.read().await;
        let engine = RwLockReadGuard::try_map(engine, Option::as_ref);
        Ok(EngineGuard { engine: engine.map_err(|_| ApiError::draining())?, _passage: passage })
    }

    /// Waits while the server is handed over.
    ///
    /// # Errors
    /// 503 when it was: the request is passed on to the other process then, where it can be.
    pub(super) async fn pass(&self) -> Result<Passage, ApiError> {
        self.gate.pass().await.ok_or_else(ApiError::draining)
    }

    /// The way of connections to the process that has taken over.
    pub(crate) fn passing(&self) -> &Passing {
        &self.passing
    }

    pub(super) fn publisher(&self, service: ServiceId) -> &Publisher {
        &self.publishers[service.index()]
    }

    pub(super) fn publish_queue(&self, service: ServiceId) -> &PublishQueue {
        &self.publish_queues[service.index()]
    }

    pub(super) fn name(&self, service: ServiceId) -> &str {
        &self.names[service.index()]
    }

    /// The services in the engine's order, with the settings that they have now.
    pub(super) fn services(&self) -> Arc<[Service]> {
        self.services.current()
    }

    /// Whether every shard serves, as the self-probes and the engine see it, and gets all clients.
    pub(super) async fn ready(&self) -> Result<(), ApiError> {
        if let Some(shard) = self.health.as_ref().and_then(Health::failing) {
            let text = format!("The canary of shard {shard} cannot connect, or hears nothing.");
            return Err(ApiError::unavailable("not_ready", text));
        }
        if let Some(address) = self.foreign.as_ref().and_then(ForeignListeners::first) {
            let text = format!(
                "Another process listens on {address} too and gets a part of the clients; find it \
                 with ss -ltnp."
            );
            return Err(ApiError::unavailable("not_ready", text));
        }
        if let Some(why) = self.cluster.as_ref().and_then(|cluster| cluster.lock().degraded) {
            let text = format!("The cluster takes no publications: {why}.");
            return Err(ApiError::unavailable("not_ready", text));
        }
        let engine = self.engine().await?;
        if self.is_ending.load(Ordering::Relaxed) {
            return Err(ApiError::draining());
        }
        match engine.is_ready() {
            true => Ok(()),
            false => Err(ApiError::unavailable("not_ready", "A shard is not serving.")),
        }
    }

    /// Whether every shard runs, also where another process shares the clients' port.
    pub async fn is_alive(&self) -> bool {
        self.engine.read().await.as_ref().is_some_and(Engine::is_ready)
    }

    /// Adds what the shards have measured since the last call to the metrics.
    pub async fn collect(&self) {
        if let (Some(metrics), Some(engine)) = (&self.metrics, &*self.engine.read().await) {
            metrics.collect(engine);
        }
    }

    /// Looks for other processes on the clients' ports, collects, and sends a point to the open
    /// dashboards. To be called once a second.
    pub async fn tick(&self) {
        self.foreign.iter().for_each(ForeignListeners::look);
        self.collect().await;
        if let Some(metrics) = &self.metrics {
            self.dashboard.publish(&metrics.make_point());
        }
    }

    /// Closes a service's connections with clients that have shown one of these certificates.
    pub async fn close_revoked(&self, service: ServiceId, revoked: Arc<RevokedCertificates>) {
        let (target, action) = (Target::Certificates(revoked), ClientAction::Disconnect);
        self.carry_out(ClientCommand { service, target, action }).await;
    }

    /// Carries a command out as soon as there is room for it, and returns how many clients it
    /// concerned; `None` when the engine is draining, and with it all of them.
    pub(super) async fn carry_out(&self, command: ClientCommand) -> Option<u64> {
        loop {
            // Not held between two tries: a drain waits for the guard.
            let sent = match &*self.engine.read().await {
                Some(engine) => engine.disconnect(command.clone()).await,
                None => return None,
            };
            if let Ok(count) = sent {
                return Some(count);
            }
            // A full mailbox has room soon.
            tokio::time::sleep(BUSY_PAUSE).await;
        }
    }

    /// Has requests wait, once those that use the engine have what they ask for. Blocks this
    /// thread, which is none of the runtime's. `None` when one takes too long.
    pub(crate) fn hold_requests(&self, runtime: &Handle) -> Option<Closed> {
        self.gate.close(runtime)
    }

    /// Is not ready any more.
    pub fn begin_ending(&self) {
        self.is_ending.store(true, Ordering::Relaxed);
    }

    /// Has all clients told to reconnect within this time, and new ones refused. Publications are
    /// accepted meanwhile.
    pub async fn begin_drain(&self, spread: Duration) {
        while let Some(engine) = &*self.engine.read().await
            && engine.begin_drain(spread).await.is_err()
        {
            // A full mailbox has room soon.
            tokio::time::sleep(BUSY_PAUSE).await;
        }
    }

    /// Clients' connections that are not yet released; `None` while the engine is too busy to say.
    pub async fn clients(&self) -> Option<u64> {
        let engine = self.engine.read().await;
        let loads = engine.as_ref()?.loads().await.ok()?;
        Some(loads.iter().map(|load| load.connections).sum())
    }

    /// Drains the engine on another thread; requests that arrive meanwhile are answered 503.
    pub async fn drain(&self, deadline: Duration) -> Option<DrainReport> {
        // The lock waits for requests that are using the engine.
        let engine = self.engine.write().await.take()?;
        tokio::task::spawn_blocking(move || engine.drain(deadline)).await.ok()
    }
}
