//! The lanes to and from the other shards: what waits for room, and the credits of requests.

use std::collections::VecDeque;

use super::channel::{Channels, Readiness, Start};
use super::context::Context;
use super::patterns::Patterns;
use super::shard_messages::{Lanes, Notice, Request};
use crate::limits::{LANE_CREDITS, per_lane};
use crate::telemetry::Count;
use crate::types::{ChannelIndex, ChannelName, JoinToken, ShardId};

/// A shard's side of its lanes.
#[derive(Debug)]
pub(super) struct Links {
    /// By shard.
    lanes: Vec<Lane>,
    answers: VecDeque<(ShardId, Notice)>,
    last_token: u32,
    /// The saboteur of the simulation: patterns are confirmed before other shards know them.
    #[cfg(test)]
    pub(super) hasty: bool,
    #[cfg(test)]
    untold: u32,
}

/// The lanes to and from one other shard.
#[derive(Debug, Default)]
struct Lane {
    /// Requests of clients not yet sent.
    requests: VecDeque<Request>,
    /// Channels that must join or leave at their home.
    asks: VecDeque<ChannelIndex>,
    /// Requests sent or queued and not answered yet.
    open: usize,
    /// Channels homed here with frames that found the lane full.
    behind: VecDeque<ChannelIndex>,
    /// The version of this shard's patterns that the other one knows.
    patterns_known: u32,
    /// Whether it is being told of another one.
    patterns_sent: bool,
    /// Channels homed there that it has told of and this shard has no room for, each once until it
    /// tells of it again.
    declined: VecDeque<ChannelName>,
    /// Channels homed here that its clients have patterns of, and for which this shard has no room.
    left_out: VecDeque<ChannelName>,
}

/// Tells a shard of these channels, as many as its lane takes.
fn tell(
    shard: ShardId,
    channels: &mut VecDeque<ChannelName>,
    lanes: &mut impl Lanes,
    notice: impl Fn(ChannelName) -> Notice,
) {
    while let Some(name) = channels.pop_front() {
        if lanes.try_notice(shard, notice(name.clone())).is_err() {
            channels.push_front(name);
            break;
        }
    }
}

impl Links {
    pub(super) fn new(shards: usize) -> Links {
        let lanes = (0..shards).map(|_| Lane::default()).collect();
        Links {
            lanes,
            answers: VecDeque::new(),
            last_token: 0,
            #[cfg(test)]
            hasty: false,
            #[cfg(test)]
            untold: 0,
        }
    }

    /// Whether a client's request may be sent to a shard: it needs a credit until it is answered.
    pub(super) fn has_credit(&self, to: ShardId) -> bool {
        self.credits(to) > 0
    }

    /// How many may be.
    pub(super) fn credits(&self, to: ShardId) -> usize {
        per_lane(LANE_CREDITS, self.lanes.len()).saturating_sub(self.lanes[to.index()].open)
    }

    /// Queues a client's request for which there is a credit.
    pub(super) fn request(&mut self, to: ShardId, request: Request) {
        let lane = &mut self.lanes[to.index()];
        lane.open += 1;
        lane.requests.push_back(request);
    }

    /// A request was answered.
    pub(super) fn answered(&mut self, from: ShardId) {
        self.lanes[from.index()].open -= 1;
    }

    /// Queues the answer to another shard's request.
    pub(super) fn answer(&mut self, to: ShardId, notice: Notice) {
        self.answers.push_back((to, notice));
    }

    /// Makes sure that the home serves this shard, and has sent what a subscriber needs that begins
    /// there. Returns whether it does already.
    pub(super) fn prepare(
        &mut self,
        channels: &mut Channels,
        index: ChannelIndex,
        start: Start,
    ) -> bool {
        let readiness = channels.prepare(index, start);
        if readiness == Readiness::MustJoin {
            self.join(channels, index);
        }
        readiness == Readiness::Live
    }

    /// Has the home asked to serve this shard anew.
    pub(super) fn join(&mut self, channels: &mut Channels, index: ChannelIndex) {
        self.last_token = self.last_token.wrapping_add(1);
        if let Some(home) = channels.begin_join(index, JoinToken(self.last_token)) {
            self.ask(home, index);
        }
    }

    /// Lists a channel that must join or leave at its home.
    pub(super) fn ask(&mut self, home: ShardId, index: ChannelIndex) {
        self.lanes[home.index()].asks.push_back(index);
    }

    /// Sends the answers to other shards' requests: their credits keep room for them.
    pub(super) fn send_answers(&mut self, lanes: &mut impl Lanes) {
        while let Some((to, notice)) = self.answers.pop_front() {
            lanes.reply(to, notice);
        }
    }

    /// There is no room for a channel that another shard has told of.
    pub(super) fn decline(&mut self, home: ShardId, name: ChannelName) {
        self.lanes[home.index()].declined.push_back(name);
    }

    /// There is no room here for a channel that clients of another shard have patterns of. They are
    /// told as fast as that shard takes it.
    pub(super) fn leave_out(&mut self, shard: ShardId, name: ChannelName) {
        let left_out = &mut self.lanes[shard.index()].left_out;
        if left_out.len() < LANE_CREDITS {
            left_out.push_back(name);
        }
    }

    /// Tells the other shards of this one's patterns, and which channels of theirs it declines.
    pub(super) fn send_patterns(
        &mut self,
        own: ShardId,
        patterns: &mut Patterns,
        lanes: &mut impl Lanes,
    ) {
        #[cfg(test)]
        if self.hasty && !self.is_late() {
            return;
        }
        let credits = 2 * per_lane(LANE_CREDITS, self.lanes.len());
        let version = patterns.version();
        for (shard, lane) in self.lanes.iter_mut().enumerate() {
            let shard = ShardId(shard as u8);
            tell(shard, &mut lane.declined, lanes, |name| Notice::Declined { name });
            tell(shard, &mut lane.left_out, lanes, |name| Notice::LeftOut { name });
            let is_told = lane.patterns_known == version || lane.patterns_sent || shard == own;
            if is_told || lane.open >= credits {
                continue;
            }
            let request = Request::Patterns { version, set: patterns.set() };
            lane.patterns_sent = lanes.try_request(shard, request).is_ok();
            lane.open += usize::from(lane.patterns_sent);
        }
    }

    /// Another shard knows a version of this one's patterns.
    pub(super) fn patterns_known(&mut self, from: ShardId, version: u32) {
        let lane = &mut self.lanes[from.index()];
        (lane.patterns_known, lane.patterns_sent) = (version, false);
    }

    /// Whether all other shards know this version of the patterns, or a later one.
    pub(super) fn all_know(&self, own: ShardId, version: u32) -> bool {
        #[cfg(test)]
        if self.hasty {
            return true;
        }
        let others = self.lanes.iter().enumerate().filter(|(shard, _)| *shard != own.index());
        others.into_iter().all(|(_, lane)| lane.patterns_known >= version)
    }

    /// Every other shard was told of this version of the patterns, and serves this shard by a join
    /// that is not counted here.
    pub(super) fn take_over(&mut self, version: u32, joined: JoinToken) {
        self.last_token = joined.0;
        self.lanes.iter_mut().for_each(|lane| lane.patterns_known = version);
    }

    /// Whether nothing waits, here or for an answer.
    pub(super) fn is_quiet(&self) -> bool {
        let is_quiet = |lane: &Lane| {
            let waiting = lane.open + lane.requests.len() + lane.asks.len() + lane.behind.len();
            waiting + lane.declined.len() + lane.left_out.len() == 0
        };
        self.answers.is_empty() && self.lanes.iter().all(is_quiet)
    }

    /// Sends queued requests, joins and leaves, as far as lanes and credits allow.
    pub(super) fn send_requests(&mut self, channels: &mut Channels, lanes: &mut impl Lanes) {
        let credits = 2 * per_lane(LANE_CREDITS, self.lanes.len());
        for (shard, lane) in self.lanes.iter_mut().enumerate() {
            let home = ShardId(shard as u8);
            while let Some(request) = lane.requests.pop_front() {
                if let Err(request) = lanes.try_request(home, request) {
                    lane.requests.push_front(request);
                    break;
                }
            }
            while let Some(&index) = lane.asks.front() {
                if let Some(request) = channels.home_request(index) {
                    let barred = lane.open >= credits;
                    if barred || lanes.try_request(home, request).is_err() {
                        break;
                    }
                    lane.open += 1;
                }
                channels.home_request_sent(index);
                lane.asks.pop_front();
            }
        }
    }

    /// Sends new frames to the shards with subscribers; first to those with a lane that was full.
    pub(super) fn fan_out(
        &mut self,
        cx: &mut Context,
        channels: &mut Channels,
        lanes: &mut impl Lanes,
    ) {
        for (shard, lane) in self.lanes.iter_mut().enumerate() {
            for _ in 0..lane.behind.len() {
                let Some(key) = lane.behind.pop_front() else { break };
                if !channels.resume_fan_out(ShardId(shard as u8), key, lanes) {
                    lane.behind.push_back(key);
                    cx.recorder.count(Count::LaneFull, 1);
                }
            }
        }
        channels.fan_out(lanes, |shard, key| {
            self.lanes[shard.index()].behind.push_back(key);
            cx.recorder.count(Count::LaneFull, 1);
        });
    }
}

#[cfg(test)]
impl Links {
    /// The saboteur of the simulation: others are told of patterns now and then only.
    fn is_late(&mut self) -> bool {
        self.untold += 1;
        self.untold.is_multiple_of(40)
    }

    /// Checks the bounds of what waits.
    pub(super) fn check(&self) {
        for lane in &self.lanes {
            assert!(lane.open <= 2 * LANE_CREDITS);
            assert!(lane.requests.len() + lane.asks.len() <= 4 * LANE_CREDITS);
        }
        assert!(self.answers.is_empty(), "answers wait");
    }

    /// How often a channel is listed among those with frames that found a shard's lane full.
    pub(super) fn times_behind(&self, shard: ShardId, channel: ChannelIndex) -> usize {
        self.lanes[shard.index()].behind.iter().filter(|other| **other == channel).count()
    }
}
