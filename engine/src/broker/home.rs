//! The home of a channel: gives positions, encodes once, serves the other shards in order.

use std::rc::Rc;

use super::channel::{Interest, Link};
use super::effect::{Lanes, Notice, Request};
use super::hub::Hub;
use super::lifecycle::DrainState;
use super::transmit::shard_done;
use crate::shared_frame::Frame;
use crate::telemetry::Count;
use crate::types::{ChannelName, Now, Publication, PublishError, Seq, ShardId};

impl Hub {
    /// A publication for a channel homed here, from outside or from another shard.
    ///
    /// # Errors
    /// [`PublishError`] when the channel's log takes no more now, or the shard no more channels.
    pub fn publish(&mut self, now: Now, publication: &Publication) -> Result<Seq, PublishError> {
        self.clock.now = now.mono;
        let accepted = self.try_publish(now, publication);
        if accepted == Err(PublishError::Saturated) {
            self.recorder.count(Count::Refused, 1);
        }
        accepted
    }

    fn try_publish(&mut self, now: Now, publication: &Publication) -> Result<Seq, PublishError> {
        if self.drain != DrainState::No {
            return Err(PublishError::Saturated);
        }
        let index = self.channel(now, &publication.channel).ok_or(PublishError::ChannelLimit)?;
        if self.is_saturated(index) {
            return Err(PublishError::Saturated);
        }
        if self.is_feed(&publication.channel) {
            return Ok(self.feed_publish(now, index, publication));
        }
        let stamp = self.stamp(now);
        let channel = &self.channels[index];
        let seq = channel.log.head().next();
        let bytes = self.encoder.broadcast(stamp, publication, seq);
        let shards = 1 + channel.interests().len() as u32;
        self.recorder.broadcast_accepted(channel.class);
        self.recorder.published_to(channel.class, index);
        let frame = Rc::new(Frame::new(bytes, seq, now.mono, shards));
        self.remember(index, &frame);
        self.append(index, frame, true);
        Ok(seq)
    }

    /// A request from another shard.
    pub fn handle_request(&mut self, now: Now, from: ShardId, request: Request) {
        match request {
            Request::Publish { ticket, publication } => {
                let seq = self.publish(now, &publication);
                self.answers.push_back((from, Notice::Published { ticket, seq }));
            }
            Request::Join { channel, index, token, since } => {
                let answer = self.join(now, from, &channel, index, token, since);
                self.answers.push_back((from, answer));
            }
            Request::Recall { ticket, channel } => {
                let told = self.told(&channel);
                self.answers.push_back((from, Notice::Recalled { ticket, told }));
            }
            Request::Leave { channel, token } => {
                if let Some(index) = self.channels.find(&channel) {
                    self.channels[index].used_at = now.mono;
                    self.drop_interest(index, |i| i.shard == from && i.token == token);
                }
            }
        }
    }

    fn join(
        &mut self,
        now: Now,
        shard: ShardId,
        name: &ChannelName,
        index: u32,
        token: u32,
        since: Option<Seq>,
    ) -> Notice {
        let Some(own) = self.channel(now, name) else {
            return Notice::JoinRefused { index, token };
        };
        self.drop_interest(own, |interest| interest.shard == shard);
        let channel = &mut self.channels[own];
        let seq = channel.log.head();
        let backlog = match since {
            Some(since) => channel.log.from(since.next()).map(|f| f.for_another()).collect(),
            None => Vec::new(),
        };
        if let Link::Home(interests) = &mut channel.link {
            let next = seq.next();
            interests.push(Interest { shard, index, token, next, gap: None, behind: false });
        }
        Notice::Joined { index, token, epoch: channel.log.epoch(), seq, backlog }
    }

    /// Forgets a shard's interest. What it was not sent yet, it is through with.
    fn drop_interest(&mut self, index: u32, gone: impl Fn(&Interest) -> bool) {
        let channel = &mut self.channels[index];
        let Link::Home(interests) = &mut channel.link else { return };
        let Some(place) = interests.iter().position(gone) else { return };
        let interest = interests.swap_remove(place);
        for frame in channel.log.from(interest.next) {
            shard_done(&mut self.recorder, channel.class, frame, self.clock.now);
        }
    }

    /// Sends the answers to other shards' requests: their credits keep room for them.
    pub(super) fn send_answers(&mut self, lanes: &mut impl Lanes) {
        while let Some((to, notice)) = self.answers.pop_front() {
            lanes.reply(to, notice);
        }
    }

    /// Sends new frames to the shards with subscribers; first those whose lane was full.
    pub(super) fn fan_out(&mut self, lanes: &mut impl Lanes) {
        for shard in 0..self.lanes.len() {
            for _ in 0..self.lanes[shard].behind.len() {
                let Some(index) = self.lanes[shard].behind.pop_front() else { break };
                let Some(channel) = self.channels.get_mut(index) else { continue };
                if let Link::Home(interests) = &mut channel.link {
                    let of = |i: &&mut Interest| i.shard.index() == shard && i.behind;
                    if let Some(interest) = interests.iter_mut().find(of) {
                        interest.behind = false;
                        self.send_range(index, ShardId(shard as u8), lanes);
                    }
                }
            }
        }
        let mut unsent = std::mem::take(&mut self.unsent);
        for index in unsent.drain(..) {
            self.channels[index].unsent = false;
            for at in 0..self.channels[index].interests().len() {
                let interest = &self.channels[index].interests()[at];
                if !interest.behind {
                    self.send_range(index, interest.shard, lanes);
                }
            }
        }
        self.unsent = unsent;
    }

    /// Sends one shard what it has not been sent, as far as the lane has room: a cursor, exactly
    /// as for a laggard (invariant 6: a full lane blocks nobody).
    fn send_range(&mut self, index: u32, to: ShardId, lanes: &mut impl Lanes) {
        let channel = &mut self.channels[index];
        let Link::Home(interests) = &mut channel.link else { return };
        let Some(interest) = interests.iter_mut().find(|i| i.shard == to) else { return };
        let mut full = false;
        if let Some(gap) = interest.gap {
            let notice = Notice::Gap { index: interest.index, token: interest.token, to: gap };
            full = lanes.try_notice(to, notice).is_err();
            if !full {
                interest.gap = None;
            }
        }
        if !full {
            for frame in channel.log.from(interest.next) {
                let notice = Notice::Frame {
                    index: interest.index,
                    token: interest.token,
                    frame: frame.for_another(),
                };
                if lanes.try_notice(to, notice).is_err() {
                    full = true;
                    break;
                }
                interest.next = frame.seq.next();
            }
        }
        if full {
            interest.behind = true;
            self.lanes[to.index()].behind.push_back(index);
            self.recorder.count(Count::LaneFull, 1);
        }
    }
}
