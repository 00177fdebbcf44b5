//! Channels with an external order that begins anew: positions that were given are over.

use super::{Channels, Exchange, Role};
use crate::broker::channel::replica::ReplicaState;
use crate::broker::context::Context;
use crate::types::{ChannelIndex, Encoding, Epoch, JoinToken, Seq};

impl Channels {
    /// The channel in a slot, if its messages get their order outside.
    pub(in crate::broker) fn ordered_outside(&self, slot: u32) -> Option<ChannelIndex> {
        let (index, channel) = self.table.at(slot)?;
        channel.log.is_sparse().then_some(index)
    }

    /// The connections that are members of a channel.
    pub(in crate::broker) fn members(&self, index: ChannelIndex) -> Vec<u32> {
        let live = &self.table[index].live;
        Encoding::ALL.into_iter().flat_map(|encoding| live.members(encoding)).copied().collect()
    }

    /// Begins the log of a channel without members anew, in the present epoch. Returns whether its
    /// home must be asked to serve this shard again.
    pub(in crate::broker) fn begin_epoch(&mut self, cx: &mut Context, index: ChannelIndex) -> bool {
        let channel = &mut self.table[index];
        if let Role::Home(home) = &channel.role {
            // They join anew by themselves.
            let shards: Vec<_> = home.interests().iter().map(|interest| interest.shard).collect();
            for shard in shards {
                Exchange::drop_shard(cx, channel, shard, None);
            }
        }
        channel.acknowledged = Seq(0);
        // Shards with patterns are told again.
        channel.matched = 0;
        self.statuses.forget_event(channel);
        let begin = (cx.epoch, Seq(0));
        Exchange::begin_at(cx, &mut self.table, &mut self.retention, index, begin);
        self.note_left(index);
        let channel = &mut self.table[index];
        if let Some(upstream) = &mut channel.upstream {
            if upstream.begin_epoch() {
                self.upstream.ask(index);
            }
            return false;
        }
        let Role::Replica(replica) = &mut channel.role else { return false };
        replica.begin_epoch();
        replica.state() != ReplicaState::Absent
    }

    /// Whether a home's answer to the current join is of another epoch than this shard's: one of
    /// the two has yet to be told of the later one.
    pub(in crate::broker) fn is_out_of_epoch(
        &self,
        cx: &Context,
        index: ChannelIndex,
        (token, epoch): (JoinToken, Epoch),
    ) -> bool {
        epoch != cx.epoch
            && self.table.get(index).is_some_and(|channel| channel.log.is_sparse())
            && self.is_replica(index, |replica| replica.awaits(token))
    }
}
