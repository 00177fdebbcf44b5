//! Channels that go over to another process, and those that come from one.

use std::net::IpAddr;
use std::rc::Rc;

use super::{Channel, Channels, Home, Log, Maker, Replica, Role, uses_of};
use crate::broker::channel::upstream::Upstream;
use crate::broker::context::Context;
use crate::broker::shard_messages::Kept;
use crate::handover::{
    self, HandoverError, History, Part, PlacedChannel, PlacedRole, Sent, ShardState,
};
use crate::shared_frame::Frame;
use crate::types::{AddressGroup, ChannelIndex, ChannelName, ConnectionKey, JoinToken, Seq};

/// The join by which a replica is served that another process has handed over.
pub(in crate::broker) const TAKEN_OVER: JoinToken = JoinToken(1);

impl Channels {
    /// Whether everything that was published is swept, and on its way to other shards.
    pub(in crate::broker) fn is_swept(&self) -> bool {
        self.queue.ready() == 0 && self.next_due().is_none() && self.exchange.is_idle()
    }

    /// Whether no other shard waits for what the external order is asked.
    pub(in crate::broker) fn is_settled(&self) -> bool {
        let mut all = (0..self.table.slots()).filter_map(|slot| self.table.at(slot));
        !all.any(|(_, channel)| channel.upstream.as_ref().is_some_and(|one| one.has_joins()))
    }

    /// The next messages of logs that have not gone over, of about so many bytes; `None` after the
    /// last channel.
    pub(in crate::broker) fn export_history(
        &self,
        sent: &mut Sent,
        bytes: usize,
    ) -> Option<History> {
        if sent.next_slot >= self.table.slots() {
            return None;
        }
        let (mut history, mut left) = (History::default(), bytes);
        while left > 0 && sent.next_slot < self.table.slots() {
            let homed = self.homed_at(sent.next_slot);
            sent.next_slot += 1;
            let Some((index, channel)) = homed else { continue };
            let after = sent.head(&channel.name);
            let mut frames = Vec::new();
            for frame in channel.log.from(after.next()) {
                if left == 0 {
                    // It goes on here.
                    sent.next_slot -= 1;
                    break;
                }
                left = left.saturating_sub(frame.bytes().len());
                sent.note(&channel.name, (index, channel.log.edition()), frame.seq);
                frames.push(frame.for_another());
            }
            if !frames.is_empty() {
                history.logs.push((channel.name.clone(), frames));
            }
        }
        Some(history)
    }

    /// The channel in a slot, if it is homed here. The engine's own is made anew with its probe.
    fn homed_at(&self, slot: u32) -> Option<(ChannelIndex, &Channel)> {
        let (index, channel) = self.table.at(slot)?;
        let is_homed = matches!(channel.role, Role::Home(_)) && !channel.name.is_probe();
        is_homed.then_some((index, channel))
    }

    /// Adds the channels that are homed here, and the positions of forgotten ones. Of logs it adds
    /// what was not sent.
    pub(in crate::broker) fn export(&self, state: &mut ShardState, sent: &Sent) {
        let homed = (0..self.table.slots()).filter_map(|slot| self.homed_at(slot));
        let export = |(index, channel): (ChannelIndex, &Channel)| {
            channel.export(sent.head_of(&channel.name, (index, channel.log.edition())))
        };
        state.channels = homed.map(export).collect();
        (state.forgotten, state.floor) = self.forgotten.export();
        let all = (0..self.table.slots()).filter_map(|slot| self.table.at(slot));
        let ahead = all.filter(|(_, channel)| channel.acknowledged > channel.log.head());
        let ahead = ahead.map(|(_, channel)| (channel.name.clone(), channel.acknowledged));
        state.acknowledged = ahead.collect();
    }

    /// How far the channels are that have live subscribers here, and are homed on other shards. The
    /// engine's own is none of them.
    pub(in crate::broker) fn export_heads(&self) -> Vec<(ChannelName, Seq)> {
        let all = (0..self.table.slots()).filter_map(|slot| self.table.at(slot));
        let is_replica = |channel: &&Channel| matches!(channel.role, Role::Replica(_));
        let others = all.map(|(_, channel)| channel).filter(is_replica);
        let others = others.filter(|channel| !channel.live.is_empty() && !channel.name.is_probe());
        others.map(|channel| (channel.name.clone(), channel.log.head())).collect()
    }

    /// Takes over channels, each into the slot of its place. There are none yet, and no
    /// subscribers.
    ///
    /// # Errors
    /// [`HandoverError`] where the table is not empty.
    pub(in crate::broker) fn import(
        &mut self,
        cx: &mut Context,
        part: &mut Part,
        maker: impl Fn(u32) -> Option<ConnectionKey>,
    ) -> Result<(), HandoverError> {
        for (slot, placed) in part.channels.drain(..).enumerate() {
            let index = self.import_one(cx, placed, &maker);
            if index != ChannelIndex::new(slot as u32, 0) {
                return Err(HandoverError::Malformed("a shard that has channels already"));
            }
        }
        self.retention.list_arrivals(cx, &mut self.table);
        self.retention.reserve(cx, &mut self.table, self.states.bytes());
        for (name, head) in part.forgotten.drain(..) {
            if self.table.find(&name).is_none() {
                self.forgotten.remember(name, head);
            }
        }
        self.forgotten.pass(part.floor);
        Ok(())
    }

    /// Asks the external order for what comes behind the logs that were taken over, now that
    /// subscribers are there. Clients were told of these positions before the messages had come.
    pub(in crate::broker) fn follow_on(&mut self, acknowledged: &[(ChannelName, Seq)]) {
        acknowledged.iter().for_each(|(name, seq)| self.acknowledge(name, *seq));
        for slot in 0..self.table.slots() {
            let Some((index, channel)) = self.table.at(slot) else { continue };
            let (head, is_heard) = (channel.log.head(), !channel.is_unheard_everywhere());
            if is_heard {
                self.follow_source(index);
            }
            let Some(upstream) = &mut self.table[index].upstream else { continue };
            if is_heard {
                upstream.follow_on(head);
                self.upstream.ask(index);
            } else {
                // Later subscribers do not want what was published meanwhile.
                upstream.unfollow();
            }
        }
    }

    fn import_one(
        &mut self,
        cx: &mut Context,
        PlacedChannel { channel: taken, role, maker: made_by }: PlacedChannel,
        maker: impl Fn(u32) -> Option<ConnectionKey>,
    ) -> ChannelIndex {
        let handover::Channel { name, head, frames, kept, lost, used_at, is_followed, .. } = taken;
        let (is_outside, is_ordered) = (cx.is_outside(&name), cx.is_ordered_outside(&name));
        let (is_periodic, answers_requests) = uses_of(cx, &name);
        let class = Rc::clone(cx.class_of(&name));
        let mut channel = Channel::new(name, class, (cx.epoch, head), used_at);
        (channel.is_periodic, channel.answers_requests) = (is_periodic, answers_requests);
        let address = made_by.map(|(_, address): (_, IpAddr)| AddressGroup::from(address));
        channel.role = match role {
            PlacedRole::Home(served) => {
                let mut home = Home::default();
                for (shard, slot) in served {
                    home.serve_on(shard, (ChannelIndex::new(slot, 0), TAKEN_OVER), head);
                }
                Role::Home(home)
            }
            PlacedRole::Replica { home, floor, has_kept } => {
                // An external order may have older messages than the home.
                let at = (if is_ordered { Seq(1) } else { floor }, has_kept);
                Role::Replica(Replica::served((home, TAKEN_OVER), address, at))
            }
        };
        if let Some((slot, _)) = made_by.filter(|_| !is_periodic)
            && let Some(address) = address
        {
            let made = Maker { connection: slot.and_then(maker), address };
            self.unpublished.take_over(channel.name.service(), made);
            channel.maker = Some(made);
        }
        let before = frames.first().map_or(head, |frame| Seq(frame.first.0 - 1));
        if is_outside && matches!(channel.role, Role::Home(_)) {
            channel.tie_to_order(Upstream::taken_over(is_followed));
        }
        channel.log = Log::continued(cx.epoch, (before, lost), taken.last_at).sparse(is_ordered);
        if !frames.is_empty() {
            channel.classify(&mut cx.recorder);
        }
        self.retention.take_over(&mut channel.log, frames);
        self.statuses.take_over(&mut channel, taken.last, taken.document);
        self.states.set(&mut channel, taken.state);
        let index = self.table.add(channel);
        self.retention.restore(cx, &mut self.table, index, Kept { frames: kept, lost });
        index
    }
}

impl Channel {
    /// As it goes over, with what its log has behind `after`.
    fn export(&self, after: Seq) -> handover::Channel {
        handover::Channel {
            name: self.name.clone(),
            head: self.log.head(),
            last_at: self.log.last_at(),
            first: self.log.first(),
            frames: self.log.from(after.next()).map(|frame| frame.for_another()).collect(),
            kept: self.log.kept().map(|frame| frame.for_another()).collect(),
            lost: self.log.lost(),
            is_published: self.maker.is_none(),
            document: self.document.clone(),
            state: self.state.clone(),
            last: self.last.as_ref().map(|last: &Rc<Frame>| last.for_another()),
            used_at: self.used_at,
            is_followed: self.upstream.as_ref().is_some_and(|upstream| upstream.is_followed()),
        }
    }
}
