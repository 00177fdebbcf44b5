//! The lanes to the other shards, and whose bell is owed a ring.

use crate::broker::effect::{Lanes, Notice, Request};
use crate::shard::Peer;
use crate::types::ShardId;

/// The other shards of the engine.
pub(super) struct Neighbours {
    /// By shard; `None` at our own place.
    peers: Vec<Option<Peer>>,
    /// Bitmap of the shards that were sent something since the last [`Neighbours::ring`].
    sent: u64,
}

impl Neighbours {
    pub(super) fn new(peers: Vec<Option<Peer>>) -> Neighbours {
        Neighbours { peers, sent: 0 }
    }

    /// Shards of the engine, ourselves included.
    pub(super) fn len(&self) -> usize {
        self.peers.len()
    }

    /// The next request of one shard.
    pub(super) fn pop_request(&self, from: ShardId) -> Option<Request> {
        self.peers[from.index()].as_ref()?.requests_in.pop()
    }

    /// The next notice of one shard.
    pub(super) fn pop_notice(&self, from: ShardId) -> Option<Notice> {
        self.peers[from.index()].as_ref()?.notices_in.pop()
    }

    /// Whether nothing is waiting for us.
    pub(super) fn is_quiet(&self) -> bool {
        let mut peers = self.peers.iter().flatten();
        peers.all(|peer| peer.requests_in.is_empty() && peer.notices_in.is_empty())
    }

    /// Wakes whom we have sent something, once each.
    pub(super) fn ring(&mut self) {
        let mut sent = std::mem::take(&mut self.sent);
        while sent != 0 {
            self.peer(ShardId(sent.trailing_zeros() as u8)).bell.ring();
            sent &= sent - 1;
        }
    }

    fn peer(&self, shard: ShardId) -> &Peer {
        self.peers[shard.index()].as_ref().expect("no lane leads to ourselves")
    }

    /// Something was sent: the first time in a turn its owner is woken at once, to deliver while
    /// we do; [`Neighbours::ring`] wakes it for what came behind.
    fn note(&mut self, to: ShardId) {
        let before = self.sent;
        self.sent |= 1 << to.0;
        if self.sent != before {
            self.peer(to).bell.ring();
        }
    }
}

impl Lanes for Neighbours {
    fn try_request(&mut self, to: ShardId, request: Request) -> Result<(), Request> {
        self.peer(to).requests_out.try_push(request)?;
        self.note(to);
        Ok(())
    }

    fn try_notice(&mut self, to: ShardId, notice: Notice) -> Result<(), Notice> {
        self.peer(to).notices_out.try_push(notice)?;
        self.note(to);
        Ok(())
    }

    fn reply(&mut self, to: ShardId, notice: Notice) {
        self.peer(to).notices_out.push_reply(notice);
        self.note(to);
    }
}
