use uringcast_engine::RosterChange;

use super::node_message::{Message, Report, Reports};
use super::sim::Fault;
use super::*;
use crate::cluster::subjects::fnv1a;
use crate::limits::{PRESENCE_ASK_PATIENCE, PRESENCE_BEAT, PRESENCE_NODES};

/// A node in a cluster of so many others, each of which knows as many: this one and the rest of
/// them, or if there is no room for it all of the others.
struct Crowd {
    node: Presence<u8>,
    others: Vec<NodeId>,
    view: u64,
    now: Duration,
    sent: Vec<(Option<NodeId>, Message)>,
    published: Vec<Arc<str>>,
    answers: Vec<Option<PresenceList>>,
}

impl Crowd {
    fn new(others: usize) -> Crowd {
        let me = NodeId(0);
        let others: Vec<_> = (1..=others as u64).map(NodeId).collect();
        let all = others.iter().copied();
        let mut known = Members::new(others[0]);
        let has_room = others.len() <= PRESENCE_NODES;
        for other in all.skip(1).chain(has_room.then_some(me)) {
            known.handle_beat(Duration::ZERO, other, 0);
        }
        let (node, view, now) = (Presence::new(me, Epoch(7)), known.view(), Duration::ZERO);
        let (sent, published, answers) = (Vec::new(), Vec::new(), Vec::new());
        Crowd { node, others, view, now, sent, published, answers }
    }

    fn hear(&mut self, message: &Message) {
        self.node.handle_bytes(self.now, &message.encode(), |_| true);
        self.run();
    }

    fn run(&mut self) {
        self.node.run(self.now);
        while let Some(output) = self.node.poll_output() {
            match output {
                Output::Send(to, bytes) => {
                    self.sent.extend(Message::parse(&bytes, |_| true).map(|one| (to, one)));
                }
                Output::Publish(telling) => {
                    self.node.handle_told(self.now, telling.id, Some(Seq(1)));
                    self.published.push(telling.channel);
                }
                Output::Answer(_, list) => self.answers.push(list),
            }
        }
    }

    /// All others say each second that they are there, and that they have nothing to report.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.now += PRESENCE_BEAT;
            for from in self.others.clone() {
                self.hear(&Message::Beat { from, view: self.view, lacks: Vec::new() });
            }
            for from in self.others.clone() {
                self.report(from, 0, Vec::new());
            }
        }
    }

    /// The other nodes send nothing for so long.
    fn wait(&mut self, seconds: u64) {
        let end = self.now + Duration::from_secs(seconds);
        while self.now < end {
            self.now += PRESENCE_TICK;
            self.run();
        }
    }

    /// The others know what they were told.
    fn know_all(&mut self) {
        while !self.sent.is_empty() {
            for (to, message) in std::mem::take(&mut self.sent) {
                if let (Some(from), Message::Reports(reports)) = (to, message) {
                    let Reports { session, number, .. } = reports;
                    self.hear(&Message::Known { from, session, number });
                }
            }
        }
    }

    fn report(&mut self, from: NodeId, number: u64, reports: Vec<Report>) {
        let (session, is_new, whole) = (1, true, Some(self.view));
        let reports = Reports { from, session, number, is_new, whole, reports };
        self.hear(&Message::Reports(reports));
    }
}

/// A channel that has a node as its home, where these are there.
fn channel_of(node: NodeId, members: &Members) -> Arc<str> {
    let channels = (0..).map(|n| format!("_.room-{n}"));
    let is_its = |channel: &String| members.home(fnv1a(channel.bytes())) == node;
    channels.filter(is_its).map(Arc::from).next().unwrap()
}

#[test]
fn a_node_that_the_others_have_no_room_for_tells_nothing_in_their_place() {
    for (others, is_in) in [(PRESENCE_NODES, true), (PRESENCE_NODES + 1, false)] {
        let mut crowd = Crowd::new(others);
        crowd.node.begin(crowd.now);
        crowd.pass(Duration::from_secs(1));
        let channel = channel_of(NodeId(0), &crowd.node.members);
        crowd.node.enter(crowd.now, &channel, Uuid::from_u128(1), None);
        crowd.node.ask(crowd.now, &channel, 1);
        crowd.pass(2 * PRESENCE_PATIENCE.max(PRESENCE_ASK_PATIENCE));
        assert_eq!(crowd.published.contains(&channel), is_in, "{others} others");
        let answered: Vec<_> = crowd.answers.iter().map(Option::is_some).collect();
        assert_eq!(answered, [is_in], "{others} others");
    }
}

#[test]
fn a_node_beyond_the_bound_is_not_answered_and_takes_nothing_from_others() {
    let mut crowd = Crowd::new(PRESENCE_NODES);
    crowd.node.begin(crowd.now);
    crowd.pass(Duration::from_secs(5));
    let channel = channel_of(NodeId(0), &crowd.node.members);
    let entered = |n| vec![Report::Entered(channel.to_string(), Uuid::from_u128(n), None)];
    crowd.report(NodeId(1), 1, entered(1));
    let further = NodeId(1 << 32);
    crowd.sent.clear();
    crowd.hear(&Message::Beat { from: further, view: 1, lacks: vec![NodeId(0)] });
    crowd.report(further, 0, entered(2));
    assert!(crowd.sent.iter().all(|(to, _)| *to != Some(further)), "{:?}", crowd.sent);
    crowd.node.ask(crowd.now, &channel, 1);
    crowd.run();
    let [Some(list)] = &crowd.answers[..] else { panic!("{:?}", crowd.answers) };
    assert_eq!((list.count, list.connections), (1, 1));
}

#[test]
fn who_has_left_while_another_node_was_the_home_is_gone_where_the_home_is_again() {
    let mut crowd = Crowd::new(1);
    let other = crowd.others[0];
    let mut both = Members::new(NodeId(0));
    both.handle_beat(Duration::ZERO, other, 0);
    let (channel, connection) = (channel_of(other, &both), Uuid::from_u128(1));
    crowd.node.enter(crowd.now, &channel, connection, None);
    crowd.wait(4);
    assert_eq!(crowd.published, [Arc::clone(&channel)], "alone it is the home");
    // They do not agree: it keeps the roster.
    crowd.hear(&Message::Beat { from: other, view: 1, lacks: Vec::new() });
    crowd.know_all();
    crowd.node.leave(&channel, connection, PresenceEnd::Unsubscribed);
    crowd.run();
    crowd.know_all();
    crowd.hear(&Message::Bye { from: other });
    crowd.wait(4);
    crowd.node.ask(crowd.now, &channel, 1);
    crowd.run();
    let [Some(list)] = &crowd.answers[..] else { panic!("{:?}", crowd.answers) };
    assert_eq!(list.connections, 0);
}

/// Two nodes; what they publish is stored at once.
struct Pair {
    nodes: [Presence<u8>; 2],
    now: Duration,
    /// Neither hears the other.
    are_apart: bool,
    told: Vec<(usize, RosterChange)>,
}

impl Pair {
    fn run(&mut self, place: usize) {
        self.nodes[place].run(self.now);
        while let Some(output) = self.nodes[place].poll_output() {
            match output {
                Output::Send(_, bytes) if !self.are_apart => {
                    self.nodes[1 - place].handle_bytes(self.now, &bytes, |_| true);
                }
                Output::Publish(telling) => {
                    self.told.push((place, telling.change));
                    let seq = Seq(self.told.len() as u64);
                    self.nodes[place].handle_told(self.now, telling.id, Some(seq));
                }
                Output::Send(..) | Output::Answer(..) => {}
            }
        }
    }

    fn pass(&mut self, seconds: u64) {
        let end = self.now + Duration::from_secs(seconds);
        while self.now < end {
            self.now += PRESENCE_TICK;
            self.run(0);
            self.run(1);
        }
    }
}

/// Returns what the second node tells of its channel once it has met the first one, which has told
/// something of it in the meantime and has no subscribers of it any more.
fn told_after_meeting(fault: Option<Fault>) -> Vec<(usize, RosterChange)> {
    let ids = [NodeId(1), NodeId(2)];
    let nodes = ids.map(|id| Presence::new(id, Epoch(7)));
    let mut pair = Pair { nodes, now: Duration::ZERO, are_apart: true, told: Vec::new() };
    for node in &mut pair.nodes {
        node.homes.fault = fault;
        node.begin(Duration::ZERO);
    }
    pair.pass(3);
    let mut members = Members::new(ids[0]);
    members.handle_beat(pair.now, ids[1], 0);
    let channel = channel_of(ids[1], &members);
    for (place, user) in [(1, "ann"), (0, "bob")] {
        let connection = Uuid::from_u128(place as u128);
        pair.nodes[place].enter(pair.now, &channel, connection, Some(user.into()));
        pair.pass(1);
    }
    pair.nodes[0].leave(&channel, Uuid::from_u128(0), PresenceEnd::Unsubscribed);
    pair.pass(1);
    assert_eq!(pair.told, [(1, RosterChange::List), (0, RosterChange::List)]);
    pair.are_apart = false;
    pair.pass(6);
    pair.told.split_off(2)
}

#[test]
fn a_home_tells_all_anew_when_another_node_has_told_of_its_channel() {
    assert_eq!(told_after_meeting(None), [(1, RosterChange::List)]);
    assert_eq!(told_after_meeting(Some(Fault::Returns)), [], "a planted fault is not noticed");
}
