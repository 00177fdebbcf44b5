//! What connects the shards to each other and to the engine.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Instant;

use core_affinity::CoreId;
use crossbeam::channel::{Receiver, Sender, bounded};

use super::Verifications;
use super::handle::Handle;
use super::lineage::Lineage;
use super::live_config::LiveConfig;
use crate::config::Config;
use crate::limits::{
    FEED_BYTES, FEED_MESSAGES, MAILBOX_BYTES, MAILBOX_MESSAGES, SNAPSHOTS_WAITING,
    VERIFICATIONS_PER_SHARD,
};
use crate::shard::{
    AdmissionLimits, Kernel, Mesh, MetricsReporter, PeerShards, ShardParts, ShardRing, Standby,
    UpstreamLink,
};
use crate::sync::{self, Cost, Heartbeat, OrderState, Quota, Stage, mailbox};
use crate::telemetry::Snapshot;
use crate::types::{ServiceId, ShardId, StartError};

/// What each shard reports once: its ring, with which it serves or stands by.
pub(super) type Ready = Result<ShardRing, StartError>;

/// What was decided before anything is connected. Lists are by shard.
pub(super) struct Plan {
    pub config: Config,
    pub kernel: Option<Kernel>,
    pub cores: Vec<Option<CoreId>>,
    pub slots: usize,
    /// That a shard may have under way.
    pub handshakes: usize,
    pub listeners: Vec<Vec<(ServiceId, TcpListener)>>,
    /// The addresses of those that were handed over.
    pub inherited: Arc<[SocketAddr]>,
    pub lineage: Lineage,
    /// By which shards are given orders that wait for their state; else none.
    pub standbys: Vec<Standby>,
    pub ready: Sender<Ready>,
}

/// The engine's ends of what connects it to its shards. Lists are by shard.
#[derive(Debug)]
pub(super) struct Topology {
    pub handle: Arc<Handle>,
    pub heartbeats: Vec<Arc<Heartbeat>>,
    pub snapshots: Receiver<Box<Snapshot>>,
    /// Takes back snapshots that were read.
    pub spare_snapshots: Vec<Sender<Box<Snapshot>>>,
    pub verifications: Verifications,
    pub live_config: LiveConfig,
    pub started: Instant,
}

impl Topology {
    /// Connects the shards. Returns also what each shard's thread starts with.
    pub(super) fn new(plan: Plan) -> Result<(Vec<ShardParts>, Topology), StartError> {
        let shards = plan.listeners.len();
        let mut mesh = Mesh::new(shards)?;
        let (mut mailboxes, mut heartbeats, mut spare_snapshots) = (vec![], vec![], vec![]);
        let (snapshots_out, snapshots) = bounded(SNAPSHOTS_WAITING * shards);
        let (verifications, requests) = bounded(VERIFICATIONS_PER_SHARD * shards);
        let config = Arc::new(plan.config);
        let quotas = config.services.iter().map(|_| Quota::default()).collect();
        let per_address = config.services.iter().map(|_| Arc::default()).collect();
        let started_with = Arc::clone(&config);
        let (handshakes, inherited) = (plan.handshakes, plan.inherited);
        let limits = AdmissionLimits { config, handshakes, quotas, per_address, inherited };
        let Lineage { epoch: own_epoch, started, .. } = plan.lineage;
        let homes = plan.lineage.homes(shards);
        let external = started_with.external_order.clone();
        let epoch = external.as_ref().map_or(own_epoch, |order| order.epoch());
        let (mut feeds, mut standbys) = (Vec::new(), plan.standbys.into_iter());
        let mut parts = Vec::with_capacity(shards);
        let room = Cost { entries: MAILBOX_MESSAGES, bytes: MAILBOX_BYTES };
        for (shard, (listeners, core)) in plan.listeners.into_iter().zip(plan.cores).enumerate() {
            let (mailbox, receiver) = mailbox(room, Arc::clone(&mesh.bells[shard]));
            let (spares_out, spares_in) = bounded(SNAPSHOTS_WAITING);
            let heartbeat = Arc::<Heartbeat>::default();
            let upstream = external.as_ref().map(|order| {
                let room = Cost { entries: FEED_MESSAGES, bytes: FEED_BYTES };
                let (feed, notices) = sync::mailbox(room, Arc::clone(&mesh.bells[shard]));
                feeds.push(Arc::new(feed));
                UpstreamLink::new(shard, Arc::clone(order), Arc::clone(&feeds[shard]), notices)
            });
            mailboxes.push(mailbox);
            spare_snapshots.push(spares_out);
            heartbeats.push(Arc::clone(&heartbeat));
            parts.push(ShardParts {
                id: ShardId(shard as u8),
                core,
                kernel: plan.kernel,
                listeners,
                slots: plan.slots,
                bell: Arc::clone(&mesh.bells[shard]),
                mailbox: receiver,
                peers: PeerShards::new(std::mem::take(&mut mesh.peers[shard])),
                limits: limits.clone(),
                verifications: verifications.clone(),
                epoch,
                homes,
                started,
                metrics: MetricsReporter::new(snapshots_out.clone(), spares_in),
                heartbeat,
                upstream,
                standby: standbys.next(),
                ready: plan.ready.clone(),
            });
        }
        let (stage, order) = (Stage::default(), OrderState::new(epoch));
        let handle = Arc::new(Handle { stage, mailboxes, order, homes, external, feeds });
        let verifications = Verifications { requests, handle: Arc::clone(&handle) };
        let live_config = LiveConfig::new(started_with, Arc::clone(&handle));
        Ok((
            parts,
            Topology {
                handle,
                heartbeats,
                snapshots,
                spare_snapshots,
                verifications,
                live_config,
                started,
            },
        ))
    }
}
