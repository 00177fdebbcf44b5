//! The lanes to the other shards, and which bells must be rung.

use std::sync::Arc;

use crate::broker::shard_messages::{Lanes, Notice, Request};
use crate::sync::{Doorbell, LaneReceiver, LaneSender};
use crate::types::ShardId;

/// The lanes between this shard and one other.
pub(crate) struct PeerLanes {
    /// The other shard's bell, rung after something was sent to it.
    pub bell: Arc<Doorbell>,
    pub requests_out: LaneSender<Request>,
    pub requests_in: LaneReceiver<Request>,
    pub notices_out: LaneSender<Notice>,
    pub notices_in: LaneReceiver<Notice>,
}

/// The other shards of the engine.
pub(crate) struct PeerShards {
    /// By shard; `None` at this shard's own index.
    peers: Vec<Option<PeerLanes>>,
    /// Bitmap of the shards that were sent something since the last [`PeerShards::ring`],
    sent: u64,
    /// and of those that were sent more after their bell was rung.
    more: u64,
}

impl PeerShards {
    pub(crate) fn new(peers: Vec<Option<PeerLanes>>) -> PeerShards {
        PeerShards { peers, sent: 0, more: 0 }
    }

    /// Shards of the engine, this one included.
    pub(super) fn len(&self) -> usize {
        self.peers.len()
    }

    /// The next request of one shard.
    pub(super) fn pop_request(&mut self, from: ShardId) -> Option<Request> {
        self.peers[from.index()].as_mut()?.requests_in.pop()
    }

    /// The next notice of one shard.
    pub(super) fn pop_notice(&mut self, from: ShardId) -> Option<Notice> {
        self.peers[from.index()].as_mut()?.notices_in.pop()
    }

    /// Rings the shards that found a lane to this one full, now that messages were taken from it.
    pub(super) fn ring_blocked_senders(&self) {
        for peer in self.peers.iter().flatten() {
            // Not `||`: both flags must be reset.
            if peer.requests_in.is_awaited() | peer.notices_in.is_awaited() {
                peer.bell.ring();
            }
        }
    }

    /// Whether no message waits.
    pub(super) fn is_empty(&self) -> bool {
        let mut peers = self.peers.iter().flatten();
        peers.all(|peer| peer.requests_in.is_empty() && peer.notices_in.is_empty())
    }

    /// Whether a lane that was full has room again.
    pub(super) fn have_room_again(&mut self) -> bool {
        let mut peers = self.peers.iter_mut().flatten();
        peers.any(|peer| peer.requests_out.has_room_again() || peer.notices_out.has_room_again())
    }

    /// Rings the shards that were sent more after their bell was rung, once each.
    pub(super) fn ring(&mut self) {
        self.sent = 0;
        let mut more = std::mem::take(&mut self.more);
        while more != 0 {
            self.peer(ShardId(more.trailing_zeros() as u8)).bell.ring();
            more &= more - 1;
        }
    }

    fn peer(&mut self, shard: ShardId) -> &mut PeerLanes {
        self.peers[shard.index()].as_mut().expect("no lane leads from a shard to itself")
    }

    /// Marks that a message was sent: the first one of an iteration rings at once, so that both
    /// shards deliver at the same time; [`PeerShards::ring`] rings for those behind it.
    fn mark_sent(&mut self, to: ShardId) {
        let bit = 1 << to.0;
        if self.sent & bit == 0 {
            self.sent |= bit;
            self.peer(to).bell.ring();
        } else {
            self.more |= bit;
        }
    }
}

impl Lanes for PeerShards {
    fn try_request(&mut self, to: ShardId, request: Request) -> Result<(), Request> {
        self.peer(to).requests_out.try_push(request)?;
        self.mark_sent(to);
        Ok(())
    }

    fn try_notice(&mut self, to: ShardId, notice: Notice) -> Result<(), Notice> {
        let bytes = notice.bytes();
        self.peer(to).notices_out.try_push_sized(notice, bytes)?;
        self.mark_sent(to);
        Ok(())
    }

    fn reply(&mut self, to: ShardId, notice: Notice) {
        self.peer(to).notices_out.push_reply(notice);
        self.mark_sent(to);
    }
}
