//! The lanes to the other shards, and whose bell is owed a ring.

use crate::broker::effect::{Lanes, Notice, Request};
use crate::shard::Peer;
use crate::types::ShardId;

/// The other shards of the engine.
pub(super) struct Neighbours {
    /// By shard; `None` at our own place.
    peers: Vec<Option<Peer>>,
    /// Bitmap of the shards that were sent something since the last [`Neighbours::ring`],
    sent: u64,
    /// and of those that were sent more after they were woken.
    more: u64,
}

impl Neighbours {
    pub(super) fn new(peers: Vec<Option<Peer>>) -> Neighbours {
        Neighbours { peers, sent: 0, more: 0 }
    }

    /// Shards of the engine, ourselves included.
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

    /// Wakes those who found a lane to us full and do not know that something was taken since.
    pub(super) fn tell_of_room(&self) {
        for peer in self.peers.iter().flatten() {
            // Both are asked: neither answer may stay behind.
            if peer.requests_in.is_awaited() | peer.notices_in.is_awaited() {
                peer.bell.ring();
            }
        }
    }

    /// Whether nothing is waiting for us.
    pub(super) fn is_quiet(&self) -> bool {
        let mut peers = self.peers.iter().flatten();
        peers.all(|peer| peer.requests_in.is_empty() && peer.notices_in.is_empty())
    }

    /// Whether a lane that was full has room again for what we have to send.
    pub(super) fn have_room_again(&mut self) -> bool {
        let mut peers = self.peers.iter_mut().flatten();
        peers.any(|peer| peer.requests_out.has_room_again() || peer.notices_out.has_room_again())
    }

    /// Wakes whom we have sent something since we woke them, once each.
    pub(super) fn ring(&mut self) {
        self.sent = 0;
        let mut more = std::mem::take(&mut self.more);
        while more != 0 {
            self.peer(ShardId(more.trailing_zeros() as u8)).bell.ring();
            more &= more - 1;
        }
    }

    fn peer(&mut self, shard: ShardId) -> &mut Peer {
        self.peers[shard.index()].as_mut().expect("no lane leads to ourselves")
    }

    /// Something was sent: the first time in a turn its owner is woken at once, to deliver while
    /// we do; [`Neighbours::ring`] wakes it for what came behind.
    fn note(&mut self, to: ShardId) {
        let bit = 1 << to.0;
        if self.sent & bit == 0 {
            self.sent |= bit;
            self.peer(to).bell.ring();
        } else {
            self.more |= bit;
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
