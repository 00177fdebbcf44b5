//! All that a shard's thread is given when it starts.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Instant;

use crossbeam::channel::{Receiver, Sender};

use super::command::{Command, VerificationRequest};
use super::peers::PeerLanes;
use super::tls::Kernel;
use crate::config::Config;
use crate::sync::{Doorbell, Heartbeat, MailboxReceiver, PerAddressLimit, Quota};
use crate::telemetry::Snapshot;
use crate::types::{ServiceId, ShardId, StartError};

/// The parts of one shard.
pub(crate) struct ShardParts {
    pub id: ShardId,
    /// The core that the thread is pinned to, if the machine allows it.
    pub core: Option<core_affinity::CoreId>,
    pub config: Arc<Config>,
    /// What the kernel's TLS supports, if connections are to be handed to it.
    pub kernel: Option<Kernel>,
    /// One per address of each service, bound with SO_REUSEPORT and listening, non-blocking.
    pub listeners: Vec<(ServiceId, TcpListener)>,
    /// Registered-file slots this shard may ask the kernel for.
    pub slots: usize,
    pub bell: Arc<Doorbell>,
    pub mailbox: MailboxReceiver<Command>,
    /// By shard; `None` at this shard's own index.
    pub peers: Vec<Option<PeerLanes>>,
    /// Open connections on all shards, by service.
    pub quotas: Arc<[Quota]>,
    /// Connections by service and address, where these are limited.
    pub address_limits: Arc<[Option<Arc<PerAddressLimit>>]>,
    /// Tokens to be verified; answered by the mailbox.
    pub verifications: Sender<VerificationRequest>,
    /// When the engine started: the zero of `Time`.
    pub started: Instant,
    /// Snapshots to the collector.
    pub snapshots: Sender<Box<Snapshot>>,
    /// Snapshots that the collector has read, to be reused.
    pub spare_snapshots: Receiver<Box<Snapshot>>,
    /// Updated once a tick, for readiness.
    pub heartbeat: Arc<Heartbeat>,
    /// Reports once whether the shard serves.
    pub ready: Sender<Result<(), StartError>>,
}
