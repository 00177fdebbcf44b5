//! A model of an order of channels outside: one stream for all of them, with positions that have
//! holes in each; answers that come late, or not; epochs that end; times in which nothing can be
//! published. What it has is the truth, whatever the hubs' logs hold.

use std::collections::{HashSet, VecDeque};
use std::rc::Rc;

use super::counted::Counted;
use super::external_handovers::TakingOver;
use super::external_presence::Rosters;
use super::finish::Tally;
use super::plan::{Plan, Sabotage};
use super::truth::Truth;
use super::world::World;
use crate::broker::upstream_messages::{Older, UpstreamNotice, UpstreamRequest};
use crate::config::{ChannelPrefix, Followed, Unavailable};
use crate::shared_frame::Frame;
use crate::telemetry::Count;
use crate::types::{ChannelName, Epoch, Publication, PublishError, Seq, Sequenced, Time};
use crate::wire::encoder::{Encoder, Stamp};

/// The order, with one node: the hubs of a world.
#[derive(Debug)]
pub(super) struct External {
    pub(super) rng: fastrand::Rng,
    pub(super) epoch: Epoch,
    /// The newest position of all channels.
    pub(super) seq: u64,
    /// By channel, the messages of this epoch.
    pub(super) streams: Vec<Vec<Sequenced>>,
    pub(super) followed: HashSet<usize>,
    /// By shard, what channels begin with that are wanted by patterns.
    pub(super) watched: Vec<Vec<ChannelPrefix>>,
    /// Requests that were not handled yet, each with its shard.
    pub(super) open: VecDeque<(usize, UpstreamRequest)>,
    /// Messages of followed channels that are not on their way to their homes yet.
    pub(super) live: VecDeque<(usize, Sequenced)>,
    /// By channel, the last of them that was, or the one behind which the hubs were told to begin.
    pub(super) told: Vec<Seq>,
    /// By shard, what is on its way.
    pub(super) feeds: Vec<VecDeque<UpstreamNotice>>,
    /// Hubs have taken over, and not all have said what they watch.
    pub(super) taking_over: Option<TakingOver>,
    degraded: bool,
    pub(super) rosters: Rosters,
    /// Epochs end, and messages are gone before they were delivered.
    pub(super) fails: bool,
    /// Old messages come again behind newer ones.
    repeats: bool,
    epochs: u64,
    unanswered: u64,
    /// Hand-overs that were.
    pub(super) given_up: u64,
}

impl Plan {
    pub(super) fn outside(seed: u64, sabotage: Option<Sabotage>) -> Plan {
        let mut plan = Plan::new(seed, sabotage);
        (plan.external, plan.streams, plan.handovers) = (true, false, false);
        plan.returns = seed % 3 == 1;
        plan
    }

    pub(super) fn with_patterns(mut self) -> Plan {
        self.patterns = true;
        self
    }
}

impl External {
    pub(super) fn new(plan: &Plan) -> External {
        External {
            rng: fastrand::Rng::with_seed(plan.seed ^ 0xe47e),
            epoch: Epoch(plan.seed + 1),
            seq: 0,
            streams: vec![Vec::new(); plan.channels],
            followed: HashSet::new(),
            watched: vec![Vec::new(); plan.shards],
            open: VecDeque::new(),
            live: VecDeque::new(),
            told: vec![Seq(0); plan.channels],
            feeds: (0..plan.shards).map(|_| VecDeque::new()).collect(),
            taking_over: None,
            degraded: false,
            rosters: Rosters::new(plan.channels),
            fails: plan.seed.is_multiple_of(4),
            repeats: plan.updates,
            epochs: 0,
            unanswered: 0,
            given_up: 0,
        }
    }

    pub(super) fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Whether nothing is on its way.
    pub(super) fn is_at_rest(&self) -> bool {
        self.open.is_empty() && self.live.is_empty() && self.feeds.iter().all(VecDeque::is_empty)
    }

    /// Nothing fails any more. Returns whether something has, so that what comes tells of it.
    pub(super) fn recover(&mut self) -> bool {
        std::mem::take(&mut self.fails)
    }

    /// Gives a publication its place.
    pub(super) fn append(
        &mut self,
        truth: &mut Truth,
        publication: Publication,
        unix_us: i64,
    ) -> Seq {
        self.seq += self.rng.u64(1..=4);
        let channel = truth.place(&publication.channel);
        let seq = Seq(self.seq);
        let prev = self.streams[channel].last().map_or(Seq(0), |last| last.seq);
        let id = self.rng.u128(..).to_be_bytes();
        let message = Sequenced { publication, seq, prev, id, unix_us };
        truth.append(channel, encode(&message));
        self.streams[channel].push(message.clone());
        self.live.push_back((channel, message));
        seq
    }

    fn handle(&mut self, truth: &mut Truth, shard: usize, request: UpstreamRequest, unix_us: i64) {
        let fails = self.fails && self.rng.u8(..10) == 0;
        let notice = match request {
            UpstreamRequest::Publish { id, publication, .. } => {
                let lost = self.degraded && self.rng.bool();
                let seq = match (self.degraded, lost) {
                    (true, true) => Err(PublishError::Unavailable),
                    (true, false) => {
                        self.append(truth, *publication, unix_us);
                        Err(PublishError::Unknown)
                    }
                    _ => Ok(self.append(truth, *publication, unix_us)),
                };
                UpstreamNotice::Published { id, seq }
            }
            UpstreamRequest::Follow { .. } if fails && self.rng.u8(..4) == 0 => {
                self.unanswered += 1;
                return;
            }
            UpstreamRequest::Follow { channel, token, .. } if fails => {
                let followed = Err(Unavailable);
                UpstreamNotice::Followed { channel, token, followed }
            }
            UpstreamRequest::Follow { channel: index, token, name, wanted, taken_over } => {
                let channel = truth.place(&name);
                let is_taken_over = self.take_over(channel, taken_over);
                self.followed.insert(channel);
                let is_told = is_taken_over || self.is_watched(&name);
                let followed = Ok(self.follow((channel, is_told), wanted));
                UpstreamNotice::Followed { channel: index, token, followed }
            }
            UpstreamRequest::Unfollow { name } => {
                self.followed.remove(&truth.place(&name));
                return;
            }
            UpstreamRequest::Watch { version, set } => {
                let is_watched = !fails;
                if is_watched {
                    self.watch(truth, shard, set.prefixes());
                }
                UpstreamNotice::Watched { version, is_watched }
            }
            UpstreamRequest::Presence { from, reports } => {
                self.report_presence(truth, reports, unix_us);
                UpstreamNotice::PresenceKnown { from }
            }
            UpstreamRequest::AskPresence { channel, askers } => {
                let list = Ok(self.list(truth.place(&channel)).into());
                UpstreamNotice::PresenceList { askers, list }
            }
            UpstreamRequest::Read { .. } => unreachable!("nobody asks for history here"),
        };
        self.feeds[shard].push_back(notice);
    }

    fn follow(&mut self, (channel, is_watched): (usize, bool), wanted: Older) -> Followed {
        let stream = &self.streams[channel];
        // What comes unasked comes behind the answer, too.
        let told = stream.partition_point(|message| message.seq <= self.told[channel]);
        let stream = if is_watched { &stream[..told] } else { stream };
        let head = stream.last().map_or(Seq(0), |last| last.seq);
        self.told[channel] = self.told[channel].max(head);
        let behind = |since: Seq| stream.partition_point(|message| message.seq <= since);
        let last = stream.len().saturating_sub(wanted.last);
        let first = wanted.since.map_or(stream.len(), behind).min(last);
        let mut first = first.max(stream.len().saturating_sub(wanted.messages));
        let bytes = |m: &Sequenced| m.publication.data.as_str().len();
        while stream[first..].iter().map(bytes).sum::<usize>() > wanted.bytes {
            first += 1;
        }
        let messages = stream[first..].to_vec();
        let after = messages.first().map_or(head, |first| first.prev);
        Followed { epoch: self.epoch, head, after, messages }
    }

    /// A while passes: some of what is open goes on, or `all` of it.
    pub(super) fn go_on(&mut self, truth: &mut Truth, homes: &[usize], unix_us: i64, all: bool) {
        self.expire_members(truth, unix_us);
        let some = |rng: &mut fastrand::Rng, len: usize| if all { len } else { rng.usize(..=len) };
        for _ in 0..some(&mut self.rng, self.open.len()) {
            let Some((shard, request)) = self.open.pop_front() else { break };
            self.handle(truth, shard, request, unix_us);
        }
        for _ in 0..some(&mut self.rng, self.live.len()) {
            let Some((channel, message)) = self.live.pop_front() else { break };
            self.told[channel] = self.told[channel].max(message.seq);
            let is_gone = self.fails && self.rng.u8(..30) == 0;
            let is_followed = self.followed.contains(&channel);
            let is_watched = self.is_watched(truth.channel_name(channel));
            if is_gone && is_watched {
                // The hub may not learn of it by the next one.
                let Sequenced { publication, seq: to, prev: after, .. } = message;
                let gap = UpstreamNotice::Gap { channel: publication.channel, after, to };
                self.feeds[homes[channel]].push_back(gap);
            } else if (is_followed || is_watched) && !is_gone {
                let message = UpstreamNotice::Message(Box::new(message.clone()));
                // Doubled, now and then.
                if self.rng.u8(..20) == 0 {
                    self.feeds[homes[channel]].push_back(copy(&message));
                }
                self.feeds[homes[channel]].push_back(message);
                if self.repeats && self.rng.u8(..4) == 0 {
                    let old = Box::new(self.streams[channel][0].clone());
                    self.feeds[homes[channel]].push_back(UpstreamNotice::Message(old));
                }
            }
        }
    }

    pub(super) fn is_watched(&self, name: &ChannelName) -> bool {
        let is_of = |of: &ChannelPrefix| {
            of.service == name.service() && name.as_str().starts_with(&*of.prefix)
        };
        self.watched.iter().flatten().any(is_of)
    }

    fn begin_epoch(&mut self, truth: &mut Truth) {
        self.epoch = Epoch(self.epoch.0 + 1_000_000);
        self.epochs += 1;
        self.seq = 0;
        self.streams.iter_mut().for_each(Vec::clear);
        self.live.clear();
        self.told.fill(Seq(0));
        self.followed.clear();
        self.taking_over.iter_mut().for_each(|taking_over| taking_over.seen = 0);
        truth.begin_lives(self.epoch);
        self.tell(UpstreamNotice::Epoch);
        self.tell_rosters_anew(truth);
    }

    /// The newest position of a channel.
    pub(super) fn head(&self, channel: usize) -> Seq {
        self.streams[channel].last().map_or(Seq(0), |last| last.seq)
    }

    fn tell(&mut self, notice: impl Fn(Epoch) -> UpstreamNotice) {
        let epoch = self.epoch;
        self.feeds.iter_mut().for_each(|feed| feed.push_back(notice(epoch)));
    }
}

fn copy(notice: &UpstreamNotice) -> UpstreamNotice {
    match notice {
        UpstreamNotice::Message(message) => UpstreamNotice::Message(message.clone()),
        _ => unreachable!("messages alone are doubled"),
    }
}

/// What subscribers get of a message.
fn encode(message: &Sequenced) -> Rc<Frame> {
    let Sequenced { publication, seq, prev, id, unix_us } = message;
    let stamp = Stamp { id: *id, unix_us: *unix_us };
    let prev = (prev.next() != *seq).then_some(*prev);
    let bytes = Encoder::default().broadcast(stamp, publication, *seq, prev);
    Rc::new(Frame::with_key(bytes, publication.key.clone(), *seq, Time(0), 0))
}

impl World {
    /// Publishes by another engine of the same order.
    pub(super) fn publish_outside(&mut self, publication: Publication) {
        let unix_us = self.now().unix_us;
        let Some(external) = &mut self.external else { return };
        let seq = external.append(&mut self.truth, publication, unix_us);
        self.note(|| format!("published outside: {seq}"));
    }

    /// The order goes on, and a shard is told some of what waits for it.
    pub(super) fn take_feed(&mut self, shard: usize, all: bool) {
        self.advance_order(all);
        let Some(external) = &mut self.external else { return };
        let most = if all { usize::MAX } else { external.rng.usize(..8) };
        for _ in 0..most {
            let hub = &mut self.hubs[shard];
            if !hub.wants_input() {
                return;
            }
            let Some(notice) = external.feeds[shard].pop_front() else { return };
            if let Some(notice) = hub.handle_upstream(notice) {
                assert!(!hub.has_room_for(&notice), "there is room for it");
                external.feeds[shard].push_front(notice);
                return;
            }
        }
    }

    /// The order goes on.
    pub(super) fn advance_order(&mut self, all: bool) {
        let unix_us = self.now().unix_us;
        let home = |channel| self.hubs[0].home_of(self.truth.channel_name(channel)).index();
        let homes: Vec<usize> = (0..self.plan.channels).map(home).collect();
        if let Some(external) = &mut self.external {
            external.go_on(&mut self.truth, &homes, unix_us, all);
        }
    }

    /// What a hub asks of the order is open.
    pub(super) fn take_questions(&mut self, shard: usize) {
        while let Some(request) = self.hubs[shard].poll_upstream() {
            self.note(|| format!("shard {shard} asks {request:?}"));
            let external = self.external.as_mut().expect("nobody is asked in other worlds");
            external.open.push_back((shard, request));
        }
    }

    /// Something happens to the order.
    pub(super) fn change_order(&mut self) {
        let Some(external) = &mut self.external else { return };
        match external.rng.u8(..60) {
            // Patterns are not told of what they have no member of.
            0 if external.fails && !self.plan.patterns => {
                external.begin_epoch(&mut self.truth);
                self.note(|| "another epoch".into());
            }
            1..4 => self.set_degraded(true),
            4..12 => self.set_degraded(false),
            _ => {}
        }
    }

    /// What was met of the order.
    pub(super) fn tally_order(&self, tally: &mut Tally, counted: &Counted) {
        use Count::{UpstreamRepeated, UpstreamUnwanted};
        let Some(external) = &self.external else { return };
        let counts = [UpstreamRepeated, UpstreamUnwanted];
        tally.extend(counts.map(|what| (what.label(), counted.count(what))));
        tally.insert("epochs", external.epochs);
        tally.insert("unanswered", external.unanswered);
        tally.insert("handovers given up", external.given_up);
        tally.insert("degraded", self.clients.iter().map(|client| client.degraded).sum());
    }

    /// Whether anything can be published.
    pub(super) fn set_degraded(&mut self, degraded: bool) {
        let Some(external) = &mut self.external else { return };
        if std::mem::replace(&mut external.degraded, degraded) != degraded {
            external.tell(|_| UpstreamNotice::Degraded(degraded.then_some("no_quorum")));
            self.note(|| format!("degraded: {degraded}"));
        }
    }
}
