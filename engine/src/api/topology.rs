//! What connects the shards to each other and to the engine.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Instant;

use core_affinity::CoreId;
use crossbeam::channel::{Receiver, Sender, bounded};

use super::handle::Handle;
use crate::config::{Config, Service};
use crate::limits::{MAILBOX_MESSAGES, SNAPSHOTS_WAITING, VERIFICATIONS_PER_SHARD};
use crate::shard::{Kernel, Mesh, ShardParts, VerificationRequest};
use crate::sync::{Heartbeat, PerAddressLimit, Quota, Stage, mailbox};
use crate::telemetry::Snapshot;
use crate::types::StartError;
use crate::types::{ServiceId, ShardId};

/// What each shard reports once: whether it serves.
pub(super) type Ready = Result<(), StartError>;

/// What was decided before anything is connected. Lists are by shard.
pub(super) struct Plan {
    pub config: Config,
    pub kernel: Option<Kernel>,
    pub cores: Vec<Option<CoreId>>,
    pub slots: usize,
    pub listeners: Vec<Vec<(ServiceId, TcpListener)>>,
    pub ready: Sender<Ready>,
}

/// What each shard's thread starts with, and the engine's ends of all channels. Lists are by shard.
pub(super) struct Topology {
    pub seats: Vec<ShardParts>,
    pub handle: Arc<Handle>,
    pub heartbeats: Vec<Arc<Heartbeat>>,
    pub snapshots: Receiver<Box<Snapshot>>,
    pub twins: Vec<Sender<Box<Snapshot>>>,
    pub questions: Receiver<VerificationRequest>,
    pub started: Instant,
}

impl Topology {
    pub(super) fn new(plan: Plan) -> Result<Topology, StartError> {
        let shards = plan.listeners.len();
        let mut mesh = Mesh::new(shards)?;
        let (mut mailboxes, mut heartbeats, mut twins) = (vec![], vec![], vec![]);
        let (snapshots_out, snapshots) = bounded(SNAPSHOTS_WAITING * shards);
        let (ask, questions) = bounded(VERIFICATIONS_PER_SHARD * shards);
        let config = Arc::new(plan.config);
        let quota = |service: &Service| Quota::new(service.max_connections);
        let quotas: Arc<[Quota]> = config.services.iter().map(quota).collect();
        let lodging = |service: &Service| {
            let most = service.access.max_per_address;
            (most > 0).then(|| Arc::new(PerAddressLimit::new(most)))
        };
        let lodgings: Arc<[_]> = config.services.iter().map(lodging).collect();
        let started = Instant::now();
        let mut seats = Vec::with_capacity(shards);
        for (shard, (listeners, core)) in plan.listeners.into_iter().zip(plan.cores).enumerate() {
            let (mailbox, receiver) = mailbox(MAILBOX_MESSAGES, Arc::clone(&mesh.bells[shard]));
            let (twins_out, twins_in) = bounded(SNAPSHOTS_WAITING);
            let heartbeat = Arc::new(Heartbeat::new());
            mailboxes.push(mailbox);
            twins.push(twins_out);
            heartbeats.push(Arc::clone(&heartbeat));
            seats.push(ShardParts {
                id: ShardId(shard as u8),
                core,
                config: Arc::clone(&config),
                kernel: plan.kernel,
                listeners,
                slots: plan.slots,
                bell: Arc::clone(&mesh.bells[shard]),
                mailbox: receiver,
                peers: (0..shards).map(|other| mesh.peer(shard, other)).collect(),
                quotas: Arc::clone(&quotas),
                address_limits: Arc::clone(&lodgings),
                verifications: ask.clone(),
                started,
                snapshots: snapshots_out.clone(),
                spare_snapshots: twins_in,
                heartbeat,
                ready: plan.ready.clone(),
            });
        }
        let handle = Arc::new(Handle { stage: Stage::new(), mailboxes });
        Ok(Topology { seats, handle, heartbeats, snapshots, twins, questions, started })
    }
}
