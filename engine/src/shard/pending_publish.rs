//! The publications of one command, which may take several iterations.

use std::collections::HashSet;

use crate::types::{ChannelName, Publication, PublishError, Seq};

/// The result of each publication, in their order.
type Results = Vec<Result<Seq, PublishError>>;

/// A publish command that is being carried out. Iterations may lie between its publications.
pub(super) struct PendingPublish {
    rest: std::vec::IntoIter<Publication>,
    results: Results,
    /// Channels that refused an earlier publication: accepting a later one would change the order.
    full: HashSet<ChannelName>,
    reply: oneshot::Sender<Results>,
}

impl PendingPublish {
    pub(super) fn new(items: Vec<Publication>, reply: oneshot::Sender<Results>) -> PendingPublish {
        let results = Vec::with_capacity(items.len());
        PendingPublish { rest: items.into_iter(), results, full: HashSet::new(), reply }
    }

    /// As how many messages the next one counts in its iteration.
    pub(super) fn next_cost(&self) -> usize {
        self.rest.as_slice().first().map_or(1, Publication::cost)
    }

    /// Publishes the next one, and answers after the last. Returns itself if there are more.
    pub(super) fn publish_next(
        mut self,
        publish: impl FnOnce(&Publication) -> Result<Seq, PublishError>,
    ) -> Option<PendingPublish> {
        if let Some(item) = self.rest.next() {
            let result = match self.full.contains(&item.channel) {
                true => Err(PublishError::Saturated),
                false => publish(&item),
            };
            if matches!(result, Err(PublishError::Saturated)) {
                self.full.insert(item.channel);
            }
            self.results.push(result);
        }
        if self.rest.len() > 0 {
            return Some(self);
        }
        // Fails if the receiver has stopped waiting.
        let _ = self.reply.send(self.results);
        None
    }
}

#[cfg(test)]
mod tests;
