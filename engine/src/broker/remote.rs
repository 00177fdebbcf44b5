//! Being served by a channel's home: joining, frames in order, leaving.

use std::rc::Rc;

use super::channel::{Link, Remote, RemoteState};
use super::effect::{Lanes, Notice, Request};
use super::hub::Hub;
use super::transmit::shard_done;
use crate::limits::{LANE_CREDITS, per_lane};
use crate::shared_frame::Frame;
use crate::telemetry::Count;
use crate::types::{Epoch, Now, Seq, ShardId};
use crate::wire::reply::{Gap, GapReason};

/// What a `Joined` brings.
struct Joined {
    epoch: Epoch,
    seq: Seq,
    backlog: Vec<Frame>,
}

impl Hub {
    /// A notice from another shard.
    pub fn handle_notice(&mut self, now: Now, from: ShardId, notice: Notice) {
        match notice {
            Notice::Frame { index, token, frame } => self.handle_frame(now, index, token, frame),
            Notice::Gap { index, token, to } => {
                if self.is_served(index, token) {
                    self.append_gap(now, index, to);
                }
            }
            Notice::Joined { index, token, epoch, seq, backlog } => {
                self.lanes[from.index()].open -= 1;
                if self.is_current(index, token, RemoteState::Joining) {
                    self.handle_joined(now, index, Joined { epoch, seq, backlog });
                }
            }
            Notice::JoinRefused { index, token } => {
                self.lanes[from.index()].open -= 1;
                if self.is_current(index, token, RemoteState::Joining) {
                    self.remote_mut(index).state = RemoteState::Absent;
                    self.resume_operations(now, index, false);
                }
            }
            Notice::Recalled { ticket, told } => {
                self.lanes[from.index()].open -= 1;
                self.handle_recalled(now, ticket, told.as_ref());
            }
            Notice::Published { ticket, seq } => {
                self.lanes[from.index()].open -= 1;
                self.handle_published(now, ticket, seq);
            }
        }
    }

    /// Whether a notice belongs to the current join of the channel, in this state.
    fn is_current(&self, index: u32, token: u32, state: RemoteState) -> bool {
        match self.channels.get(index).map(|channel| &channel.link) {
            Some(Link::Remote(remote)) => remote.token == token && remote.state == state,
            _ => false,
        }
    }

    /// Whether a frame or gap belongs to the current join. A leave not sent yet may be undone.
    fn is_served(&self, index: u32, token: u32) -> bool {
        self.is_current(index, token, RemoteState::Live)
            || self.is_current(index, token, RemoteState::Leaving)
    }

    /// The tie of a channel known to be homed elsewhere.
    fn remote_mut(&mut self, index: u32) -> &mut Remote {
        match &mut self.channels[index].link {
            Link::Remote(remote) => remote,
            Link::Home(_) => unreachable!("the home does not join itself"),
        }
    }

    fn handle_frame(&mut self, now: Now, index: u32, token: u32, frame: Frame) {
        if !self.is_served(index, token) {
            // Sent for an earlier join: this shard is through with it.
            match self.channels.get(index) {
                Some(channel) => {
                    shard_done(&mut self.recorder, channel.class, &frame, now.mono);
                }
                None => drop(frame.shard_done()),
            }
        } else if frame.first == self.channels[index].log.head().next() {
            self.append(index, Rc::new(frame), true);
        } else {
            let class = self.channels[index].class;
            shard_done(&mut self.recorder, class, &frame, now.mono);
            self.recorder.count(Count::Rejoins, 1);
            self.ask(index, RemoteState::Joining);
        }
    }

    /// Puts a message in the log that tells of everything missing up to `to` (invariant 2).
    fn append_gap(&mut self, now: Now, index: u32, to: Seq) {
        let stamp = self.stamp(now);
        let channel = &self.channels[index];
        let from = channel.log.head().next();
        let gap = Gap { from, to, epoch: channel.log.epoch(), reason: GapReason::Retention };
        let mut bytes = Vec::new();
        self.encoder.gap(stamp, &channel.name, &gap, &mut bytes);
        self.missed(to.0 - from.0 + 1);
        let frame = Frame::gap(bytes.into_boxed_slice(), from, to, now.mono);
        self.append(index, Rc::new(frame), false);
    }

    fn handle_joined(&mut self, now: Now, index: u32, joined: Joined) {
        let Joined { epoch, seq, backlog } = joined;
        let start = backlog.first().map_or(seq, |frame| Seq(frame.first.0 - 1));
        let channel = &self.channels[index];
        // A hole that nobody was there to see is no gap: the log begins anew behind it.
        let hole = start > channel.log.head() && channel.live.is_empty();
        if hole || channel.log.epoch() != epoch {
            self.clear_log(index);
            let channel = &mut self.channels[index];
            channel.log = super::log::Log::new(epoch, start);
            channel.live.skip_to(start);
            self.remote_mut(index).floor = Seq(0);
        }
        let (older, newer): (Vec<_>, Vec<_>) = backlog
            .into_iter()
            .map(Rc::new)
            .partition(|f| f.seq <= self.channels[index].log.head());
        self.prepend(index, &older);
        for frame in newer {
            if frame.first > self.channels[index].log.head().next() {
                self.append_gap(now, index, Seq(frame.first.0 - 1));
            }
            self.append(index, frame, false);
        }
        if self.channels[index].log.head() < seq {
            self.append_gap(now, index, seq);
        }
        let first = self.channels[index].log.first();
        let remote = self.remote_mut(index);
        remote.state = RemoteState::Live;
        if remote.since.take().is_some_and(|since| since.next() < first) {
            remote.floor = first;
        }
        self.channels[index].used_at = now.mono;
        // Nobody needs what was fetched only for those who wait: they read it at cursors.
        self.skip_unheard(index, now.mono);
        self.resume_operations(now, index, true);
    }

    /// Makes sure that the home serves this shard, from `since` on if the log starts later.
    /// Returns whether it does already.
    pub(super) fn ensure_joined(&mut self, index: u32, since: Option<(Epoch, Seq)>) -> bool {
        let channel = &mut self.channels[index];
        let log = &channel.log;
        let Link::Remote(remote) = &mut channel.link else { return true };
        // The home is asked only for what it may have and this log has not.
        let reaches = since.is_none_or(|(epoch, since)| {
            let here = since.next() >= log.first() && since <= log.head();
            here || since.next() < remote.floor || epoch != log.epoch()
        });
        let since = since.map(|(_, seq)| seq);
        match remote.state {
            RemoteState::Live if reaches => return true,
            RemoteState::Leaving if reaches => {
                // The leave was not sent yet.
                remote.state = RemoteState::Live;
                return true;
            }
            // What is here already says nothing: the join may leave a hole behind it.
            RemoteState::Joining if since.is_none_or(|a| remote.since.is_some_and(|b| b <= a)) => {
                return false;
            }
            _ => {}
        }
        remote.since = match (remote.since, since) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        self.ask(index, RemoteState::Joining);
        false
    }

    /// Has the home told that this shard joins anew, or leaves.
    pub(super) fn ask(&mut self, index: u32, state: RemoteState) {
        let token = self.clock.next_token();
        let head = self.channels[index].log.head();
        let remote = self.remote_mut(index);
        if state == RemoteState::Joining {
            remote.token = token;
            if remote.state == RemoteState::Live {
                // Operations that found it so will stand at its head before the answer comes.
                remote.since = Some(remote.since.map_or(head, |since| since.min(head)));
            }
        }
        remote.state = state;
        if !std::mem::replace(&mut remote.asked, true) {
            let home = remote.home;
            self.lanes[home.index()].asks.push_back(index);
        }
    }

    /// Sends queued publishes, joins and leaves, as far as lanes and credits allow.
    pub(super) fn send_asks(&mut self, lanes: &mut impl Lanes) {
        for to in 0..self.lanes.len() {
            let home = ShardId(to as u8);
            while let Some(publish) = self.lanes[to].publishes.pop_front() {
                if let Err(publish) = lanes.try_request(home, publish) {
                    self.lanes[to].publishes.push_front(publish);
                    break;
                }
            }
            while let Some(&index) = self.lanes[to].asks.front() {
                if !self.send_ask(home, index, lanes) {
                    break;
                }
                self.lanes[to].asks.pop_front();
            }
        }
    }

    fn send_ask(&mut self, home: ShardId, index: u32, lanes: &mut impl Lanes) -> bool {
        let channel = &self.channels[index];
        let name = channel.name.clone();
        let head = channel.log.head();
        // Those who are live already must not miss what comes between the two joins.
        let keep = (!channel.live.is_empty()).then_some(head);
        let Link::Remote(remote) = &channel.link else { return true };
        let (token, state) = (remote.token, remote.state);
        let since = match (remote.since, keep) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        let sent = match state {
            RemoteState::Absent | RemoteState::Live => true,
            RemoteState::Leaving => {
                lanes.try_request(home, Request::Leave { channel: name, token }).is_ok()
            }
            RemoteState::Joining
                if self.lanes[home.index()].open >= 2 * per_lane(LANE_CREDITS, self.shards) =>
            {
                false
            }
            RemoteState::Joining => {
                let join = Request::Join { channel: name, index, token, since };
                lanes.try_request(home, join).is_ok()
            }
        };
        if sent {
            if state == RemoteState::Joining {
                self.lanes[home.index()].open += 1;
            }
            let remote = self.remote_mut(index);
            remote.asked = false;
            if state == RemoteState::Leaving {
                remote.state = RemoteState::Absent;
            }
        }
        sent
    }
}
