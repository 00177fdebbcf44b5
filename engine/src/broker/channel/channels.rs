//! The channels of a shard, as the rest of the broker works with them.

mod by_pattern;
#[cfg(test)]
mod channels_invariants;
mod context_choice;
mod epochs;
mod handover;
mod history;
mod listing;
mod made_by_subscribers;
mod ordered_outside;
mod other_shards;
mod own_events;
mod reclassify;
mod states;
mod statuses;
mod subscribing;
mod sweeps;
mod update_sources;

use std::rc::Rc;

use super::contexts::Contexts;
use super::exchange::Exchange;
use super::forgotten::Forgotten;
use super::home::Home;
use super::memberships::Memberships;
use super::replica::{Replica, ReplicaState};
use super::retention::Retention;
use super::state_store::StateStore;
use super::status_store::StatusStore;
use super::sweep_queue::SweepQueue;
use super::unpublished::{Maker, Unpublished};
use super::upstream::Upstream;
use super::{Channel, Log, Overrun, Role, Table};
use crate::broker::context::Context;
use crate::config::ChannelClass;
use crate::limits::{CHANNEL_UNSWEPT_BYTES, INTEREST_LINGER};
use crate::shared_frame::Frame;
use crate::telemetry::{ClassId, Count};
use crate::types::{
    ChannelIndex, ChannelName, ChannelRefusal, Publication, PublishError, Seq, ShardId,
};

pub(crate) use super::replica::Readiness;
pub(super) use context_choice::Traffic;
pub(in crate::broker) use handover::TAKEN_OVER;
pub use listing::{ChannelEntry, ChannelState};
pub(crate) use ordered_outside::UpstreamAnswer;
use ordered_outside::UpstreamQuestions;

/// All channels of a shard, and what its connections are subscribed to.
#[derive(Debug)]
pub(crate) struct Channels {
    table: Table,
    memberships: Memberships,
    retention: Retention,
    statuses: StatusStore,
    states: StateStore,
    queue: SweepQueue,
    exchange: Exchange,
    forgotten: Forgotten,
    unpublished: Unpublished,
    contexts: Contexts,
    upstream: UpstreamQuestions,
}

/// What a channel's home is to be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// To serve this shard no longer.
    Leave(ShardId, ChannelIndex),
    /// To serve it anew: it must be told something.
    Join(ChannelIndex),
    /// Nothing more: the external order has not answered, and the wait for it ends.
    GiveUp(ChannelIndex),
}

/// Positions that a sweep hands to the live set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sweep {
    pub(crate) from: Seq,
    pub(crate) to: Seq,
}

impl Channels {
    /// No channels yet, for a shard with room for so many connections of so many services.
    pub(crate) fn new(connections: usize, services: usize) -> Channels {
        Channels {
            table: Table::default(),
            memberships: Memberships::new(connections, services),
            retention: Retention::default(),
            statuses: StatusStore::new(services),
            states: StateStore::new(services),
            queue: SweepQueue::default(),
            exchange: Exchange::default(),
            forgotten: Forgotten::default(),
            unpublished: Unpublished::new(services),
            contexts: Contexts::default(),
            upstream: UpstreamQuestions::default(),
        }
    }

    pub(crate) fn find(&self, name: &ChannelName) -> Option<ChannelIndex> {
        self.table.find(name)
    }

    /// Finds or makes a channel: for a subscriber, its `maker`, or for what is published there.
    ///
    /// # Errors
    /// The limit that it would pass.
    pub(crate) fn find_or_add(
        &mut self,
        cx: &mut Context,
        name: &ChannelName,
        maker: Option<Maker>,
    ) -> Result<ChannelIndex, ChannelRefusal> {
        if let Some(index) = self.table.find(name) {
            self.table[index].used_at = cx.time();
            if maker.is_none() {
                self.keep(index);
            }
            return Ok(index);
        }
        let added = self.add(cx, name, maker);
        cx.recorder.count(Count::ChannelRefusals, u64::from(added.is_err()));
        added
    }

    fn add(
        &mut self,
        cx: &Context,
        name: &ChannelName,
        maker: Option<Maker>,
    ) -> Result<ChannelIndex, ChannelRefusal> {
        if self.table.len() >= cx.config.max_channels {
            return Err(ChannelRefusal::Table);
        }
        let (home, is_ordered_outside) = (cx.homes.of(name), cx.is_ordered_outside(name));
        let (is_periodic, answers_requests) = uses_of(cx, name);
        // Of the session protocol's own channels there are few, and a channel with a remembered
        // position was published to.
        let counted = maker.filter(|_| !is_periodic && !self.forgotten.remembers(name));
        if let Some(maker) = counted {
            self.unpublished.take(cx.config.max_channels, name.service(), maker)?;
        }
        let (head, role) = match home == cx.shard {
            true if is_ordered_outside => (Seq(0), Role::Home(Home::default())),
            true => (self.forgotten.recall(name), Role::Home(Home::default())),
            false => {
                let address = maker.map(|maker| maker.address);
                (Seq(0), Role::Replica(Replica::new(home, address)))
            }
        };
        let class = Rc::clone(cx.class_of(name));
        let mut channel = Channel::new(name.clone(), class, (cx.epoch, head), cx.time());
        channel.role = role;
        channel.maker = counted;
        (channel.is_periodic, channel.answers_requests) = (is_periodic, answers_requests);
        channel.log = channel.log.sparse(is_ordered_outside);
        if home == cx.shard && cx.is_outside(name) {
            channel.tie_to_order(Upstream::default());
        }
        Ok(self.table.add(channel))
    }

    pub(crate) fn name(&self, index: ChannelIndex) -> &ChannelName {
        &self.table[index].name
    }

    /// The name of a channel that may be forgotten by now.
    pub(crate) fn name_at(&self, slot: u32) -> Option<ChannelName> {
        Some(self.table.at(slot)?.1.name.clone())
    }

    /// What is promised for a channel.
    pub(crate) fn class(&self, index: ChannelIndex) -> &ChannelClass {
        &self.table[index].class
    }

    /// A channel's class in metrics.
    pub(crate) fn metric_class(&self, index: ChannelIndex) -> ClassId {
        self.table[index].metric_class
    }

    pub(crate) fn log(&self, index: ChannelIndex) -> &Log {
        &self.table[index].log
    }

    /// Position of the newest message of a channel that may be unknown here.
    pub(crate) fn head(&self, name: &ChannelName) -> Seq {
        self.table.find(name).map_or(Seq(0), |index| self.table[index].log.head())
    }

    /// Why the log dropped its last frame.
    pub(crate) fn overrun(&self, index: ChannelIndex) -> Option<Overrun> {
        self.table[index].overrun
    }

    /// Known channels.
    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    /// Length of the table of channels, free places included.
    pub(crate) fn slots(&self) -> u32 {
        self.table.slots()
    }

    /// Compressors of channels homed here.
    pub(crate) fn compressors(&self) -> usize {
        self.contexts.live()
    }

    /// Bytes of all logs.
    pub(crate) fn log_bytes(&self) -> usize {
        self.retention.bytes()
    }

    // Publications.

    fn find_or_publish(
        &mut self,
        cx: &mut Context,
        name: &ChannelName,
    ) -> Result<ChannelIndex, PublishError> {
        self.find_or_add(cx, name, None).map_err(|_| PublishError::ChannelLimit)
    }

    /// Whether publications, requests and notices may be handed in now.
    pub(crate) fn has_capacity(&self, cx: &Context) -> bool {
        self.retention.unswept() < cx.limits.shard_unswept
    }

    /// Whether a channel's subscribers, or all of the shard's together, are too far behind for
    /// another publication, so that the logs stay bounded (invariant 3).
    fn is_saturated(&self, cx: &Context, channel: &Channel) -> bool {
        let (frames, bytes) = channel.log.unread(channel.needed_from());
        !self.has_capacity(cx)
            || frames as u64 >= cx.limits.channel_frames
            || bytes >= CHANNEL_UNSWEPT_BYTES
    }

    /// The channel of a publication that is homed here.
    ///
    /// # Errors
    /// [`PublishError`] when the channel's log takes no more now, or the shard no more channels.
    pub(crate) fn accept(
        &mut self,
        cx: &mut Context,
        publication: &Publication,
    ) -> Result<ChannelIndex, PublishError> {
        let index = self.find_or_publish(cx, &publication.channel)?;
        if self.is_saturated(cx, &self.table[index]) {
            return Err(PublishError::Saturated);
        }
        Ok(index)
    }

    /// Sequences, encodes and logs a publication that was accepted.
    pub(crate) fn publish(
        &mut self,
        cx: &mut Context,
        index: ChannelIndex,
        publication: &Publication,
    ) -> Seq {
        let channel = &mut self.table[index];
        let seq = channel.log.head().next();
        let stamp = cx.stamp();
        let bytes = cx.encoder.broadcast(stamp, publication, seq, None);
        if channel.is_periodic {
            self.statuses.remember(channel, &Rc::new(Frame::new(bytes, seq, cx.time(), 0)));
            return seq;
        }
        let class = channel.classify(&mut cx.recorder);
        cx.recorder.published_to(class, index.slot());
        let key = publication.key.clone();
        let frame = Rc::new(self.contexts.frame(cx, channel, (bytes, key), seq));
        self.statuses.remember(channel, &frame);
        self.broadcast(cx, index, frame);
        seq
    }

    /// Publishes what `write` makes of a periodic channel's newest publication, if a shard has
    /// subscribers.
    pub(crate) fn publish_update(
        &mut self,
        cx: &mut Context,
        index: ChannelIndex,
        write: impl FnOnce(Option<&str>) -> Vec<u8>,
    ) {
        if !self.is_heard(index) || !self.takes_events(cx, index) {
            return;
        }
        let bytes = write(self.table[index].last.as_deref().map(Frame::text));
        self.broadcast_event(cx, index, bytes.into_boxed_slice());
    }

    fn broadcast(&mut self, cx: &mut Context, index: ChannelIndex, frame: Rc<Frame>) {
        let class = self.table[index].classify(&mut cx.recorder);
        cx.recorder.broadcast_accepted(class);
        self.retention.append(cx, &mut self.table, index, frame, true);
        self.exchange.mark_unsent(&mut self.table[index], index);
        self.mark_dirty(cx, index);
    }

    /// The channel is of no use now.
    fn forget(&mut self, index: ChannelIndex) {
        let Some(mut channel) = self.table.remove(index) else { return };
        self.retention.release(&self.table, &channel.log);
        self.statuses.release(&channel);
        self.states.set(&mut channel, None);
        self.contexts.drop_compressor(&mut channel);
        let was_published = channel.maker.is_none();
        self.unpublished.give_back(&mut channel);
        self.unfollow(&channel);
        match channel.role {
            Role::Home(_) if channel.upstream.is_some() => {}
            Role::Home(_) if was_published => {
                self.forgotten.remember(channel.name, channel.log.head());
            }
            Role::Home(_) => self.forgotten.pass(channel.log.head()),
            Role::Replica(_) => {}
        }
    }

    // Time.

    /// Ages a channel's log and forgets the channel when idle. Returns what its home is to be
    /// asked.
    pub(crate) fn tend(&mut self, cx: &mut Context, slot: u32) -> Option<Call> {
        let (index, _) = self.table.at(slot)?;
        self.retention.trim(cx, &mut self.table, index);
        let count = self.table.len();
        let channel = &mut self.table[index];
        channel.traffic.fade();
        self.contexts.tend(cx, channel);
        let unused = cx.time().since(channel.used_at);
        let crowded = count > cx.config.max_channels / 2;
        if unused >= cx.limits.channel_idle
            && channel.is_idle()
            && (crowded || !channel.holds_promised())
            && !self.statuses.keeps(channel, count, cx.time())
        {
            self.forget(index);
            return None;
        }
        if channel.tie().is_some() {
            return self.tend_upstream(cx, index, unused);
        }
        let (unheard, followers) = (channel.is_unheard(), channel.followers_to_tell());
        let is_stranded = !channel.live.is_empty();
        match &mut channel.role {
            Role::Replica(replica) if replica.must_tell(followers) => Some(Call::Join(index)),
            // Its home has refused to serve it again.
            Role::Replica(replica) if replica.state() == ReplicaState::Absent && is_stranded => {
                Some(Call::Join(index))
            }
            Role::Replica(replica)
                if replica.state() == ReplicaState::Live
                    && unheard
                    && unused >= INTEREST_LINGER =>
            {
                replica.begin_leave().then_some(Call::Leave(replica.home, index))
            }
            _ => None,
        }
    }
}

/// Whether a channel's publications are kept for periodic updates, and whether clients may ask for
/// its last event.
fn uses_of(cx: &Context, name: &ChannelName) -> (bool, bool) {
    let service = cx.service(name.service());
    let is_periodic = cx.is_periodic(name);
    let is_asked = || service.requests.iter().any(|request| request.is_about(name.as_str()));
    (is_periodic, is_periodic || is_asked())
}
