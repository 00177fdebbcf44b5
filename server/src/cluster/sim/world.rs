//! Nodes, the stream, and what happens to everything between them.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;

use super::answers::READ;
use super::met::Met;
use super::node::Node;
use super::plan::{Plan, Sabotage};
use super::stream::{MAX_AGE, Stream};
use super::witness::Witness;
use crate::cluster::chain::{Message, Step};
use crate::cluster::stream_view::{Answer, Event, Kept, Question, QuestionId};

/// Steps that a failure prints.
const PRINTED: usize = 60;

/// Something on its way.
#[derive(Debug)]
enum Parcel {
    Live { channel: Arc<str>, message: Message },
    Question { id: QuestionId, question: Question },
    Answer { id: QuestionId, answer: Answer },
    Election,
}

pub(super) struct World {
    pub(super) plan: Plan,
    pub(super) rng: Rng,
    pub(super) now: Duration,
    pub(super) stream: Stream,
    /// The branch in which each life of the stream began.
    pub(super) lives: HashMap<u64, usize>,
    pub(super) has_quorum: bool,
    channels: Vec<Arc<str>>,
    pub(super) kept: Kept,
    pub(super) nodes: Vec<Node>,
    due: BinaryHeap<Reverse<(Duration, u64)>>,
    parcels: HashMap<u64, (usize, Parcel)>,
    sent: u64,
    is_calm: bool,
    pub(super) met: Met,
    steps: VecDeque<String>,
}

impl World {
    pub(super) fn new(plan: Plan) -> World {
        let messages = if plan.per_channel == 0 { usize::MAX } else { plan.per_channel };
        let kept = Kept { age: MAX_AGE, messages: messages.min(READ) };
        World {
            plan,
            rng: Rng::with_seed(plan.seed ^ 0x5eed),
            now: Duration::ZERO,
            stream: Stream::new(plan.per_channel),
            lives: HashMap::from([(1, 0)]),
            has_quorum: true,
            channels: (0..plan.channels).map(|n| format!("channel:{n}").into()).collect(),
            kept,
            nodes: (0..plan.nodes).map(|_| Node::new(kept)).collect(),
            due: BinaryHeap::new(),
            parcels: HashMap::new(),
            sent: 0,
            is_calm: false,
            met: Met::default(),
            steps: VecDeque::new(),
        }
    }

    pub(super) fn last_steps(&self) -> String {
        let mut text = format!("{:?}\n", self.plan);
        self.steps.iter().for_each(|step| writeln!(text, "  {step}").expect("a string"));
        text
    }

    pub(super) fn note(&mut self, what: impl FnOnce() -> String) {
        if self.steps.len() == PRINTED {
            self.steps.pop_front();
        }
        self.steps.push_back(format!("{:>9.3} {}", self.now.as_secs_f64(), what()));
    }

    pub(super) fn chance(&mut self, of_hundred: u8) -> bool {
        !self.is_calm && self.rng.u8(..100) < of_hundred
    }

    pub(super) fn run(&mut self, steps: usize) -> Met {
        for _ in 0..steps {
            self.step();
        }
        self.finish();
        std::mem::take(&mut self.met)
    }

    pub(super) fn step(&mut self) {
        let channel = self.rng.choice(&self.channels).expect("some").clone();
        let node = self.rng.usize(..self.nodes.len());
        match self.rng.u32(..1_000) {
            0..600 => self.publish(&channel),
            600..680 => self.join_or_leave(node, &channel),
            680..690 if self.plan.is_rough => self.reconnect(node),
            690..700 if self.plan.is_rough => self.elect(),
            700..705 if self.plan.is_rough => self.has_quorum = !self.has_quorum,
            705..715 if self.plan.is_rough => self.restart_replica(),
            715..720 if self.plan.has_purges => {
                self.note(|| format!("purge {channel}"));
                self.stream.purge(&channel, self.now);
                self.met.count("purges", 1);
            }
            720..722 if self.plan.has_lives => self.recreate(),
            722..724 if self.plan.has_lives => self.roll_back(),
            728..732 if self.plan.watches => self.watch(node),
            732..740 if self.plan.hands_over => self.hand_over(node),
            724..728 => {
                let seconds = self.rng.u64(1..150);
                self.pass(Duration::from_secs(seconds));
            }
            _ => {
                let micros = self.rng.u64(..30_000);
                self.pass(Duration::from_micros(micros));
            }
        }
    }

    fn publish(&mut self, channel: &Arc<str>) {
        if !self.has_quorum {
            return;
        }
        self.stream.age(self.now);
        let message = self.stream.publish(channel, self.now);
        self.note(|| format!("publish {channel} {} behind {}", message.seq, message.prev));
        for node in 0..self.nodes.len() {
            if !self.nodes[node].is_connected || self.chance(self.plan.losses) {
                self.met.count("lost", 1);
                continue;
            }
            for _ in 0..=u8::from(self.chance(self.plan.late)) {
                let late = self.plan.late;
                let most = match self.chance(late) {
                    true => 400_000,
                    // All at once, in order.
                    false if late == 0 => 1,
                    false => 1_000,
                };
                let parcel = Parcel::Live { channel: channel.clone(), message: message.clone() };
                self.send(node, most, parcel);
            }
        }
        if self.rng.bool() {
            self.nodes[0].view.handle_acknowledged(message.seq);
        }
    }

    fn send(&mut self, node: usize, most_us: u64, parcel: Parcel) {
        self.sent += 1;
        let at = self.now + Duration::from_micros(self.rng.u64(..most_us));
        self.due.push(Reverse((at, self.sent)));
        self.parcels.insert(self.sent, (node, parcel));
    }

    fn join_or_leave(&mut self, node: usize, channel: &Arc<str>) {
        let branch = self.lives.get(&self.nodes[node].epoch).copied().unwrap_or(0);
        let Node { view, witnesses, .. } = &mut self.nodes[node];
        if witnesses.contains_key(channel) {
            view.leave(channel);
            // Patterns may want what is yet to come.
            if !view.has_begun(channel) {
                witnesses.remove(channel);
            }
            self.note(|| format!("node {node} leaves {channel}"));
        } else {
            assert!(view.join(channel), "there is room");
            witnesses.insert(channel.clone(), Witness::new(channel, branch));
            self.note(|| format!("node {node} joins {channel}"));
        }
        self.settle(node);
    }

    fn reconnect(&mut self, node: usize) {
        let is_connected = !self.nodes[node].is_connected;
        self.nodes[node].is_connected = is_connected;
        self.note(|| format!("node {node} connected: {is_connected}"));
        if is_connected {
            self.met.count("reconnects", 1);
            self.nodes[node].view.handle_out_of_touch(self.now);
        }
        // What was on its way to it is lost.
        let of_node =
            |of: usize, parcel: &Parcel| of == node && matches!(parcel, Parcel::Live { .. });
        self.parcels.retain(|_, (of, parcel)| !of_node(*of, parcel));
        self.settle(node);
    }

    fn elect(&mut self) {
        self.met.count("elections", 1);
        // What the old leader had not passed on is lost for all.
        let live = self.parcels.iter().filter(|(_, (_, p))| matches!(p, Parcel::Live { .. }));
        let live: Vec<_> = live.map(|(number, _)| *number).collect();
        if self.rng.bool() {
            live.iter().for_each(|number| drop(self.parcels.remove(number)));
        }
        let replica = self.rng.usize(1..3);
        self.stream.replicate(replica, u64::MAX >> 1);
        self.stream.replicas.swap(0, replica);
        self.note(|| "election".into());
        (0..self.nodes.len()).for_each(|node| self.send(node, 50_000, Parcel::Election));
    }

    fn restart_replica(&mut self) {
        let replica = self.rng.usize(1..3);
        let behind = self.rng.u64(..40);
        let at = &mut self.stream.replicas[replica];
        *at = at.saturating_sub(behind);
        self.note(|| format!("replica {replica} falls {behind} behind"));
    }

    fn recreate(&mut self) {
        self.met.count("streams made anew", 1);
        // Its messages have later times than those before it.
        self.pass(Duration::from_millis(1));
        self.note(|| "another stream".into());
        self.stream.recreate(self.now);
        self.lives.insert(self.stream.epoch, self.stream.branches.len() - 1);
    }

    fn roll_back(&mut self) {
        let messages = self.rng.u64(..20);
        self.met.count("rolled back", 1);
        self.note(|| format!("rolled back by {messages}"));
        self.stream.roll_back(messages);
        // Its servers were restarted: that takes a while.
        let connected = |node: &usize| self.nodes[*node].is_connected;
        let all: Vec<_> = (0..self.nodes.len()).filter(connected).collect();
        all.iter().for_each(|node| self.reconnect(*node));
        let seconds = self.rng.u64(3..20);
        self.pass(Duration::from_secs(seconds));
        all.iter().for_each(|node| self.reconnect(*node));
    }

    /// What is on its way to a node, or from it, is lost, or only some of what is published.
    pub(super) fn lose_parcels(&mut self, node: usize) {
        let loses = self.rng.bool();
        let rng = &mut self.rng;
        self.parcels.retain(|_, (of, parcel)| match parcel {
            _ if *of != node => true,
            Parcel::Live { .. } => !loses || rng.bool(),
            Parcel::Question { .. } | Parcel::Answer { .. } => false,
            Parcel::Election => true,
        });
    }

    /// Lets all happen that is due within this time.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            (0..self.nodes.len()).for_each(|node| self.settle(node));
            let parcel = self.due.peek().map(|Reverse((at, _))| *at);
            let node = self.nodes.iter().filter_map(|node| node.view.next_due()).min();
            let Some(next) = [parcel, node].into_iter().flatten().min().filter(|at| *at <= end)
            else {
                break;
            };
            self.now = self.now.max(next);
            while self.due.peek().is_some_and(|Reverse((at, _))| *at <= self.now) {
                let Some(Reverse((_, number))) = self.due.pop() else { break };
                if let Some((node, parcel)) = self.parcels.remove(&number) {
                    self.arrive(node, parcel);
                }
            }
        }
        self.now = end;
    }

    fn arrive(&mut self, node: usize, parcel: Parcel) {
        match parcel {
            Parcel::Live { channel, mut message } => {
                if self.plan.sabotage == Some(Sabotage::NoPrevious) {
                    message.prev = 0;
                }
                if self.plan.sabotage == Some(Sabotage::HastyAppearance)
                    && !self.nodes[node].view.follows(&channel)
                {
                    // As if nothing was before it but what it has.
                    message.prev = 1;
                }
                self.nodes[node].view.handle_live(self.now, &channel, message);
            }
            Parcel::Election if !self.nodes[node].is_connected => {}
            Parcel::Election => self.nodes[node].view.handle_election(self.now),
            Parcel::Question { id, question } => {
                let answer = self.answer(node, question);
                self.send(node, 3_000, Parcel::Answer { id, answer });
            }
            Parcel::Answer { id, answer } => {
                self.nodes[node].view.handle_answer(self.now, id, answer);
            }
        }
        self.settle(node);
    }

    /// Takes what a node has decided, and sends what it asks.
    pub(super) fn settle(&mut self, node: usize) {
        self.begin_patterns(node);
        while let Some(event) = self.nodes[node].view.poll_event() {
            self.note(|| format!("node {node}: {event:?}"));
            self.witness(node, event);
        }
        while let Some((id, question)) = self.nodes[node].view.poll_question(self.now) {
            self.send(node, 3_000, Parcel::Question { id, question });
        }
    }

    fn witness(&mut self, node: usize, event: Event) {
        let Node { view, witnesses, epoch, patterns, .. } = &mut self.nodes[node];
        let branch = self.lives.get(epoch).copied().unwrap_or(0);
        match event {
            Event::Epoch(of) => {
                *epoch = of;
                let branch = self.lives.get(&of).copied().expect("a life of the stream");
                patterns.iter_mut().for_each(|patterns| patterns.handle_epoch(view.floor()));
                witnesses.values_mut().for_each(|witness| witness.handle_epoch(branch));
            }
            Event::Channel { channel, step } => {
                let is_gap = matches!(step, Step::Gap { .. });
                if is_gap && self.plan.sabotage == Some(Sabotage::SilentGaps) {
                    return;
                }
                if let Some(patterns) = patterns.as_mut().filter(|some| some.want(&channel)) {
                    // What is rolled back and not noticed yet says nothing of what is missing.
                    let is_present = branch + 1 == self.stream.branches.len();
                    patterns.handle(&channel, &step, is_present.then_some(&self.stream));
                }
                if let Step::Begin { .. } = step
                    && !witnesses.contains_key(&channel)
                {
                    self.met.count("appearances", 1);
                    witnesses.insert(channel.clone(), Witness::new(&channel, branch));
                }
                let witness = witnesses.get_mut(&channel).expect("a channel that has begun");
                let seen = witness.handle(&step, self.now, &self.stream);
                assert!(!is_gap || !self.plan.loses_nothing(), "a gap without a reason");
                self.met.count("deliveries", seen.deliveries);
                self.met.count("gaps", seen.gaps);
                self.met.count("messages in gaps", seen.missed);
            }
        }
    }

    fn finish(&mut self) {
        self.note(|| "the end".into());
        (self.is_calm, self.has_quorum) = (true, true);
        for node in 0..self.nodes.len() {
            if !self.nodes[node].is_connected {
                self.reconnect(node);
            }
        }
        self.pass(Duration::from_secs(100));
        self.nodes.iter().for_each(|node| node.finish(&self.stream, &mut self.met));
    }
}
