//! Presence over all nodes: the subscribers, at whichever node.
//!
//! Each channel has one **home** among the nodes that are there (`peer_nodes`): it keeps the
//! channel's roster (`roster_homes`, `kept`) and publishes what changes in it as messages of the
//! channel. Every node reports its own subscribers to homes (`attendance`, `tie`), beside the
//! streams (`node_message`). While the nodes do not agree which they are, or a home may not know
//! all subscribers, it tells nothing.
//!
//! All of it is pure: [`Presence::run`] and the `handle` methods change the state, and
//! [`Presence::poll_output`] gives what is to be done.

mod attendance;
mod kept;
mod node_message;
mod peer_nodes;
mod roster_homes;
#[cfg(test)]
mod sim;
#[cfg(test)]
mod tests;
mod tie;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use uringcast_engine::{Epoch, PresenceEnd, PresenceList, Reply, Seq, Unavailable};
use uuid::Uuid;

use attendance::Attendance;
use node_message::Message;
pub(crate) use peer_nodes::NodeId;
use peer_nodes::{Members, Missed};
pub(crate) use roster_homes::Telling;
use roster_homes::{Answer, Homes, Received};

use crate::limits::{PRESENCE_PATIENCE, PRESENCE_ROSTERS, PRESENCE_TICK};

/// Something to be done.
#[derive(Debug)]
pub(crate) enum Output<T> {
    /// A message to a node, or to all others.
    Send(Option<NodeId>, Vec<u8>),
    /// An event to be published; its outcome goes to [`Presence::handle_told`].
    Publish(Telling),
    /// The list of members, for a question; `None` where no node can give it.
    Answer(T, Option<PresenceList>),
}

/// Presence as a node has it: each question is answered by the engine's own means.
pub(crate) type EnginePresence = Presence<Reply<Result<PresenceList, Unavailable>>>;

/// A node's part in presence. `T` answers a question.
#[derive(Debug)]
pub(crate) struct Presence<T> {
    members: Members,
    attendance: Attendance<T>,
    homes: Homes,
    /// Since when nodes do not agree, or have not told everything.
    unsettled: Option<Duration>,
    /// The nodes that were there when they agreed last.
    settled_view: Option<u64>,
    is_degraded: bool,
    next_tick: Duration,
    outputs: VecDeque<Output<T>>,
    /// Messages that no node would have sent.
    bad: u64,
}

impl<T> Presence<T> {
    /// Of a node that is called so, in this epoch of its channels.
    pub(crate) fn new(me: NodeId, epoch: Epoch) -> Presence<T> {
        let mut homes = Homes::new(PRESENCE_ROSTERS);
        homes.begin_epoch(epoch);
        Presence {
            members: Members::new(me),
            attendance: Attendance::new(me, epoch),
            homes,
            unsettled: None,
            settled_view: None,
            is_degraded: false,
            next_tick: Duration::ZERO,
            outputs: VecDeque::new(),
            bad: 0,
        }
    }

    /// The node takes part from now on, as presence is kept somewhere.
    pub(crate) fn begin(&mut self, now: Duration) {
        if self.members.begin(now) {
            self.rehome();
        }
    }

    // What this node's engine tells.

    /// A connection has subscribed to a channel, as this user.
    pub(crate) fn enter(
        &mut self,
        now: Duration,
        channel: &Arc<str>,
        connection: Uuid,
        user: Option<Arc<str>>,
    ) {
        self.begin(now);
        self.attendance.enter(&self.members, channel, connection, user);
    }

    /// It counts no more.
    pub(crate) fn leave(&mut self, channel: &Arc<str>, connection: Uuid, why: PresenceEnd) {
        match why {
            PresenceEnd::HandedOver => self.attendance.hand_over(channel, connection),
            PresenceEnd::Ended => self.attendance.leave(channel, connection, true),
            PresenceEnd::Unsubscribed => self.attendance.leave(channel, connection, false),
        }
    }

    /// The engine has been given an event of presence, at this position.
    pub(crate) fn saw(&mut self, channel: &str, seq: Seq) {
        self.attendance.saw(channel, seq);
    }

    /// The engine asks for the members of a channel.
    pub(crate) fn ask(&mut self, now: Duration, channel: &Arc<str>, of: T) {
        self.begin(now);
        if self.is_degraded {
            return self.outputs.push_back(Output::Answer(of, None));
        }
        self.attendance.ask(now, &self.members, channel, of);
    }

    // What comes from elsewhere.

    /// A message of another node. `is_channel` knows the tokens of channels.
    pub(crate) fn handle_bytes(
        &mut self,
        now: Duration,
        bytes: &[u8],
        is_channel: impl Fn(&str) -> bool,
    ) {
        match Message::parse(bytes, is_channel) {
            Some(message) if self.members.has_begun() => self.handle(now, message),
            Some(_) => {}
            None => self.bad += 1,
        }
    }

    /// Whether there is a connection to the servers.
    pub(crate) fn set_connected(&mut self, now: Duration, is_connected: bool) {
        self.members.set_connected(now, is_connected);
    }

    /// Whether nothing can be published.
    pub(crate) fn set_degraded(&mut self, now: Duration, is_degraded: bool) {
        if std::mem::replace(&mut self.is_degraded, is_degraded) != is_degraded && is_degraded {
            self.give_up(now, true);
        }
    }

    /// Positions of another epoch are over.
    pub(crate) fn begin_epoch(&mut self, epoch: Epoch) {
        self.attendance.begin_epoch(epoch);
        self.homes.begin_epoch(epoch);
    }

    /// The outcome of an event: its position, if it is known to be published.
    pub(crate) fn handle_told(&mut self, now: Duration, id: u64, seq: Option<Seq>) {
        self.homes.handle_told(now, id, seq);
    }

    /// The message by which the node says that it ends.
    pub(crate) fn bye(&self) -> Option<Vec<u8>> {
        let from = self.members.me();
        self.members.has_begun().then(|| Message::Bye { from }.encode())
    }

    /// Messages that no node would have sent, and subscribers that there was no room for.
    pub(crate) fn faults(&self) -> (u64, u64) {
        (self.bad, self.homes.refused)
    }

    // What is to be done.

    /// Whether what happens now is told at once, as far as this node knows; or the node takes no
    /// part.
    pub(crate) fn is_at_rest(&self, now: Duration) -> bool {
        !self.members.has_begun() || self.is_settled(now)
    }

    /// When to run again if nothing happens before.
    pub(crate) fn next_due(&self) -> Option<Duration> {
        self.members.has_begun().then_some(self.next_tick)
    }

    /// Decides what is to be done now.
    pub(crate) fn run(&mut self, now: Duration) {
        if !self.members.has_begun() {
            return;
        }
        if now >= self.next_tick {
            self.next_tick = now + PRESENCE_TICK;
            self.handle_timers(now);
        }
        while self.step(now) {}
    }

    /// Returns whether more may be to be done.
    fn step(&mut self, now: Duration) -> bool {
        if let Some(missed) = self.members.take_missed() {
            if missed == Missed::Absence {
                self.homes.lose_sight();
            }
            self.homes.doubt_all();
            self.attendance.begin_again(self.members.me());
        }
        self.report(now);
        let is_settled = self.is_settled(now);
        if is_settled && self.settled_view != Some(self.members.view()) {
            self.settled_view = Some(self.members.view());
            self.homes.give_up_others(&self.members);
        }
        let may_wait = !is_settled && self.members.has_listened(now);
        self.unsettled = may_wait.then(|| self.unsettled.unwrap_or(now));
        let is_over = self.unsettled.is_some_and(|since| now >= since + PRESENCE_PATIENCE);
        let may_tell = is_settled || is_over && !self.members.is_crowded(now);
        if may_tell && !self.is_degraded {
            loop {
                let tellings = self.homes.poll_tellings(now, &self.members, is_settled);
                if tellings.is_empty() {
                    break;
                }
                self.outputs.extend(tellings.into_iter().map(Output::Publish));
            }
        }
        let mut has_answered = false;
        while let Some(answer) = self.homes.poll_answer() {
            has_answered = true;
            self.answer(now, answer);
        }
        has_answered
    }

    /// The next thing to be done.
    pub(crate) fn poll_output(&mut self) -> Option<Output<T>> {
        self.outputs.pop_front()
    }

    fn handle(&mut self, now: Duration, message: Message) {
        match message {
            Message::Beat { from, view, lacks } => {
                if self.members.handle_beat(now, from, view) {
                    self.rehome();
                }
                self.homes.handle_view(from, view);
                let has_told = self.attendance.has_told(from, self.members.view());
                if lacks.contains(&self.members.me()) && has_told {
                    self.attendance.begin_again(from);
                }
            }
            Message::Bye { from } => {
                if self.members.handle_bye(now, from) {
                    self.lose(now, &[from]);
                }
            }
            Message::Reports(reports) => {
                let (from, session, number) = (reports.from, reports.session, reports.number);
                if !self.members.has(from) {
                    return;
                }
                let me = self.members.me();
                let answer = match self.homes.handle_reports(now, &self.members, reports) {
                    Received::Known => Message::Known { from: me, session, number },
                    Received::Unknown => Message::Unknown { from: me, session },
                    Received::Stale => return,
                };
                self.send(now, from, answer);
            }
            Message::Known { from, session, number } => {
                if let Some(tie) = self.attendance.tie(from) {
                    tie.handle_known(session, number);
                }
            }
            Message::Unknown { from, session } => {
                if self.attendance.tie(from).is_some_and(|tie| tie.is_unknown(session)) {
                    self.attendance.begin_again(from);
                }
            }
            Message::List { ask, channel, list, .. } => {
                let list = PresenceList::from(list);
                for of in self.attendance.handle_list(now, &channel, (ask, list.epoch, list.seq)) {
                    self.outputs.push_back(Output::Answer(of, Some(list.clone())));
                }
            }
        }
    }

    fn send(&mut self, now: Duration, to: NodeId, message: Message) {
        if to == self.members.me() {
            return self.handle(now, message);
        }
        self.outputs.push_back(Output::Send(Some(to), message.encode()));
    }

    /// Tells homes what they do not know.
    fn report(&mut self, now: Duration) {
        let (me, view) = (self.members.me(), self.members.view());
        // An event that is still published of a channel that is another node's now may come behind
        // what that one tells.
        let may_be_whole = !self.homes.interferes(&self.members);
        for home in self.attendance.homes() {
            if home != me && !self.members.is_connected() {
                continue;
            }
            let whole = (view, may_be_whole);
            while let Some(message) = self.attendance.next_reports(now, (me, home), whole) {
                self.send(now, home, message);
            }
        }
    }

    fn answer(&mut self, now: Duration, answer: Answer) {
        let Answer { to, ask, channel, list } = answer;
        let (from, channel) = (self.members.me(), channel.to_string());
        self.send(now, to, Message::List { from, ask, channel, list: list.into() });
    }

    /// Whether all nodes agree which they are, and this one knows all subscribers of its channels.
    fn is_settled(&self, now: Duration) -> bool {
        let view = self.members.view();
        self.members.agree(now) && self.members.all().all(|node| self.homes.is_whole(node, view))
    }

    fn handle_timers(&mut self, now: Duration) {
        let silent = self.members.handle_timers(now);
        self.lose(now, &silent);
        if self.members.take_beat(now) {
            let (from, view) = (self.members.me(), self.members.view());
            let lacks = self.members.others().filter(|node| self.homes.lacks(*node)).collect();
            let beat = Message::Beat { from, view, lacks };
            self.outputs.push_back(Output::Send(None, beat.encode()));
        }
        self.homes.handle_timers(now);
        self.give_up(now, false);
    }

    /// Nodes are gone.
    fn lose(&mut self, now: Duration, nodes: &[NodeId]) {
        if nodes.is_empty() {
            return;
        }
        nodes.iter().for_each(|node| self.homes.forget(now, *node));
        self.rehome();
    }

    /// Other nodes are there than before.
    fn rehome(&mut self) {
        self.attendance.rehome(&self.members);
        #[cfg(test)]
        if self.homes.fault == Some(sim::Fault::Returns) {
            return;
        }
        // The new homes are not to build on what they told before: this node has told more since.
        for channel in self.homes.of_others(&self.members) {
            self.attendance.tell_anew(&self.members, &channel);
        }
    }

    fn give_up(&mut self, now: Duration, all: bool) {
        for of in self.attendance.give_up(now, all) {
            self.outputs.push_back(Output::Answer(of, None));
        }
    }
}
