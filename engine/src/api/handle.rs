//! The shards' mailboxes, for threads outside the shards.

use std::sync::Arc;
use std::time::Instant;

use crate::broker::upstream_messages::UpstreamNotice;
use crate::config::ExternalOrder;
use crate::limits::DRAIN_GRACE;
use crate::shard::{Command, Question};
use crate::sync::{Mailbox, OrderState, Stage};
use crate::types::{DrainReport, Homes, PublishError};

/// What the engine and all its publishers share.
#[derive(Debug)]
pub(super) struct Handle {
    pub stage: Stage,
    /// By shard.
    pub mailboxes: Vec<Mailbox<Command>>,
    pub order: OrderState,
    pub homes: Homes,
    /// The external order that numbers messages, where the shards do not.
    pub external: Option<Arc<dyn ExternalOrder>>,
    /// By shard, what that tells; none without it.
    pub feeds: Vec<Arc<Mailbox<UpstreamNotice>>>,
}

impl Handle {
    /// Sends a shard a command that holds so many bytes. The receiver gets its answer, or an error
    /// once the shard has ended.
    ///
    /// # Errors
    /// [`PublishError::Saturated`] when the shard's mailbox has no room for the command.
    pub(super) fn request<T>(
        &self,
        shard: usize,
        bytes: usize,
        command: impl FnOnce(oneshot::Sender<T>) -> Command,
    ) -> Result<oneshot::AsyncReceiver<T>, PublishError> {
        let (reply, answer) = oneshot::async_channel();
        let sent = self.mailboxes[shard].send_control(command(reply), bytes);
        sent.map_err(|_| PublishError::Saturated).map(|()| answer)
    }

    /// Asks a shard something, likewise.
    ///
    /// # Errors
    /// [`PublishError::Saturated`], as for [`Handle::request`].
    pub(super) fn ask<T>(
        &self,
        shard: usize,
        question: impl FnOnce(oneshot::Sender<T>) -> Question,
    ) -> Result<oneshot::AsyncReceiver<T>, PublishError> {
        self.request(shard, 0, |reply| Command::Ask(question(reply)))
    }

    /// Sends every shard the drain command and waits for the reports. One per shard; `None` from a
    /// shard that missed the deadline.
    pub(super) fn drain(&self, deadline: Instant) -> Vec<Option<DrainReport>> {
        self.stage.drain();
        let send = |mailbox: &Mailbox<Command>| {
            let (reply, report) = oneshot::channel();
            mailbox.send_owed(Command::Drain { deadline, reply });
            report
        };
        let reports: Vec<_> = self.mailboxes.iter().map(send).collect();
        let wait = |report: oneshot::Receiver<DrainReport>| {
            match report.recv_deadline(deadline + DRAIN_GRACE) {
                Ok(report) => Some(report),
                // It ended before the command: it never served.
                Err(oneshot::RecvTimeoutError::Disconnected) => Some(DrainReport::default()),
                Err(oneshot::RecvTimeoutError::Timeout) => None,
            }
        };
        reports.into_iter().map(wait).collect()
    }
}
