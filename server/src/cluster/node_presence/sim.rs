//! A seeded simulation of nodes that keep presence together: they come, end, die and stand still;
//! messages are lost, late and doubled; publications fail, or are stored without a word of it.
//! `SIM_SEED=n` replays one seed, `SIM_SEEDS=n` runs that many.

mod handovers;

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use uringcast_engine::{Epoch, Member, PresenceList, RosterChange, Seq};
use uuid::Uuid;

use super::{NodeId, Output, Presence};

/// A part that is broken on purpose, and must be caught.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// A node that was gone for others goes on as if they had told nothing meanwhile.
    Absence,
    /// Events that failed count as told.
    Failures,
    /// The connections of dead nodes are kept.
    TheDead,
    /// The new home of a channel is not told of its subscribers.
    Moves,
    /// A home goes on from what it told before, though another one has told more. Nodes meet so too
    /// seldom here: a test of two finds it.
    Returns,
}

const SEEDS: u64 = 150;
const STEPS: usize = 400;
const CHANNELS: usize = 4;
const USERS: usize = 4;
/// After the last fault: for nodes to notice, agree and tell, and for members to be gone.
const REST: Duration = Duration::from_secs(40);

struct Node {
    presence: Presence<u64>,
    is_connected: bool,
    frozen_until: Duration,
    /// Its subscriptions.
    subscriptions: BTreeMap<(usize, Uuid), Option<Arc<str>>>,
}

enum Parcel {
    Message(NodeId, Vec<u8>),
    Outcome(NodeId, u64, Option<Seq>),
    /// The node's engine has an event.
    Saw(NodeId, Arc<str>, Seq),
}

/// What the subscribers of a channel know.
#[derive(Default)]
struct Told {
    seq: u64,
    members: BTreeSet<Member>,
}

struct World {
    rng: Rng,
    fault: Option<Fault>,
    now: Duration,
    nodes: BTreeMap<NodeId, Node>,
    parcels: Vec<(Duration, Parcel)>,
    told: Vec<Told>,
    made: u64,
    /// Of a hundred messages so many are lost, doubled or late.
    losses: u8,
    /// Of a hundred publications so many fail.
    failures: u8,
    lists: BTreeMap<u64, Option<PresenceList>>,
    steps: Vec<String>,
    joins: u64,
    leaves: u64,
    all: u64,
}

fn channel(place: usize) -> Arc<str> {
    format!("_.room-{place}").into()
}

impl World {
    fn new(seed: u64, fault: Option<Fault>) -> World {
        let mut rng = Rng::with_seed(seed);
        let losses = *rng.choice(&[0, 5, 20]).expect("some");
        let failures = *rng.choice(&[0, 5, 30]).expect("some");
        let mut world = World {
            rng,
            fault,
            now: Duration::from_secs(100),
            nodes: BTreeMap::new(),
            parcels: Vec::new(),
            told: (0..CHANNELS).map(|_| Told::default()).collect(),
            made: 0,
            losses,
            failures,
            lists: BTreeMap::new(),
            steps: Vec::new(),
            joins: 0,
            leaves: 0,
            all: 0,
        };
        (0..world.rng.usize(1..=3)).for_each(|_| _ = world.add_node());
        world
    }

    fn number(&mut self) -> u64 {
        self.made += 1;
        self.made
    }

    fn add_node(&mut self) -> NodeId {
        let id = NodeId(self.rng.u64(..));
        let mut presence = Presence::new(id, Epoch(7));
        presence.homes.fault = self.fault;
        presence.attendance.forgets_moves = self.fault == Some(Fault::Moves);
        presence.begin(self.now);
        let (is_connected, frozen_until) = (true, Duration::ZERO);
        let subscriptions = BTreeMap::new();
        let node = Node { presence, is_connected, frozen_until, subscriptions };
        self.nodes.insert(id, node);
        self.steps.push(format!("{:?} {id:?} begins", self.now));
        id
    }

    fn any_node(&mut self) -> Option<NodeId> {
        let all: Vec<NodeId> = self.nodes.keys().copied().collect();
        self.rng.choice(&all).copied()
    }

    fn step(&mut self) {
        let Some(id) = self.any_node() else {
            self.add_node();
            return;
        };
        let what = self.rng.u8(..100);
        match what {
            0..30 => self.enter(id),
            30..52 => self.leave(id),
            52..60 => _ = self.ask(id),
            60..62 if self.nodes.len() < 5 => _ = self.add_node(),
            // It says that it ends, or dies.
            62..64 => self.end(id, what == 62),
            64..66 => {
                let seconds = self.rng.u64(1..12);
                let node = self.nodes.get_mut(&id).expect("a node");
                node.frozen_until = self.now + Duration::from_secs(seconds);
                self.steps.push(format!("{:?} {id:?} is frozen for {seconds} s", self.now));
            }
            66..70 => {
                let now = self.now;
                let node = self.nodes.get_mut(&id).expect("a node");
                node.is_connected = !node.is_connected;
                let is_connected = node.is_connected;
                node.presence.set_connected(now, is_connected);
                self.steps.push(format!("{now:?} {id:?} is connected: {is_connected}"));
            }
            70..72 => self.hand_over(id),
            _ => {}
        }
        let pause = *self.rng.choice(&[1, 20, 300, 2_000]).expect("some");
        self.pass(Duration::from_millis(pause));
    }

    fn enter(&mut self, id: NodeId) {
        let (place, now) = (self.rng.usize(..CHANNELS), self.now);
        let user = self.rng.usize(..USERS + 2);
        let user = (user < USERS).then(|| Arc::from(format!("user-{user}")));
        let connection = Uuid::from_u128(u128::from(self.number()));
        let node = self.nodes.get_mut(&id).expect("a node");
        node.presence.enter(now, &channel(place), connection, user.clone());
        node.subscriptions.insert((place, connection), user.clone());
        self.steps.push(format!("{now:?} {id:?}: {connection} {user:?} enters {place}"));
    }

    fn ask(&mut self, id: NodeId) -> (u64, usize) {
        let (place, now, number) = (self.rng.usize(..CHANNELS), self.now, self.number());
        let node = self.nodes.get_mut(&id).expect("a node");
        node.presence.ask(now, &channel(place), number);
        (number, place)
    }

    /// Time passes, and everything goes on.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            self.run_nodes();
            if self.now >= end {
                return;
            }
            self.now = (self.now + Duration::from_millis(50)).min(end);
            let (due, later): (Vec<_>, Vec<_>) =
                std::mem::take(&mut self.parcels).into_iter().partition(|one| one.0 <= self.now);
            self.parcels = later;
            due.into_iter().for_each(|(_, parcel)| self.deliver(parcel));
        }
    }

    fn deliver(&mut self, parcel: Parcel) {
        let (Parcel::Message(to, _) | Parcel::Outcome(to, ..) | Parcel::Saw(to, ..)) = &parcel;
        let Some(node) = self.nodes.get_mut(to) else { return };
        if node.frozen_until > self.now {
            let until = node.frozen_until;
            return self.parcels.push((until, parcel));
        }
        match parcel {
            Parcel::Message(_, bytes) if node.is_connected => {
                node.presence.handle_bytes(self.now, &bytes, |_| true);
                assert_eq!(node.presence.faults().0, 0, "a message that is not understood");
            }
            Parcel::Message(..) => {}
            Parcel::Outcome(_, id, seq) => node.presence.handle_told(self.now, id, seq),
            Parcel::Saw(_, channel, seq) => node.presence.saw(&channel, seq),
        }
    }

    fn run_nodes(&mut self) {
        let ids: Vec<NodeId> = self.nodes.keys().copied().collect();
        for id in ids {
            let node = self.nodes.get_mut(&id).expect("a node");
            if node.frozen_until > self.now {
                continue;
            }
            node.presence.run(self.now);
            let outputs: Vec<_> = std::iter::from_fn(|| node.presence.poll_output()).collect();
            outputs.into_iter().for_each(|output| self.carry_out(id, output));
        }
    }

    fn carry_out(&mut self, id: NodeId, output: Output<u64>) {
        match output {
            Output::Answer(ask, list) => _ = self.lists.insert(ask, list),
            Output::Send(to, bytes) => {
                if !self.nodes[&id].is_connected {
                    return;
                }
                let all: Vec<NodeId> = self.nodes.keys().copied().collect();
                let is_to = |node: &NodeId| *node != id && to.is_none_or(|to| to == *node);
                for node in all.into_iter().filter(is_to) {
                    let mut copies = 1 + usize::from(self.rng.u8(..100) < self.losses / 2);
                    copies -= usize::from(self.rng.u8(..100) < self.losses);
                    for _ in 0..copies {
                        let is_late = self.rng.u8(..100) < self.losses / 2;
                        let wait = if is_late { self.rng.u64(..3_000) } else { 1 };
                        let at = self.now + Duration::from_millis(wait);
                        self.parcels.push((at, Parcel::Message(node, bytes.clone())));
                    }
                }
            }
            Output::Publish(telling) => {
                let fails = !self.nodes[&id].is_connected || self.rng.u8(..100) < self.failures;
                let seq = (!fails || self.rng.bool()).then(|| self.store(id, &telling));
                let seq = seq.filter(|_| !fails);
                let wait = self.rng.u64(1..if fails { 4_000 } else { 300 });
                let at = self.now + Duration::from_millis(wait);
                self.parcels.push((at, Parcel::Outcome(id, telling.id, seq)));
            }
        }
    }

    /// Subscribers everywhere are told.
    fn store(&mut self, by: NodeId, telling: &super::Telling) -> Seq {
        let seq = self.number();
        let place = (0..CHANNELS).find(|place| channel(*place) == telling.channel);
        let told = &mut self.told[place.expect("a channel")];
        told.seq = seq;
        match &telling.change {
            RosterChange::Join(member) => {
                self.joins += 1;
                told.members.insert(member.clone());
            }
            RosterChange::Leave(member) => {
                self.leaves += 1;
                told.members.remove(member);
            }
            RosterChange::Count => panic!("few are named"),
            RosterChange::List => {
                self.all += 1;
                told.members = names(telling.list.as_ref().expect("a list"));
            }
        }
        for node in self.nodes.keys() {
            let at = self.now + Duration::from_millis(self.rng.u64(1..500));
            self.parcels.push((at, Parcel::Saw(*node, Arc::clone(&telling.channel), Seq(seq))));
        }
        let (now, change, list) = (self.now, &telling.change, &telling.list);
        self.steps.push(format!("{now:?} {by:?} tells {place:?}: {change:?} {list:?} at {seq}"));
        Seq(seq)
    }

    /// Nothing fails any more: then what was told is true everywhere.
    fn judge(&mut self) {
        (self.losses, self.failures) = (0, 0);
        for node in self.nodes.values_mut() {
            node.frozen_until = Duration::ZERO;
            node.is_connected = true;
            node.presence.set_connected(self.now, true);
        }
        self.pass(REST);
        let mut asked = Vec::new();
        for id in self.nodes.keys().copied().collect::<Vec<_>>() {
            asked.push(self.ask(id));
        }
        self.pass(Duration::from_secs(2));
        for place in 0..CHANNELS {
            let mut there = BTreeSet::new();
            for node in self.nodes.values() {
                let known = node.presence.attendance.present().len();
                assert_eq!(known, node.subscriptions.len(), "subscriptions of a node");
                let of = node.subscriptions.iter().filter(|((of, _), _)| *of == place);
                there.extend(of.map(|((_, id), user)| match user {
                    Some(user) => Member::User(Arc::clone(user)),
                    None => Member::Connection(*id),
                }));
            }
            if !self.nodes.is_empty() && !there.is_empty() {
                assert_eq!(self.told[place].members, there, "told of channel {place}");
            }
        }
        for (ask, place) in asked {
            let list = self.lists.get(&ask).expect("an answer").as_ref().expect("a list");
            let told = &self.told[place];
            if !told.members.is_empty() && list.count > 0 {
                assert_eq!((names(list), list.seq.0), (told.members.clone(), told.seq));
            }
        }
    }
}

fn names(list: &PresenceList) -> BTreeSet<Member> {
    list.members.iter().flatten().map(|present| present.member.clone()).collect()
}

fn run(seed: u64, fault: Option<Fault>) -> Result<(u64, u64), String> {
    let mut world = World::new(seed, fault);
    let ended = catch_unwind(AssertUnwindSafe(|| {
        (0..STEPS).for_each(|_| world.step());
        world.judge();
    }));
    let text = |fault: Box<dyn std::any::Any + Send>| {
        let text = fault.downcast_ref::<String>().cloned().unwrap_or_default();
        let last = world.steps.len().saturating_sub(60);
        format!("{}\nseed {seed}: {text}", world.steps[last..].join("\n"))
    };
    ended.map_err(text).map(|()| (world.joins, world.all))
}

#[test]
fn at_rest_everybody_knows_who_is_subscribed_at_any_node() {
    let setting = |name: &str| std::env::var(name).ok().map(|text| text.parse().expect("a number"));
    let seeds = match setting("SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..setting("SIM_SEEDS").unwrap_or(SEEDS),
    };
    let mut met = (0, 0);
    for seed in seeds {
        match run(seed, None) {
            Ok((joins, lists)) => met = (met.0 + joins, met.1 + lists),
            Err(failure) => panic!("{failure}"),
        }
    }
    assert!(met.0 > 0 && met.1 > 0, "{met:?}");
}

#[test]
fn planted_faults_are_caught() {
    for fault in [Fault::Absence, Fault::Failures, Fault::TheDead, Fault::Moves] {
        assert!((0..SEEDS).any(|seed| run(seed, Some(fault)).is_err()), "{fault:?} is not noticed");
    }
}
