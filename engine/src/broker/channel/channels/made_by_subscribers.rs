//! Channels that exist by a subscription alone, and go with the last one.

use super::{Channels, Role};
use crate::broker::channel::Queued;
use crate::broker::channel::replica::ReplicaState;
use crate::types::{ChannelIndex, ShardId};

impl Channels {
    /// Something was published to the channel: it is its subscribers' alone no more.
    pub(super) fn keep(&mut self, index: ChannelIndex) {
        let channel = &mut self.table[index];
        if channel.maker.is_some() {
            self.unpublished.give_back(channel);
        }
    }

    /// The channel may have lost its last subscriber.
    pub(super) fn note_left(&mut self, index: ChannelIndex) {
        self.unpublished.note_left(index, &mut self.table[index]);
    }

    /// Forgets the channels that had only their subscribers and have lost them. Calls `ask` for
    /// each that must notify its home first.
    pub(in crate::broker) fn forget_left(&mut self, mut ask: impl FnMut(ShardId, ChannelIndex)) {
        for index in self.unpublished.take_left() {
            if self.table.get(index).is_none() {
                continue;
            }
            let channel = &mut self.table[index];
            channel.left = false;
            if channel.maker.is_none() || !channel.is_unheard() {
                continue;
            }
            if channel.is_idle() {
                self.forget(index);
            } else if let Role::Replica(replica) = &mut channel.role
                && replica.state() == ReplicaState::Live
                && replica.begin_leave()
            {
                ask(replica.home, index);
            } else if self.table[index].queued != Queued::No {
                // An event of the server's own is not swept yet.
                self.note_left(index);
            }
        }
    }
}
