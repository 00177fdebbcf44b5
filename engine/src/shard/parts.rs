//! The parts that a shard's thread starts with.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Instant;

use crossbeam::channel::Sender;

use super::command::{Command, VerificationRequest};
use super::handshake::AdmissionLimits;
use super::metrics_reporter::MetricsReporter;
use super::peers::PeerShards;
use super::standby_order::{ShardRing, Standby};
use super::tls::Kernel;
use super::upstream_link::UpstreamLink;
use crate::sync::{Doorbell, Heartbeat, MailboxReceiver};
use crate::types::{Epoch, Homes, ServiceId, ShardId, StartError};

/// The parts of one shard.
pub(crate) struct ShardParts {
    pub id: ShardId,
    /// The core that the thread is pinned to, if the machine allows it.
    pub core: Option<core_affinity::CoreId>,
    /// What the kernel's TLS supports, if connections are to be handed to it.
    pub kernel: Option<Kernel>,
    /// One per address of each service, bound with SO_REUSEPORT and listening, non-blocking.
    pub listeners: Vec<(ServiceId, TcpListener)>,
    /// Registered-file slots of this shard.
    pub slots: usize,
    pub bell: Arc<Doorbell>,
    pub mailbox: MailboxReceiver<Command>,
    pub peers: PeerShards,
    /// The configuration, and what is counted over all shards.
    pub limits: AdmissionLimits,
    /// Tokens to be verified; answered by the mailbox.
    pub verifications: Sender<VerificationRequest>,
    /// Of the logs of all shards: no other run of an engine has it.
    pub epoch: Epoch,
    /// Which of the shards is home of which channel.
    pub homes: Homes,
    /// When the engine started: the zero of `Time`.
    pub started: Instant,
    pub metrics: MetricsReporter,
    /// Updated once a tick, for readiness.
    pub heartbeat: Arc<Heartbeat>,
    /// The external order, where there is one.
    pub upstream: Option<UpstreamLink>,
    /// Of a shard that takes connections of another process over.
    pub standby: Option<Standby>,
    /// Reports once whether the shard serves, or stands by.
    pub ready: Sender<Result<ShardRing, StartError>>,
}
