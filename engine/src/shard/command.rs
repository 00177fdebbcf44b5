//! The commands of the control plane to a shard, and the shard's requests to the control plane.

use std::sync::Arc;
use std::time::Instant;

use super::handover_order::HandoverOrder;
use super::question::Question;
use crate::config::Config;
use crate::limits::LISTING_COST;
use crate::types::{
    ChannelName, ClientCommand, ConnectionKey, DrainReport, JsonObject, Publication, PublishError,
    Seq, ServiceId, ShardId, StateDocument, StateError, Verdict,
};
use crate::wire::Secret;

/// A command to a shard, by its mailbox.
pub(crate) enum Command {
    /// Publish these, all homed on this shard; one result each.
    Publish { items: Vec<Publication>, reply: oneshot::Sender<Vec<Result<Seq, PublishError>>> },
    /// Something that changes nothing.
    Ask(Question),
    /// The verdict on a token: `Hub::handle_authenticated`.
    Authenticated { key: ConnectionKey, verdict: Verdict },
    /// Put or take back a status document of a channel homed here: `Hub::set_document`.
    SetDocument {
        channel: ChannelName,
        document: Option<Arc<JsonObject>>,
        reply: oneshot::Sender<Result<bool, PublishError>>,
    },
    /// Put or take back the state of a channel homed here: `Hub::set_state`.
    SetState {
        channel: ChannelName,
        state: Option<Arc<StateDocument>>,
        reply: oneshot::Sender<Result<bool, StateError>>,
    },
    /// End connections or subscriptions: `Hub::disconnect`.
    Expel { command: Arc<ClientCommand>, from: u32, reply: oneshot::Sender<(u64, Option<u32>)> },
    /// Use this configuration from now on: `Hub::reconfigure`.
    Configure { config: Arc<Config>, reply: oneshot::Sender<()> },
    /// Answer new connections 503 until about `until`, or leave them to the next process where the
    /// sockets are inherited. All else goes on.
    Refuse { until: Instant, reply: oneshot::Sender<()> },
    /// Take a step of a hand-over to another process.
    HandOver(HandoverOrder),
    /// Stop accepting, close every connection, answer when all are closed or `deadline` is over,
    /// and end.
    Drain { deadline: Instant, reply: oneshot::Sender<DrainReport> },
}

impl Command {
    /// As how many messages it counts in its iteration.
    pub(crate) fn cost(&self) -> usize {
        match self {
            Command::Ask(question) => question.cost(),
            Command::Expel { .. } | Command::Configure { .. } => LISTING_COST,
            Command::Publish { .. }
            | Command::Authenticated { .. }
            | Command::SetDocument { .. }
            | Command::SetState { .. }
            | Command::Refuse { .. }
            | Command::HandOver(_)
            | Command::Drain { .. } => 1,
        }
    }

    /// Whether other shards may have to do something for it, publications aside.
    pub(crate) fn may_concern_others(&self) -> bool {
        match self {
            Command::Authenticated { .. }
            | Command::SetDocument { .. }
            | Command::SetState { .. }
            | Command::Expel { .. }
            | Command::Configure { .. }
            | Command::Refuse { .. }
            | Command::Drain { .. } => true,
            Command::Publish { .. } | Command::Ask(_) | Command::HandOver(_) => false,
        }
    }
}

/// A token to be verified outside the shards; answered by [`Command::Authenticated`].
#[derive(Debug)]
pub(crate) struct VerificationRequest {
    pub shard: ShardId,
    pub service: ServiceId,
    pub key: ConnectionKey,
    pub token: Secret,
}
