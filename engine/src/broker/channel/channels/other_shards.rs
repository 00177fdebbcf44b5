//! What a channel's home and the other shards exchange.

use super::{Channels, Exchange, Role};
use crate::broker::channel::replica::{Readiness, Replica, ReplicaState};
use crate::broker::channel::subscription_start::Start;
use crate::broker::channel::unpublished::Maker;
use crate::broker::context::Context;
use crate::broker::shard_messages::{JoinRequest, Joined, Lanes, Notice, Request, Wanted};
use crate::shared_frame::Frame;
use crate::types::{
    AddressGroup, ChannelIndex, ChannelName, ChannelRefusal, JoinToken, OperationId, Seq, ShardId,
};

impl Channels {
    /// Takes in a shard with subscribers, and answers it; later, where an external order must be
    /// asked first.
    pub(in crate::broker) fn handle_join(
        &mut self,
        cx: &mut Context,
        name: &ChannelName,
        join: JoinRequest,
        address: Option<AddressGroup>,
    ) -> Option<Notice> {
        let maker = address.map(|address| Maker { connection: None, address });
        match self.find_or_add(cx, name, maker) {
            Ok(index) if self.must_wait_to_join(index, join) => None,
            Ok(index) => Some(Exchange::add_shard(cx, &mut self.table[index], join)),
            Err(why) => Some(join.refused(why)),
        }
    }

    /// A join that has waited is refused. Returns the answer.
    pub(in crate::broker) fn refuse_join(
        &mut self,
        cx: &mut Context,
        index: ChannelIndex,
        join: JoinRequest,
    ) -> Notice {
        self.decline(cx, index, join.from);
        // The shard takes nothing any more of what the home sends it for an earlier join.
        Exchange::drop_shard(cx, &mut self.table[index], join.from, None);
        join.refused(ChannelRefusal::Unavailable)
    }

    /// A shard has no subscribers any more. Answered behind the frames that were sent to it.
    pub(in crate::broker) fn handle_leave(
        &mut self,
        cx: &mut Context,
        from: ShardId,
        name: &ChannelName,
        (channel, token): (ChannelIndex, JoinToken),
    ) -> Notice {
        if let Some(index) = self.table.find(name) {
            let channel = &mut self.table[index];
            channel.used_at = cx.time();
            Exchange::drop_shard(cx, channel, from, Some(token));
            self.note_left(index);
        }
        Notice::Left { channel }
    }

    /// The home has answered a leave.
    pub(in crate::broker) fn handle_left(&mut self, index: ChannelIndex) {
        if self.is_replica(index, |_| true) {
            self.table[index].replica_mut().left();
            self.note_left(index);
        }
    }

    /// Sends new frames to the shards with subscribers. Calls `full` for each with a full lane.
    pub(in crate::broker) fn fan_out(
        &mut self,
        lanes: &mut impl Lanes,
        full: impl FnMut(ShardId, ChannelIndex),
    ) {
        self.exchange.fan_out(&mut self.table, lanes, full);
    }

    /// Sends a shard the rest after its lane was full. Returns whether the lane took it.
    pub(in crate::broker) fn resume_fan_out(
        &mut self,
        to: ShardId,
        index: ChannelIndex,
        lanes: &mut impl Lanes,
    ) -> bool {
        self.table.get(index).is_none() || Exchange::resume(&mut self.table[index], to, lanes)
    }

    /// A frame of the home. Returns `false` if frames before it are missing: the channel must join
    /// anew.
    pub(in crate::broker) fn handle_frame(
        &mut self,
        cx: &mut Context,
        index: ChannelIndex,
        token: JoinToken,
        frame: Frame,
    ) -> bool {
        if self.table.get(index).is_none() {
            // This shard is through with it.
            frame.shard_done();
            return true;
        }
        self.keep(index);
        let (table, retention) = (&mut self.table, &mut self.retention);
        let whole = Exchange::take_frame(cx, table, retention, index, token, frame);
        self.mark_dirty(cx, index);
        whole
    }

    /// The home's log dropped everything up to `to` before it was sent.
    pub(in crate::broker) fn handle_gap(
        &mut self,
        cx: &mut Context,
        index: ChannelIndex,
        token: JoinToken,
        to: Seq,
    ) {
        if self.is_replica(index, |replica| replica.is_served(token)) {
            self.keep(index);
            Exchange::append_gap(cx, &mut self.table, &mut self.retention, index, to);
            self.mark_dirty(cx, index);
        }
    }

    /// The home serves this shard. Returns the operations that waited for it.
    pub(in crate::broker) fn handle_joined(
        &mut self,
        cx: &mut Context,
        index: ChannelIndex,
        token: JoinToken,
        joined: Joined,
    ) -> Vec<OperationId> {
        if !self.is_replica(index, |replica| replica.awaits(token)) {
            return Vec::new();
        }
        if joined.published {
            self.keep(index);
        }
        Exchange::join(cx, &mut self.table, &mut self.retention, index, joined);
        self.mark_dirty(cx, index);
        // Another epoch may have had it joined for no subscriber.
        self.note_left(index);
        self.table[index].replica_mut().take_waiting()
    }

    /// The home has no room for the channel. Returns the operations that waited for it.
    pub(in crate::broker) fn handle_join_refused(
        &mut self,
        index: ChannelIndex,
        token: JoinToken,
    ) -> Vec<OperationId> {
        if !self.is_replica(index, |replica| replica.awaits(token)) {
            return Vec::new();
        }
        self.table[index].replica_mut().refused();
        // Another epoch may have had it join for no subscriber.
        self.note_left(index);
        self.table[index].replica_mut().take_waiting()
    }

    /// Whether there is this channel, homed elsewhere, and `is_meant` is true of it.
    pub(super) fn is_replica(
        &self,
        index: ChannelIndex,
        is_meant: impl Fn(&Replica) -> bool,
    ) -> bool {
        let role = self.table.get(index).map(|channel| &channel.role);
        matches!(role, Some(Role::Replica(replica)) if is_meant(replica))
    }

    /// What a subscriber that begins there needs of the channel's home.
    pub(in crate::broker) fn prepare(&mut self, index: ChannelIndex, start: Start) -> Readiness {
        let channel = &mut self.table[index];
        match &mut channel.role {
            Role::Home(_) => self.prepare_home(index, start),
            Role::Replica(replica) => {
                replica.prepare(&channel.log, channel.live.delivered(), start)
            }
        }
    }

    /// The oldest position that the channel's log has, as far as its home has told; the one to come
    /// if it has none.
    pub(in crate::broker) fn oldest(&self, index: ChannelIndex) -> Seq {
        let channel = &self.table[index];
        let first = channel.log.first();
        match &channel.role {
            Role::Home(_) => first,
            Role::Replica(_) if channel.log.is_sparse() => first,
            Role::Replica(replica) => first.min(replica.floor()),
        }
    }

    /// An operation waits for the answer to a join.
    pub(in crate::broker) fn wait(&mut self, index: ChannelIndex, operation: OperationId) {
        let channel = &mut self.table[index];
        match &mut channel.upstream {
            Some(upstream) => upstream.wait(operation),
            None => channel.replica_mut().wait(operation),
        }
    }

    /// Begins a join. Returns the home if it is to be listed for a request.
    pub(in crate::broker) fn begin_join(
        &mut self,
        index: ChannelIndex,
        token: JoinToken,
    ) -> Option<ShardId> {
        let channel = &mut self.table[index];
        if channel.upstream.is_some() {
            self.upstream.ask(index);
            return None;
        }
        let head = channel.log.head();
        let replica = channel.replica_mut();
        replica.begin_join(token, head).then_some(replica.home)
    }

    /// The request that the channel's home must be sent, if it still must.
    pub(in crate::broker) fn home_request(&self, index: ChannelIndex) -> Option<Request> {
        let channel = &self.table[index];
        let Role::Replica(replica) = &channel.role else { return None };
        let name = channel.name.clone();
        let live = (!channel.live.is_empty()).then_some(channel.log.head());
        let (token, since, last, latest) = replica.join(live);
        let address = replica.address;
        match replica.state() {
            ReplicaState::Absent | ReplicaState::Live => None,
            ReplicaState::Leaving => {
                let head = channel.log.head();
                Some(Request::Leave { name, channel: index, token, head })
            }
            ReplicaState::Joining => {
                let (is_fresh, followers) = (!replica.resumes(), channel.followers_to_tell());
                let channel = index;
                let wanted = Wanted { since, last, latest, is_fresh, followers };
                Some(Request::Join { name, channel, token, wanted, address })
            }
        }
    }

    /// The home was sent its request, or needs none.
    pub(in crate::broker) fn home_request_sent(&mut self, index: ChannelIndex) {
        let channel = &mut self.table[index];
        let followers = channel.followers_to_tell();
        channel.replica_mut().sent(followers);
    }
}
