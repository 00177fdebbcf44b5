//! Everything a shard's thread is given when it starts.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Instant;

use crossbeam::channel::{Receiver, Sender};

use super::tls::ktls_session::Kernel;
use crate::broker::effect::{Notice, Request};
use crate::broker::hub::ChannelEntry;
use crate::config::Config;
use crate::engine::DrainReport;
use crate::sync::{
    Doorbell, Heartbeat, LaneReceiver, LaneSender, MailboxReceiver, PerAddressLimit, Quota,
};
use crate::telemetry::Snapshot;
use crate::types::{
    ChannelName, ClientCommand, ConnectionKey, JsonObject, Publication, PublishError, Seq,
    ServiceId, ShardId, Verdict,
};
use crate::wire::Secret;

/// What the control plane may ask of a shard, through its mailbox.
pub(crate) enum Command {
    /// Publish these, all homed on this shard; one result each.
    Publish { items: Vec<Publication>, reply: oneshot::Sender<Vec<Result<Seq, PublishError>>> },
    /// List channels homed here: `Hub::channels`.
    List {
        service: ServiceId,
        from: u32,
        limit: usize,
        reply: oneshot::Sender<(Vec<ChannelEntry>, Option<u32>)>,
    },
    /// Count local subscribers: `Hub::subscribers`.
    Count { names: Arc<[ChannelName]>, reply: oneshot::Sender<Vec<u64>> },
    /// What became of a token: `Hub::handle_authenticated`.
    Authenticated { key: ConnectionKey, verdict: Verdict },
    /// Put or take back a status document of a channel homed here: `Hub::set_document`.
    SetDocument {
        channel: ChannelName,
        document: Option<Arc<JsonObject>>,
        reply: oneshot::Sender<Result<bool, PublishError>>,
    },
    /// Read one: `Hub::document`.
    Document { channel: ChannelName, reply: oneshot::Sender<Option<Arc<JsonObject>>> },
    /// End connections or subscriptions: `Hub::expel`.
    Expel { command: Arc<ClientCommand>, from: u32, reply: oneshot::Sender<(u64, Option<u32>)> },
    /// Stop accepting, close everybody, answer when all are gone or `deadline` is over, and end.
    Drain { deadline: Instant, reply: oneshot::Sender<DrainReport> },
}

/// A token to be verified outside the shards.
#[derive(Debug)]
pub(crate) struct Question {
    pub shard: ShardId,
    pub service: ServiceId,
    pub key: ConnectionKey,
    pub token: Secret,
}

/// The lanes between this shard and one other.
pub(crate) struct Peer {
    /// The other shard's bell, rung after something was sent to it.
    pub bell: Arc<Doorbell>,
    pub requests_out: LaneSender<Request>,
    pub requests_in: LaneReceiver<Request>,
    pub notices_out: LaneSender<Notice>,
    pub notices_in: LaneReceiver<Notice>,
}

/// One shard's start kit.
pub(crate) struct Seat {
    pub id: ShardId,
    /// To be pinned to, if the machine lets us.
    pub core: Option<core_affinity::CoreId>,
    pub config: Arc<Config>,
    /// The kernel's TLS, if connections are to be handed to it.
    pub kernel: Option<Kernel>,
    /// One per address of each service, bound with SO_REUSEPORT and listening, non-blocking.
    pub listeners: Vec<(ServiceId, TcpListener)>,
    /// Registered-file slots this shard may ask the kernel for.
    pub slots: usize,
    pub bell: Arc<Doorbell>,
    pub mailbox: MailboxReceiver<Command>,
    /// By shard; `None` at this shard's own place.
    pub peers: Vec<Option<Peer>>,
    /// Open connections on all shards, by service.
    pub quotas: Arc<[Quota]>,
    /// Connections by service and address, where these are limited.
    pub lodgings: Arc<[Option<Arc<PerAddressLimit>>]>,
    /// Tokens out; answered through the mailbox.
    pub ask: Sender<Question>,
    /// When the engine started: the zero of `Time`.
    pub started: Instant,
    /// Full snapshots out, used ones back.
    pub snapshots: Sender<Box<Snapshot>>,
    pub twins: Receiver<Box<Snapshot>>,
    /// Beaten once a tick, for readiness.
    pub heartbeat: Arc<Heartbeat>,
    /// StatusSource once whether the shard serves.
    pub ready: Sender<Result<(), crate::engine::StartError>>,
}
