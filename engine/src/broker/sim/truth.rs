//! What the homes encoded: every frame of every life of every channel.

use std::rc::Rc;

use serde_json::Value;

use super::external::External;
use super::plan::Plan;
use crate::broker::Hub;
use crate::config::{ChannelClass, SlowPolicy};
use crate::shared_frame::Frame;
use crate::types::{ChannelName, Epoch, Seq, ServiceId, Time};

pub(super) struct Truth {
    pub(super) roomy: bool,
    /// Whether channels keep presence.
    pub(super) presence: bool,
    /// The order of channels is outside: homes' logs hold a part of it.
    pub(super) external: bool,
    /// Whether clients ask for the newest messages of keys.
    returns: bool,
    /// Positions that no message has.
    passed: u64,
    /// Whether classes change.
    changes: bool,
    /// What each channel's class does with subscribers that are behind.
    policies: Vec<SlowPolicy>,
    services: usize,
    /// Channels of the services in turns, so that each has the same names.
    names: Vec<ChannelName>,
    lives: Vec<Vec<(Epoch, Vec<Rc<Frame>>)>>,
}

impl Truth {
    pub(super) fn new(plan: &Plan) -> Truth {
        let &Plan { channels, services, roomy, changes, presence, returns, .. } = plan;
        let name = |i| {
            let name = ChannelName::parse(&format!("room:{}", i / services)).unwrap();
            name.at(ServiceId((i % services) as u8))
        };
        let names: Vec<ChannelName> = (0..channels).map(name).collect();
        let policy = |name: &ChannelName| {
            let service = &plan.config[name.service()];
            let rules = service.class_rules(|channels| channels.matches(name.as_str()));
            ChannelClass::of(&rules, plan.config.retention).slow
        };
        let policies = names.iter().map(policy).collect();
        let lives = vec![Vec::new(); channels];
        let external = plan.external;
        let mut truth = Truth {
            roomy,
            presence,
            external,
            returns,
            passed: 0,
            changes,
            policies,
            services,
            names,
            lives,
        };
        if external {
            let order = External::new(plan);
            truth.roomy &= !order.fails;
            truth.begin_lives(order.epoch());
        }
        truth
    }

    /// All channels begin anew, in this epoch of an order outside.
    pub(super) fn begin_lives(&mut self, epoch: Epoch) {
        self.lives.iter_mut().for_each(|lives| lives.push((epoch, Vec::new())));
    }

    /// An order outside has given a message its place.
    pub(super) fn append(&mut self, channel: usize, frame: Rc<Frame>) {
        let frames = &mut self.lives[channel].last_mut().unwrap().1;
        let passed = frame.seq.0 as usize - frames.len() - 1;
        frames.extend((0..passed).map(|_| blank()));
        frames.push(frame);
    }

    /// The place of a channel among all.
    pub(super) fn place(&self, name: &ChannelName) -> usize {
        self.names.iter().position(|known| known == name).expect("a channel of ours")
    }

    /// Position of the newest message that the channel's home has, as publishers know.
    pub(super) fn accepted(&self, channel: usize) -> u64 {
        if self.external { 0 } else { self.head(channel) }
    }

    /// Copies what the homes have encoded since the last call.
    pub(super) fn observe(&mut self, hubs: &[Hub]) {
        if self.external {
            return;
        }
        for (name, lives) in self.names.iter().zip(&mut self.lives) {
            let hub = &hubs[hubs[0].home_of(name).index()];
            let Some(log) = hub.log(name) else { continue };
            if lives.last().is_none_or(|(epoch, _)| *epoch != log.epoch()) {
                lives.push((log.epoch(), Vec::new()));
            }
            let frames = &mut lives.last_mut().unwrap().1;
            // A channel with events of the server's own alone is forgotten, and begins beyond.
            let passed = log.first().0.saturating_sub(frames.len() as u64 + 1);
            if self.presence && passed > 0 {
                frames.extend((0..passed).map(|_| blank()));
                self.passed += passed;
            }
            for frame in log.from(Seq(frames.len() as u64 + 1)) {
                assert_eq!(frame.seq.0, frames.len() as u64 + 1, "a home skips nothing");
                frames.push(frame.clone());
            }
            assert_eq!(log.head().0, frames.len() as u64);
        }
    }

    pub(super) fn channels(&self) -> usize {
        self.names.len()
    }

    /// The channels of one service.
    pub(super) fn channels_of(&self, service: ServiceId) -> Vec<usize> {
        (service.index()..self.names.len()).step_by(self.services).collect()
    }

    pub(super) fn name(&self, channel: usize) -> &str {
        self.names[channel].as_str()
    }

    pub(super) fn channel_name(&self, channel: usize) -> &ChannelName {
        &self.names[channel]
    }

    pub(super) fn channel(&self, service: ServiceId, name: &str) -> usize {
        let is = |known: &ChannelName| known.service() == service && known.as_str() == name;
        self.names.iter().position(is).expect("a channel of ours")
    }

    /// Position of the newest message.
    pub(super) fn head(&self, channel: usize) -> u64 {
        self.lives[channel].last().map_or(0, |(_, frames)| frames.len() as u64)
    }

    /// A random position of some life, as a client might remember it.
    pub(super) fn position(&self, rng: &mut fastrand::Rng, channel: usize) -> (String, u64) {
        let lives = &self.lives[channel];
        if lives.is_empty() || rng.u8(..10) == 0 {
            let seq = rng.u64(..9);
            return ("0123456789abcdef".into(), if seq == 8 { u64::MAX } else { seq });
        }
        let life = if rng.u8(..5) == 0 { rng.usize(..lives.len()) } else { lives.len() - 1 };
        let (epoch, frames) = &lives[life];
        let head = frames.len() as u64;
        let back = if rng.bool() { rng.u64(..=head.min(5)) } else { rng.u64(..=head) };
        let seq = match rng.u8(..20) {
            0 => head - back + 1,
            1 => u64::MAX,
            _ => head - back,
        };
        (epoch.to_string(), seq)
    }

    /// The life with this epoch: of a channel that nothing was published to, the one to come. One
    /// that there never was has a number of its own.
    pub(super) fn life(&self, channel: usize, epoch: &str) -> usize {
        let lives = &self.lives[channel];
        let unknown = if lives.is_empty() { 0 } else { usize::MAX };
        lives.iter().position(|(known, _)| known.to_string() == epoch).unwrap_or(unknown)
    }

    /// Whether a life, if it is known, is the one that goes on.
    pub(super) fn is_newest(&self, channel: usize, life: Option<usize>) -> bool {
        life.is_none_or(|life| life.wrapping_add(1) == self.lives[channel].len().max(1))
    }

    pub(super) fn length(&self, channel: usize, life: usize) -> u64 {
        self.lives[channel].get(life).map_or(0, |(_, frames)| frames.len() as u64)
    }

    /// The life in which this position has exactly these bytes (invariant 4).
    pub(super) fn find(&self, channel: usize, seq: u64, bytes: &[u8]) -> Option<usize> {
        let place = (seq as usize).checked_sub(1)?;
        // A small log may have dropped an event of presence before anybody looked.
        let is_unseen = |frame: &Frame| {
            let is_own = || String::from_utf8_lossy(bytes).contains(r#""event":"presence."#);
            self.presence && !self.external && is_blank(frame) && is_own()
        };
        let is_it = |frame: &Rc<Frame>| frame.bytes() == bytes || is_unseen(frame);
        let same = |frames: &[Rc<Frame>]| frames.get(place).is_some_and(is_it);
        self.lives[channel].iter().rposition(|(_, frames)| same(frames))
    }

    /// Checks a message of an answer. Its document may be too large for it.
    pub(super) fn check_message(&self, channel: usize, life: usize, message: &Value) {
        let seq = message["seq"].as_u64().unwrap();
        let frame = &self.lives[channel][life].1[seq as usize - 1];
        let sent: Value = serde_json::from_str(frame.text()).unwrap();
        for member in ["timestamp", "event", "key"] {
            assert_eq!(message.get(member), sent.get(member), "{member} of {seq} in {channel}");
        }
        match message.get("bytes") {
            Some(bytes) => assert!(bytes.as_u64() > Some(400) && message.get("data").is_none()),
            None => assert_eq!(message["data"], sent["data"], "{seq} in {channel}"),
        }
    }

    /// The first position that no newer message with its key replaces.
    pub(super) fn first_newest(&self, channel: usize, life: usize) -> Option<u64> {
        let (_, frames) = self.lives[channel].get(life)?;
        let is_newest = |place: &usize| {
            let (frame, newer) = (&frames[*place], &frames[place + 1..]);
            let is_replaced = frame.key().is_some() && newer.iter().any(|n| n.key() == frame.key());
            !is_blank(frame) && !is_replaced
        };
        (0..frames.len()).find(is_newest).map(|place| place as u64 + 1)
    }

    /// The oldest of the last `n` positions up to `seq`, of those that messages have or span.
    pub(super) fn last(&self, channel: usize, life: usize, (seq, n): (u64, u64)) -> u64 {
        if !self.external {
            return (seq + 1).saturating_sub(n);
        }
        let Some((_, frames)) = self.lives[channel].get(life) else { return seq + 1 };
        let places = (0..seq as usize).rev().filter(|place| !is_blank(&frames[*place]));
        let mut before = places.skip(usize::try_from(n).unwrap());
        before.next().map_or(1, |place| place as u64 + 2)
    }

    /// Whether a gap may have this reason.
    pub(super) fn check_gap(&self, channel: usize, life: usize, (from, to): (u64, u64), why: &str) {
        let policy = self.policies[channel];
        match why {
            "retention" => {
                let may_be = !self.roomy || self.is_of_own_events(channel, life, (from, to));
                assert!(may_be, "a gap where nothing was dropped");
            }
            "slow" if self.changes => {}
            "slow" => {
                assert_ne!(policy, SlowPolicy::Disconnect, "passed over");
                let is_lost = policy == SlowPolicy::Skip || !self.roomy;
                assert!(is_lost, "the newest of a key, or a message without one, is lost");
            }
            "conflated" => {
                assert!(self.changes || self.returns || policy == SlowPolicy::Latest);
                let frames = &self.lives[channel][life].1;
                for seq in from..=to {
                    let (these, newer) = frames.split_at(seq as usize);
                    let key = these[seq as usize - 1].key();
                    if is_blank(&these[seq as usize - 1]) {
                        continue;
                    }
                    let is_replaced = key.is_some() && newer.iter().any(|f| f.key() == key);
                    assert!(is_replaced, "{seq} of {channel} is the newest of its key");
                }
            }
            other => panic!("a gap for {other}"),
        }
    }

    /// Whether a gap may be where there is room: a channel with events of the server's own alone is
    /// forgotten, and goes on beyond.
    fn is_of_own_events(&self, channel: usize, life: usize, (from, to): (u64, u64)) -> bool {
        let frames = self.lives[channel].get(life).map_or(&[][..], |(_, frames)| frames);
        let mut these = frames.iter().take(to as usize).skip(from as usize - 1);
        let is_own =
            |frame: &Rc<Frame>| is_blank(frame) || frame.text().contains(r#""event":"presence."#);
        self.presence && these.all(is_own)
    }

    /// Positions that no message is known to have.
    pub(super) fn passed(&self) -> u64 {
        self.passed
    }

    /// Everything ever accepted.
    pub(super) fn total(&self) -> u64 {
        let all = self.lives.iter().flatten().map(|(_, frames)| frames.len() as u64);
        all.sum::<u64>() - self.passed
    }
}

/// In the place of a position that no message has.
fn blank() -> Rc<Frame> {
    Rc::new(Frame::new(Box::default(), Seq(0), Time(0), 0))
}

fn is_blank(frame: &Frame) -> bool {
    frame.seq == Seq(0)
}

/// The request that an answer is about.
pub(super) fn correlation(value: &Value) -> Option<u64> {
    value["correlation_id"].as_str().map(|text| text.parse().unwrap())
}
