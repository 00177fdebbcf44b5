//! What an external order tells the engine.

use std::sync::Arc;

use super::handle::Handle;
use crate::broker::upstream_messages::UpstreamNotice;
use crate::sync::{Cost, Mailbox};
use crate::types::{Epoch, FeedItem};

/// The way by which an [`ExternalOrder`](crate::ExternalOrder) gives a running engine what it has
/// ordered. Cheap to clone. What concerns one channel, answers to its requests included, is to come
/// from one thread, or one after the other.
#[derive(Clone, Debug)]
pub struct ExternalFeed {
    handle: Arc<Handle>,
}

impl ExternalFeed {
    pub(super) fn new(handle: Arc<Handle>) -> ExternalFeed {
        ExternalFeed { handle }
    }

    /// Delivers what there is of channels that are followed, in the order of each channel; that of
    /// others is dropped, and so is what was delivered before. Returns what there is no room for:
    /// it is to be delivered again, before anything later of its channels.
    #[must_use = "those are not delivered"]
    pub fn deliver(&self, items: Vec<FeedItem>) -> Vec<FeedItem> {
        let mut full = 0_u64;
        let mut refused = Vec::new();
        for item in items {
            let home = self.handle.homes.of(item.channel()).index();
            let cost = Cost { entries: 1, bytes: item.bytes() };
            let is_full = full >> home & 1 == 1;
            let feed = self.handle.feeds.get(home).filter(|_| !is_full);
            match feed.and_then(|feed| feed.try_reserve(cost)) {
                Some(permit) => permit.send(item.into()),
                None => {
                    // What follows for this shard must not pass it by.
                    full |= 1 << home;
                    refused.push(item);
                }
            }
        }
        refused
    }

    /// All channels begin anew: positions of the epoch before are over, and no channel is followed
    /// until it is asked for again. Subscribers are told, and go on at the beginning.
    pub fn begin_epoch(&self, epoch: Epoch) {
        self.handle.order.set_epoch(epoch);
        self.tell(|| UpstreamNotice::Epoch(epoch));
    }

    /// Nothing can be ordered from now on: publications are refused, and clients are told. `why` is
    /// a word for programs, such as `no_quorum`.
    pub fn degrade(&self, why: &'static str) {
        self.handle.order.set_degraded(true);
        self.tell(|| UpstreamNotice::Degraded(Some(why)));
    }

    /// Publications can be ordered again.
    pub fn restore(&self) {
        self.handle.order.set_degraded(false);
        self.tell(|| UpstreamNotice::Degraded(None));
    }

    /// Tells all shards, behind what was delivered before. Such notices are few, and find room.
    fn tell(&self, notice: impl Fn() -> UpstreamNotice) {
        let tell = |feed: &Arc<Mailbox<UpstreamNotice>>| feed.send_owed(notice());
        self.handle.feeds.iter().for_each(tell);
    }
}

#[cfg(test)]
mod tests;
