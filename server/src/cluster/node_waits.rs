//! What waits for the node to be in some state, so that it can be handed over, or goes on in the
//! place of another one.

use std::sync::mpsc::SyncSender;
use std::time::Duration;

use tokio::sync::oneshot;

use super::node_parts::Parts;
use super::stream_positions::StreamPosition;
use crate::limits::HANDOVER_ACKNOWLEDGED;

/// What waits: one of each, as one hand-over is under way at most. An answer fails if nothing waits
/// any more.
#[derive(Debug, Default)]
pub(super) struct NodeWaits {
    /// Until all that the node knows of is on its way to the engine.
    pub(super) positions: Option<oneshot::Sender<Vec<StreamPosition>>>,
    /// Until nothing that was published waits long for its acknowledgement.
    pub(super) acknowledgements: Option<SyncSender<()>>,
    /// Until nodes agree about presence, and this one takes part.
    pub(super) presence: Option<SyncSender<()>>,
}

impl NodeWaits {
    /// Answers what is so now. `is_full`: the engine has no room for all that it is to get.
    pub(super) fn answer(&mut self, now: Duration, parts: &Parts, is_full: bool) {
        let partitions = parts.partitions.iter();
        if let Some(reply) = self.positions.take_if(|_| !is_full) {
            let _ = reply.send(partitions.clone().map(|one| one.view.position(now)).collect());
        }
        let is_late = |since: Duration| now.saturating_sub(since) > HANDOVER_ACKNOWLEDGED;
        let is_fluent = || !partitions.filter_map(|one| one.outbox.oldest()).any(is_late);
        if let Some(reply) = self.acknowledgements.take_if(|_| is_fluent()) {
            let _ = reply.send(());
        }
        if let Some(reply) = self.presence.take_if(|_| parts.presence.is_at_rest(now)) {
            let _ = reply.send(());
        }
    }
}
